"""From examples to an artefact: what is promised, what is not, and why."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from tests.quality.made_labels import CHEAP, STRONG, examples
from thriftgate.core.errors import InputError
from thriftgate.core.routing.artefact import Artefact, read_artefact, signed
from thriftgate.core.routing.features import features_of
from thriftgate.quality.calibrate import FEWEST, Calibration, calibrate
from thriftgate.quality.families import Wish
from thriftgate.quality.labels import Labelled, Outcome

NOW_S = 1_795_262_400.0
EASY_AND_HARD = {"easy": 0.0, "hard": 0.4}


def calibrated(data: list[Labelled], **members: Any) -> Calibration:
    wish = Wish(STRONG, (CHEAP,), **({"target": 0.95} | members))
    return calibrate(data, wish, made_s=NOW_S, price_ratios={CHEAP: 0.1, "middle": 0.4})


def promised(data: list[Labelled], **members: Any) -> Artefact:
    found = calibrated(data, **members)
    assert found.artefact is not None, found.why
    return found.artefact


def test_easy_calls_go_and_hard_ones_stay() -> None:
    """And what it says of itself is so: evidence, saving, limits, validity."""
    data = examples(500, 1, losses=EASY_AND_HARD)
    made = promised(data)
    fresh = examples(400, 2, losses=EASY_AND_HARD)
    goes = {task: [made.judge(features_of(one.text, one.around))[0] for one in fresh if one.around.task == task]
            for task in EASY_AND_HARD}  # fmt: skip
    assert sum(goes["easy"]) / len(goes["easy"]) > 0.95
    assert sum(goes["hard"]) / len(goes["hard"]) < 0.3
    assert 0.3 < made.saving.low < made.saving.share < made.saving.high < 0.6
    assert made.evidence.p <= 0.05
    assert made.evidence.examples == 500
    assert made.expires_s == NOW_S + 30 * 86_400
    assert made.tasks["easy"] < 0.2
    assert made.mix == {"easy": sum(one.around.task == "easy" for one in data), "hard": made.mix["hard"]}
    assert not made.judge(features_of("anything", replace(fresh[0].around, task="never seen")))[0]


def test_the_same_examples_give_the_same_artefact() -> None:
    data = examples(200, 3, losses=EASY_AND_HARD)
    first, second = promised(data), promised(data)
    assert first == second
    assert read_artefact(signed(first, b"secret"), b"secret", "here").id == first.id
    assert promised(data, target=0.9).id != first.id


def test_a_cheap_arm_that_loses_everywhere_gets_no_promise() -> None:
    found = calibrated(examples(400, 4, losses={"one": 0.5, "two": 0.6}), target=0.98)
    assert found.artefact is None
    assert "no policy but the strong arm alone" in found.why
    assert found.families[0].at == -1
    assert [one.examples for one in found.more] == [400, 800, 1_600, 3_200]


def test_a_promise_is_kept_on_the_population_it_was_drawn_from() -> None:
    """Six draws: with a chance of 5 % each, three breaches are as good as impossible."""
    losses = {"a": 0.02, "b": 0.06, "c": 0.2}
    population = examples(6_000, 99, losses=losses)
    strong = sum(one.outcomes[STRONG].quality for one in population)
    broken = 0
    for seed in range(6):
        made = calibrated(Random(seed).sample(population, 200), target=0.95, seed=seed).artefact
        if made is None:
            continue
        lost = sum(
            (one.outcomes[STRONG].quality - one.outcomes[CHEAP].quality) * made.share
            for one in population
            if made.judge(features_of(one.text, one.around))[0]
        )
        broken += 1 - lost / strong < 0.95
    assert broken <= 2


@pytest.mark.parametrize("count", [2, 12, FEWEST - 1])
def test_too_few_examples(count: int) -> None:
    found = calibrated(examples(count, 5, losses={"easy": 0.0}))
    assert found.artefact is None
    assert f"{count} examples are too few" in found.why
    assert not found.families


def test_a_judge_that_never_tells_answers_apart_proves_nothing() -> None:
    good = {CHEAP: Outcome(1.0), STRONG: Outcome(1.0)}
    found = calibrated([replace(one, outcomes=good) for one in examples(300, 6, losses={"easy": 0.0})])
    assert found.artefact is None
    assert "all grades are 1" in found.why


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: [*data, data[0]], "the id '0' stands twice"),
        (
            lambda data: [replace(one, outcomes={CHEAP: Outcome(1.0)}) for one in data],
            f"no example has an outcome of {STRONG}",
        ),
        (
            lambda data: [replace(one, outcomes={CHEAP: Outcome(1.0), STRONG: Outcome(0.0)}) for one in data],
            f"{STRONG} was right on none",
        ),
    ],
)
def test_examples_that_cannot_be_used(spoil: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        calibrated(spoil(examples(100, 7, losses={"easy": 0.0})))


def test_the_strong_arm_is_no_candidate() -> None:
    with pytest.raises(InputError, match="a candidate at once"):
        calibrate(examples(100, 7, losses={"easy": 0.0}), Wish(STRONG, (STRONG,)), made_s=NOW_S, price_ratios={STRONG: 1.0})


def test_ungraded_outcomes_are_left_out() -> None:
    """Where a judge has failed there is no outcome: such an example counts for nothing."""
    data = examples(300, 8, losses=EASY_AND_HARD)
    some = [replace(one, outcomes={STRONG: one.outcomes[STRONG]}) if at % 3 == 0 else one for at, one in enumerate(data)]
    assert calibrated(some).examples == 200


def test_of_a_cluster_one_counts() -> None:
    data = [replace(one, cluster=f"c{at // 4}") for at, one in enumerate(examples(400, 9, losses=EASY_AND_HARD))]
    assert calibrated(data).examples == 100


def test_strict_leaves_more_room_and_one_kind_alone_less() -> None:
    data = examples(400, 10, losses={"easy": 0.01, "middle": 0.1, "hard": 0.4}, told=0.0)
    assert promised(data, mode="strict").saving.share <= promised(data).saving.share


def test_the_cheapest_candidate_that_keeps_the_promise_is_taken() -> None:
    """The middle arm is as good as the strong one and dearer than the cheap one, which is no good."""
    data = [
        replace(one, outcomes={**one.outcomes, "middle": one.outcomes[STRONG]})
        for one in examples(300, 11, losses={"one": 0.4, "two": 0.5})
    ]
    found = calibrate(
        data, Wish(STRONG, (CHEAP, "middle"), target=0.95), made_s=NOW_S, price_ratios={CHEAP: 0.1, "middle": 0.4}
    )
    assert found.artefact is not None
    assert found.artefact.cheap == "middle"
    assert 0.45 < found.artefact.saving.share <= 0.6


def test_traffic_nobody_graded_is_taken_in() -> None:
    data = examples(200, 15, losses=EASY_AND_HARD)
    traffic = [features_of(one.text, one.around) for one in examples(1_000, 16, losses=EASY_AND_HARD)]
    wish = Wish(STRONG, (CHEAP,), target=0.95)
    found = calibrate(data, wish, made_s=NOW_S, price_ratios={CHEAP: 0.1}, traffic=traffic)
    assert found.artefact is not None
