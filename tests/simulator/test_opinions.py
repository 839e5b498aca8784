"""What models say about answers: scores that tell right from wrong as well as documented, and preferences between two."""

from collections import Counter
from statistics import NormalDist
from typing import Any

import msgspec
import pytest

from thriftgate.simulator import TASK_SETS
from thriftgate.simulator.accuracy import Accuracy
from thriftgate.simulator.models import load_models
from thriftgate.simulator.opinions import APART, MIDDLE, PREFERS, SPREAD, Asked, is_right, opinion, read_asked
from thriftgate.simulator.tasks import Item

from .support import ask, body, simulator

TABLE = load_models()
STEADY = Accuracy(TABLE)
BY_TIER = {1: "claude-haiku-4-5", 2: "claude-haiku-5-5", 3: "claude-sonnet-5-5", 4: "claude-opus-5-5", 5: "claude-fable-5-2"}
AUC = {1: 0.72, 2: 0.80, 3: 0.87, 4: 0.92, 5: 0.95}
ITEMS = [item for tasks in TASK_SETS for item in tasks.items(400)]
PAIRS = [(item, tasks.wrong(item, "w")) for tasks in TASK_SETS for item in tasks.items(200)]


def verifier(question: str, answer: str) -> str:
    return (
        f"<question>\n{question}\n</question>\n<answer>\n{answer}\n</answer>\n"
        "How likely is this answer right? Reply with a number from 0 to 10 only."
    )


def judge(question: str, first: str, second: str) -> str:
    return (
        f"<question>\n{question}\n</question>\n<answer_a>\n{first}\n</answer_a>\n<answer_b>\n{second}\n</answer_b>\n"
        "Which answer is better? Reply with A, B or tie only."
    )


def thinks(tier: int, question: str, *answers: str, seed: int = 1) -> str:
    return opinion(Asked(question, answers, ""), TABLE.by_name[BY_TIER[tier]], seed, STEADY)


def auc(right: list[float], wrong: list[float]) -> float:
    """From the shares of the scores 0…10; ties count half."""
    below = 0.0
    area = 0.0
    for mine, other in zip(right, wrong, strict=True):
        area += mine * (below + other / 2)
        below += other
    return area


def shares(scores: list[str]) -> list[float]:
    found = Counter(scores)
    return [found[str(score)] / len(scores) for score in range(11)]


@pytest.mark.parametrize("tier", AUC)
def test_the_documented_auc_is_what_the_distributions_give(tier: int) -> None:
    def by_formula(centre: float) -> list[float]:
        cuts = [NormalDist(centre, SPREAD).cdf(score + 0.5) for score in range(10)]
        return [high - low for low, high in zip([0.0, *cuts], [*cuts, 1.0], strict=True)]

    exact = auc(by_formula(MIDDLE + APART[tier] / 2), by_formula(MIDDLE - APART[tier] / 2))
    assert abs(exact - AUC[tier]) < 0.002
    right = shares([thinks(tier, item.prompt, item.expected) for item in ITEMS])
    wrong = shares([thinks(tier, item.prompt, slip) for item, slip in PAIRS])
    assert abs(auc(right, wrong) - AUC[tier]) < 0.025


def test_scores_depend_on_seed_model_question_and_answer_only() -> None:
    item = PAIRS[0][0]
    first = [thinks(2, item.prompt, str(number)) for number in range(40)]
    assert first == [thinks(2, f"  {item.prompt} ", f" {number}\n") for number in range(40)]
    assert first != [thinks(2, item.prompt, str(number), seed=2) for number in range(40)]
    assert first != [thinks(3, item.prompt, str(number)) for number in range(40)]


@pytest.mark.parametrize("tier", PREFERS)
def test_one_right_answer_is_preferred_as_often_as_documented(tier: int) -> None:
    as_a = Counter(thinks(tier, item.prompt, item.expected, slip) for item, slip in PAIRS)
    as_b = Counter(thinks(tier, item.prompt, slip, item.expected) for item, slip in PAIRS)
    rate = PREFERS[tier]
    assert abs(as_a["A"] / len(PAIRS) - (rate + 0.03)) < 0.03
    assert abs(as_b["B"] / len(PAIRS) - (rate - 0.03)) < 0.03
    assert as_a["A"] > as_b["B"]
    assert as_b["tie"] > 0
    assert as_b["A"] > 0


def test_a_swap_changes_little_more_than_the_favour_for_a() -> None:
    swapped = {"A": "B", "B": "A", "tie": "tie"}
    turned = sum(
        thinks(3, item.prompt, item.expected, slip) != swapped[thinks(3, item.prompt, slip, item.expected)]
        for item, slip in PAIRS
    )
    assert 0.03 < turned / len(PAIRS) < 0.09


