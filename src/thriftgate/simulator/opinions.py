"""What the simulated models say when they are asked about answers: how likely one is right, or which of two is better.

The truth is worked out from the question where it holds a task that the simulator knows. All figures are the simulator's own
and say nothing about real models; what is added to the chances of right answers does not touch them. Decided by a hash of
seed, model, question and answers, with `variety` sometimes of the number of the call as well. Orders to the simulator
inside of question and answers are none.

A user's text with `<question>…</question><answer>…</answer>` is answered by a whole number from 0 to 10: 6, half of the
points below more for a right answer and less for a wrong one, and a normal error with a standard deviation of 2. Where the
question holds no known task it is 5.

A text with `<question>…</question><answer_a>…</answer_a><answer_b>…</answer_b>` is answered by A, B or tie. If one is
right, it is named as often as told below: 0.03 more often where it is A, 0.03 less often where it is B; otherwise half the
time the reply is a tie, half the time the wrong one. If both are right or both are wrong: tie 0.80, A 0.13, B 0.07. The
same two answers in the other order get the same draw, so that only the favour for A makes a difference. Where the question
holds no known task, equal texts are a tie, and of others a hash decides which one is taken for right.

    tier of the model               points between    AUC of the    names the right
                                    right and wrong    numbers       one of two
    1  Haiku 4.5 and older               1.69           0.72            0.80
    2  Haiku 5.5, old Sonnets            2.43           0.80            0.85
    3  Sonnets, Opus up to 4.6           3.25           0.87            0.90
    4  Opus 4.7 to 5.5                   4.06           0.92            0.94
    5  Fable, Mythos                     4.75           0.95            0.96
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import NormalDist

import msgspec

from thriftgate.simulator.accuracy import Accuracy
from thriftgate.simulator.draws import pick, unit
from thriftgate.simulator.models import Model
from thriftgate.simulator.tasks import Item, recognise

APART = {1: 1.69, 2: 2.43, 3: 3.25, 4: 4.06, 5: 4.75}
MIDDLE, SPREAD = 6.0, 2.0
PREFERS = {1: 0.80, 2: 0.85, 3: 0.90, 4: 0.94, 5: 0.96}
TIE, FAVOUR = 0.80, 0.03
UNKNOWN = "5"

OPENING = "<question>"
SHAPES = (
    (re.compile(r"</question>\s*<answer_a>"), re.compile(r"</answer_a>\s*<answer_b>"), "</answer_b>"),
    (re.compile(r"</question>\s*<answer>"), None, "</answer>"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for an opinion: the question, one answer or two, and the text around them (the asker's own words)."""

    question: str
    answers: tuple[str, ...]
    around: str


def read_asked(text: str) -> Asked | None:
    """The request for an opinion in a user's text, if there is one."""
    start = text.find(OPENING)
    if start < 0:
        return None
    for first, between, closing in SHAPES:
        end, opened = text.rfind(closing), first.search(text, start)
        if opened is None or end < opened.end():
            continue
        answers: tuple[str, ...] = (text[opened.end() : end],)
        if between is not None:
            parted = between.search(text, opened.end(), end)
            if parted is None:
                continue
            answers = (text[opened.end() : parted.start()], text[parted.end() : end])
        question = text[start + len(OPENING) : opened.start()].strip()
        around = text[:start] + text[end + len(closing) :]
        return Asked(question, tuple(answer.strip() for answer in answers), around)
    return None


def opinion(asked: Asked, model: Model, seed: int, accuracy: Accuracy) -> str:
    """The model's reply: a number from 0 to 10 about one answer, or A, B or tie about two."""
    found = recognise(asked.question)
    item = found[1] if found is not None else None
    question = item.key if item is not None else " ".join(asked.question.split())
    answers = [" ".join(answer.split()) for answer in asked.answers]
    parts = (question, *sorted(answers))
    chance = (seed, model.id, *parts, *accuracy.draw(model.id, "\n".join(("opinion", *parts))))
    if len(answers) == 1:
        return UNKNOWN if item is None else _score(model, chance, right=is_right(item, asked.answers[0]))
    if item is None:
        right = [answer == pick(sorted(answers), "better", *chance) for answer in answers]
        return "tie" if all(right) else _preference(model, chance, right)
    return _preference(model, chance, [is_right(item, answer) for answer in asked.answers])


def _score(model: Model, chance: tuple[object, ...], *, right: bool) -> str:
    centre = MIDDLE + (APART[model.tier] if right else -APART[model.tier]) / 2
    error = NormalDist().inv_cdf(max(unit("score", *chance), 1e-12))
    return str(round(min(10.0, max(0.0, centre + SPREAD * error))))


def _preference(model: Model, chance: tuple[object, ...], right: list[bool]) -> str:
    drawn = unit("preference", *chance)
    if right[0] == right[1]:
        if drawn < TIE:
            return "tie"
        return "A" if drawn < TIE + (1 - TIE) / 2 + FAVOUR else "B"
    better, worse = ("A", "B") if right[0] else ("B", "A")
    if drawn < PREFERS[model.tier] + (FAVOUR if better == "A" else -FAVOUR):
        return better
    return "tie" if unit("mistake", *chance) < 0.5 else worse


def is_right(item: Item, answer: str) -> bool:
    """Whether an answer says what the task asks for: the expected text but for case, white space and a full stop at the
    end; JSON by its values. A single expected value may also stand alone in any member of a JSON object, and an object may
    leave expected members out."""
    if _plain(answer) == _plain(item.expected):
        return True
    found, wanted = _decoded(answer), _decoded(item.expected)
    if not isinstance(found, dict):
        return False
    if isinstance(wanted, dict):
        common = found.keys() & wanted.keys()
        return bool(common) and all(found[name] == wanted[name] for name in common)
    return any(_plain(str(value)) == _plain(item.expected) for value in found.values())


def _plain(text: str) -> str:
    return " ".join(text.split()).removesuffix(".").casefold()


def _decoded(text: str) -> object:
    try:
        value: object = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return value
