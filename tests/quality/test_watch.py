"""The watch: what it counts, when it alarms, what it remembers."""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace

from tests.core.routing.artefacts import artefact_of
from thriftgate.core.sequential.detector import ALPHA
from thriftgate.quality.watch import TASKS_ALPHA, Delay, Tally, Verdict, Watch, by_task, delay_of, tallies_in

VERDICTS: tuple[Verdict, ...] = ("strong better", "different", "different")
ARTEFACT = replace(artefact_of({"easy": -5.0, "hard": -4.0}), differ=0.1, tasks={"easy": 0.05, "hard": 0.2})


def watch(*, judged: bool = False) -> Watch:
    return Watch(ARTEFACT, judged=judged)


def test_answers_within_the_limit_raise_no_alarm() -> None:
    one, random = watch(), Random(3)
    assert not [alarm for _ in range(1_000) if (alarm := one.see("hard", _drawn(random, 0.08)))]
    assert one.tallies["hard"].audits == one.tallies[""].audits == 1_000


def _drawn(random: Random, rate: float) -> Verdict:
    return "different" if random.random() < rate else "same"


def test_a_task_that_goes_bad_is_named_first() -> None:
    """Its limit is its own; the rest of the traffic keeps the whole artefact below its limit."""
    one, random, found = watch(), Random(5), None
    for _ in range(400):
        for task, rate in (("easy", 0.3), ("hard", 0.0), ("hard", 0.0), ("hard", 0.0)):
            found = found or one.see(task, _drawn(random, rate))
    assert found is not None
    assert (found.artefact, found.task) == (ARTEFACT.id, "easy")
    assert "differed, where calibration allows 5.0%" in found.evidence


def test_when_all_goes_bad_the_artefact_is_named() -> None:
    one, random = watch(), Random(5)
    alarms = [alarm for _ in range(300) if (alarm := one.see("other", _drawn(random, 0.5)))]
    assert [alarm.task for alarm in alarms] == [""]  # once, and no task: calibration has not seen it


def test_a_judge_counts_what_is_lost_and_what_is_won() -> None:
    even, worse = watch(judged=True), watch(judged=True)
    for number in range(600):
        assert even.see("easy", "strong better" if number % 2 else "cheap better") is None
    alarms = [alarm for verdict in VERDICTS * 200 if (alarm := worse.see("easy", verdict))]
    assert alarms
    assert "the strong answer was better" in alarms[0].evidence


def test_it_goes_on_after_a_restart() -> None:
    """The alarm comes with the same audit, whether or not there was a restart before it."""
    straight, broken = watch(), watch()
    for number in range(500):
        verdict: Verdict = "different" if number % 5 == 0 else "same"
        first, second = straight.see("easy", verdict), broken.see("easy", verdict)
        assert [(one.artefact, one.task) for one in (first,) if one] == [
            (one.artefact, one.task) for one in (second,) if one
        ]
        if number % 7 == 0:
            kept, broken = broken.kept(), watch()
            broken.restore(kept)
    assert straight.tallies == broken.tallies
    assert straight.kept() == broken.kept()


def test_evidence_of_another_limit_is_not_taken_up() -> None:
    other = Watch(artefact_of(differ=0.3), judged=False)
    other.see("", "different")
    with pytest.raises(ValueError, match="another limit"):
        watch().restore(other.kept())


def test_how_soon_it_is_noticed() -> None:
    """More is noticed sooner; no rise is no question."""
    small, large = delay_of(0.1, 0.2, Random(1).random, runs=100), delay_of(0.1, 0.45, Random(1).random, runs=100)
    assert isinstance(large, Delay)
    assert 10 < large.median <= large.most < small.median <= small.most
    with pytest.raises(ValueError, match="no rise"):
        delay_of(0.1, 0.1, Random(1).random)


def test_false_alarms_are_rare_at_the_limit() -> None:
    """At the limit itself, over a whole horizon: at most alpha, here within what 60 runs can tell."""
    alarms = 0
    for seed in range(60):
        one, random = watch(), Random(seed)
        alarms += any(one.see("other", _drawn(random, 0.1)) for _ in range(2_000))
    assert alarms <= 60 * ALPHA * (1 - TASKS_ALPHA) + 3


def test_a_mix_that_moves_is_an_alarm() -> None:
    """A promise over all tasks together holds for calls that come in the mix of calibration."""
    artefact = replace(ARTEFACT, mix={"easy": 300, "hard": 100})
    steady, moved, random = Watch(artefact, judged=False), Watch(artefact, judged=False), Random(2)
    assert not any(steady.came("easy" if random.random() < 0.75 else "hard") for _ in range(3_000))
    assert not any(steady.came("never seen") for _ in range(3_000))
    alarms = [alarm for _ in range(3_000) if (alarm := moved.came("easy" if random.random() < 0.25 else "hard"))]
    assert len(alarms) == 1
    assert "another mix" in alarms[0].evidence
    assert "hard +" in alarms[0].evidence


def test_verdicts_by_task_are_read_from_what_is_kept() -> None:
    one = watch()
    verdicts: tuple[Verdict, ...] = ("same", "same", "different")
    for verdict in verdicts:
        one.see("hard", verdict)
    found = tallies_in(one.kept())
    assert found == one.tallies
    assert by_task([found, found]) == {"hard": Tally(4, 2)}
    assert by_task([{"": Tally(9)}]) == {}
