import msgspec
import pytest

from thriftgate.simulator.models import load_models
from thriftgate.simulator.tasks import RIGHT, TASK_SETS, TaskSet, recognise, solve

from .support import ask, body, simulator

NAMES = [tasks.name for tasks in TASK_SETS]


@pytest.mark.parametrize("tasks", TASK_SETS, ids=NAMES)
def test_items_repeat_and_are_recognised_inside_other_text(tasks: TaskSet) -> None:
    items = tasks.items(60, seed=3)
    assert items == tasks.items(60, seed=3)
    assert len({item.prompt for item in items}) > 40
    for item in items:
        found = recognise(f"Some context.\n\n{item.prompt}\n")
        assert found is not None
        assert (found[0].name, found[1].expected, found[1].difficulty) == (tasks.name, item.expected, item.difficulty)


@pytest.mark.parametrize("tasks", TASK_SETS, ids=NAMES)
def test_wrong_answers_are_wrong_and_plausible(tasks: TaskSet) -> None:
    for number, item in enumerate(tasks.items(40)):
        wrong = tasks.wrong(item, number)
        assert wrong != item.expected
        if tasks.name == "extraction":
            assert set(msgspec.json.decode(wrong)) == {"name", "city", "quantity", "part"}
        elif tasks.name in {"arithmetic", "problem"}:
            int(wrong)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Compute 2 + 3 * 4.", "14"),
        ("Please Compute 10 - 2 * 3 - 1. Thanks", "3"),
        ("Classify the sentiment.\n\nReview: The tent was awful.", "negative"),
        ("What is the category of this ticket?\n\nTicket: I was charged twice.", "billing"),
        (
            "Note: Ada Moreau from Lyon ordered 5 units of part AX-100.",
            '{"name":"Ada Moreau","city":"Lyon","quantity":5,"part":"AX-100"}',
        ),
    ],
)
def test_truth_is_worked_out_from_the_text(prompt: str, expected: str) -> None:
    found = recognise(prompt)
    assert found is not None
    assert found[1].expected == expected


def test_nothing_is_recognised_in_other_text() -> None:
    assert recognise("Write a poem about tea.") is None


def test_abilities_follow_the_table() -> None:
    easy = [item for item in TASK_SETS[0].items(3000) if item.difficulty == 1]
    hard = TASK_SETS[4].items(1000)
    for tier, (right_easy, _, right_hard) in RIGHT.items():
        for tasks, items, chance in ((TASK_SETS[0], easy, right_easy), (TASK_SETS[4], hard, right_hard)):
            right = sum(
                solve(tasks, item, seed=1, model="m", tier=tier, effort="high") == item.expected for item in items
            ) / len(items)
            assert abs(right - chance) < 0.05


def test_effort_and_shift_move_the_odds() -> None:
    items = TASK_SETS[4].items(500)

    def right(effort: str, shift: float = 0.0) -> int:
        return sum(
            solve(TASK_SETS[4], item, seed=1, model="m", tier=3, effort=effort, shift=shift) == item.expected
            for item in items
        )

    assert right("low") < right("high") <= right("max") < right("high", 0.5) == 500


async def test_the_model_answers_tasks_over_the_api() -> None:
    app = simulator(accuracy_shift=1.0)
    for tasks in TASK_SETS:
        for item in tasks.items(5):
            reply = await ask(app, body(messages=[{"role": "user", "content": item.prompt}]))
            assert reply.json()["content"][-1]["text"] == item.expected
    assert load_models().by_name["claude-opus-5-5"].tier == 4
