import pytest

from thriftgate.simulator import TASK_SETS, AccuracyShift, Simulator
from thriftgate.simulator.accuracy import Accuracy, within
from thriftgate.simulator.models import load_models
from thriftgate.simulator.tasks import RIGHT

from .support import ask, body, simulator

HAIKU = "claude-haiku-5-5"
PROBLEMS = TASK_SETS[4].items(60)  # all of difficulty 3
CHANCE = RIGHT[2][2]


async def right(app: Simulator, prompt: str, expected: str) -> bool:
    """Whether Haiku 5.5 answers a prompt right."""
    reply = await ask(app, body(model=HAIKU, messages=[{"role": "user", "content": prompt}]))
    found: str = reply.json()["content"][-1]["text"]
    return found == expected


async def outcomes(app: Simulator, calls: int) -> list[list[bool]]:
    """Right or wrong by problem and call."""
    return [[await right(app, item.prompt, item.expected) for _ in range(calls)] for item in PROBLEMS]


async def test_without_variety_an_answer_stays_as_it_is() -> None:
    assert all(len(set(calls)) == 1 for calls in await outcomes(simulator(), 3))


async def test_with_variety_calls_differ_and_the_chance_stays() -> None:
    found = await outcomes(simulator(variety=1.0), 10)
    share = sum(map(sum, found)) / 600
    assert abs(share - CHANCE) < 0.06
    assert sum(len(set(calls)) == 2 for calls in found) > 50
    assert found == await outcomes(simulator(variety=1.0), 10)  # counted per task, so the same again
    assert found != await outcomes(simulator(variety=1.0, seed=2), 10)


async def test_variety_is_the_share_that_is_drawn_per_call() -> None:
    """Of two calls of one task both are drawn per call, or at least one by itself: they agree more often than by chance."""
    agree = {}
    for variety in (0.0, 0.5, 1.0):
        found = await outcomes(simulator(variety=variety), 6)
        pairs = [first == other for first, *rest in found for other in rest]
        agree[variety] = sum(pairs) / len(pairs)
    assert agree[0.0] == 1.0
    by_chance = CHANCE**2 + (1 - CHANCE) ** 2
    assert abs(agree[1.0] - by_chance) < 0.1
    assert abs(agree[0.5] - (0.25 + 0.75 * by_chance)) < 0.1


async def test_wrong_answers_scatter_with_variety() -> None:
    app = simulator(variety=1.0, accuracy_shift=-1.0)
    content = body(model=HAIKU, messages=[{"role": "user", "content": "Compute 2 + 3."}])
    assert len({(await ask(app, content)).json()["content"][-1]["text"] for _ in range(12)}) > 3


async def test_a_reset_counts_calls_from_the_start_and_keeps_the_rest() -> None:
    app = simulator(variety=1.0, accuracy_shifts=(AccuracyShift(HAIKU, 0.1),))
    first = await outcomes(app, 4)
    assert await outcomes(app, 4) != first
    app.reset()
    assert await outcomes(app, 4) == first
    assert app.accuracy.document()["shifts"] == [{"model": HAIKU, "shift": 0.1, "task": None}]


def test_shifts_add_up_by_model_and_task() -> None:
    shifts = (AccuracyShift("claude-haiku-4-5", -0.3), AccuracyShift("claude-haiku-4-5", -0.1, "sentiment"))
    accuracy = Accuracy(load_models(), base=0.05, shifts=shifts)
    assert accuracy.shift("claude-haiku-4-5-20251001", "sentiment") == pytest.approx(-0.35)
    assert accuracy.shift("claude-haiku-4-5-20251001", "ticket") == pytest.approx(-0.25)
    assert accuracy.shift(HAIKU, "ticket") == 0.05
    accuracy.set(AccuracyShift("claude-haiku-4-5", 0.0))
    assert accuracy.shift("claude-haiku-4-5-20251001", "ticket") == 0.05
    assert len(accuracy.document()["shifts"]) == 1


async def test_drift_in_mid_run_over_the_api() -> None:
    app = simulator()
    before = sum(map(sum, await outcomes(app, 1)))
    app.accuracy.set(AccuracyShift(HAIKU, -0.3, "problem"))
    after = sum(map(sum, await outcomes(app, 1)))
    assert 8 <= before - after <= 30
    app.accuracy.set(AccuracyShift(HAIKU, -0.3, "sentiment"))
    app.accuracy.set(AccuracyShift(HAIKU, 0.0, "problem"))
    assert sum(map(sum, await outcomes(app, 1))) == before


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        (AccuracyShift("claude-2", 0.1), "unknown model 'claude-2'"),
        (AccuracyShift(HAIKU, 0.1, "poems"), "unknown task 'poems'; known: arithmetic"),
        (AccuracyShift(HAIKU, float("nan")), "shift must be between -1 and 1, not nan"),
    ],
)
def test_shifts_that_make_no_sense(shift: AccuracyShift, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        simulator(accuracy_shifts=(shift,))


def test_bounds_are_inclusive() -> None:
    assert within("x", -1.0, -1.0, 1.0) == -1.0
    with pytest.raises(ValueError, match="x must be between 0 and 1, not 2"):
        within("x", 2, 0.0, 1.0)
