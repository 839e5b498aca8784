"""What the simulated model takes from a system prompt when it does a task that it knows. All of it is assumed.

The instruction of the task sets `ticket` and `sentiment` may stand in the system prompt, and the user's text be no more than
`Ticket: …` or `Review: …`: without the sentence that says what to do, the simulator does not know the task.

    Give the category of this support ticket: billing, shipping, technical, account.
    Classify the sentiment of this review as positive, negative or neutral.

Told in that way, it answers with a sentence around the label, unless it is also told, there or by the user, to answer,
reply, respond or return something "only": `Reply with the category only.` Two more kinds of sentences of a system prompt
count for every task, wherever its instruction stands:

    … "PHRASE" … counts as LABEL.          a text that holds the phrase has this label, if it is one of the task set
    Write the label in capital letters.    or "in capitals", "in upper case", after such a verb: so the answer is written

And a mark in the user's text, `[[sim: needs=PHRASE]]`, makes any sentence one that matters: where the system prompt does not
hold PHRASE (case and white space aside), a known task is answered wrong, and anything else that the simulator is not told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from thriftgate.simulator.render import Body, visible_system
from thriftgate.simulator.tasks import SENTIMENTS, TICKETS, Item, TaskSet, recognise

UNTOLD = "I was not told how to answer that (simulated)."
GIVEN = re.compile(r"^(?:Ticket|Review):", re.MULTILINE)
INSTRUCTION = re.compile(r"categor(?:y|ies) of this|classify the sentiment", re.IGNORECASE)
SENTENCE = re.compile(r"[^.\n]+")
VERB = re.compile(r"\b(?:answer|reply|respond|return|write|give)\b", re.IGNORECASE)
ONLY = re.compile(r"\bonly\b", re.IGNORECASE)
CAPITALS = re.compile(r"\bin (?:capital letters|capitals|upper ?case)\b", re.IGNORECASE)
COUNTS_AS = re.compile(r'"([^"\n]{2,60})"[^.\n]{0,40}?\bcounts? as "?(\w+)', re.IGNORECASE)
LABELS = {"ticket": tuple(TICKETS), "sentiment": SENTIMENTS}


@dataclass(frozen=True, slots=True)
class Told:
    """A known task as the system prompt puts it."""

    tasks: TaskSet
    item: Item
    plain: bool = True
    capitals: bool = False


@dataclass(frozen=True, slots=True)
class _Rules:
    instructions: tuple[str, ...]
    counts_as: tuple[tuple[str, str], ...]
    only: bool
    capitals: bool


def told(body: Body, text: str) -> Told | None:
    """The task in the user's `text`, with what the system prompt says of it; None where there is none."""
    known, plain = recognise(text), True
    given = GIVEN.search(text) if known is None else None
    if known is None and given is None:
        return None
    rules = _rules(system_text(body))
    if given is not None:
        put = (f"{one}\n\n{text[given.start() :]}" for one in rules.instructions)
        known = next(filter(None, map(recognise, put)), None)
        plain = rules.only or _asks(text, ONLY)
    if known is None:
        return None
    tasks, item = known
    for phrase, label in rules.counts_as:
        if phrase in text.lower() and label in LABELS.get(tasks.name, ()):
            item = replace(item, expected=label)
    return Told(tasks, item, plain, rules.capitals)


def in_form(known: Told, answer: str) -> str:
    """The answer in the form that was asked for."""
    answer = answer.upper() if known.capitals else answer
    return answer if known.plain else f"I would say that this is {answer}, going by the text."


def is_told(body: Body, needs: Sequence[str]) -> bool:
    """Whether the system prompt holds all of these phrases."""
    if not needs:
        return True
    system = _words(system_text(body))
    return all(_words(one) in system for one in needs)


def system_text(body: Body) -> str:
    """The text of the system prompt."""
    return "\n".join(str(block.get("text", "")) for _, block in visible_system(body))


def _words(text: str) -> str:
    return " ".join(text.lower().split())


def _asks(text: str, how: re.Pattern[str]) -> bool:
    """Whether a sentence of the text says `how` behind one of the verbs; in time linear in the text."""
    sentences = (found.group() for found in SENTENCE.finditer(text))
    return any((verb := VERB.search(one)) is not None and how.search(one, verb.end()) is not None for one in sentences)


@lru_cache(256)
def _rules(system: str) -> _Rules:
    return _Rules(
        tuple(line for line in system.split("\n") if INSTRUCTION.search(line)),
        tuple((phrase.lower(), label.lower()) for phrase, label in COUNTS_AS.findall(system)),
        _asks(system, ONLY),
        _asks(system, CAPITALS),
    )