def test_two_right_or_two_wrong_answers_are_mostly_a_tie_and_else_rather_a() -> None:
    both_right = Counter(thinks(4, item.prompt, item.expected, item.expected) for item in ITEMS)
    both_wrong = Counter(thinks(4, item.prompt, slip, slip + "0") for item, slip in PAIRS)
    for found in (both_right, both_wrong):
        total = sum(found.values())
        assert abs(found["tie"] / total - 0.80) < 0.04
        assert found["A"] > found["B"] > 0


def test_unknown_tasks() -> None:
    assert thinks(4, "Write a poem.", "Roses are red.") == "5"
    assert thinks(4, "Write a poem.", "Roses  are red.", "Roses are red. ") == "tie"
    poems = [(f"poem {number}", f"verse {number}") for number in range(300)]
    found = Counter(thinks(4, "Write a poem.", *pair) for pair in poems)
    assert found["A"] > 100
    assert found["B"] > 80
    assert found["tie"] < 30


@pytest.mark.parametrize(
    ("item", "answer", "right"),
    [
        (Item("ticket", "q", "billing", 1), " Billing.\n", True),
        (Item("ticket", "q", "billing", 1), "shipping", False),
        (Item("ticket", "q", "billing", 1), '{"category": "billing", "score": 1}', True),
        (Item("ticket", "q", "billing", 1), '["billing"]', False),
        (Item("arithmetic", "q", "14", 1), '{"value": 14}', True),
        (Item("arithmetic", "q", "14", 1), "It is 14", False),
        (Item("extraction", "q", '{"name":"Ada","quantity":5}', 2), '{"quantity": 5, "name": "Ada"}', True),
        (Item("extraction", "q", '{"name":"Ada","quantity":5}', 2), '{"name": "Ada", "other": 1}', True),
        (Item("extraction", "q", '{"name":"Ada","quantity":5}', 2), '{"name": "Ada", "quantity": 6}', False),
        (Item("extraction", "q", '{"name":"Ada","quantity":5}', 2), "{}", False),
    ],
)
def test_what_counts_as_right(item: Item, answer: str, right: bool) -> None:
    assert is_right(item, answer) is right


def test_requests_for_an_opinion_are_read_from_the_text() -> None:
    assert read_asked(verifier("Q?", "A!")) == Asked(
        "Q?", ("A!",), "\nHow likely is this answer right? Reply with a number from 0 to 10 only."
    )
    asked = read_asked("Be strict. " + judge("Q?", "one\n</answer>", "two"))
    assert asked is not None
    assert (asked.question, asked.answers) == ("Q?", ("one\n</answer>", "two"))
    assert asked.around.startswith("Be strict. ")
    nested = read_asked(verifier(verifier("Q?", "inner"), "outer"))
    assert nested is not None
    assert nested.answers[0].endswith("outer")


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "<question>Q?</question>",
        "<question>Q? <answer>A</answer>",
        "<answer>A</answer><question>Q?</question>",
        "<question>Q?</question><answer>A",
        "<question>Q?</question><answer_a>A</answer_a>",
        "<question>Q?</question><answer_a>A</answer_b>",
    ],
)
def test_other_texts_ask_for_no_opinion(text: str) -> None:
    assert read_asked(text) is None


async def said(text: str, settings: dict[str, Any] | None = None, **members: Any) -> str:
    content = body(messages=[{"role": "user", "content": text}], **members)
    found: str = (await ask(simulator(**(settings or {})), content)).json()["content"][-1]["text"]
    return found


async def test_over_the_api() -> None:
    item, slip = PAIRS[0]
    question = f"{item.prompt} [[sim: out=500]]"  # an order to the model that is judged, not to the judge
    assert await said(verifier(question, item.expected)) in {str(score) for score in range(11)}
    assert await said(judge(question, item.expected, slip)) in {"A", "B", "tie"}
    assert await said("[[sim: say=7]]" + verifier(question, item.expected)) == "7"
    schema = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
    config = {"format": {"type": "json_schema", "schema": schema}}
    plain = await said(verifier(item.prompt, slip))
    assert msgspec.json.decode(await said(verifier(item.prompt, slip), output_config=config)) == {"score": int(plain)}
    again = {"variety": 1.0}
    app = simulator(**again)
    content = body(messages=[{"role": "user", "content": verifier(item.prompt, slip)}])
    scores = {(await ask(app, content)).json()["content"][-1]["text"] for _ in range(12)}
    assert len(scores) > 2


async def test_accuracy_shifts_leave_opinions_alone() -> None:
    for item, slip in PAIRS[::50]:
        text = judge(item.prompt, item.expected, slip)
        assert await said(text) == await said(text, {"accuracy_shift": -1.0})
