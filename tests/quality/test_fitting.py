from __future__ import annotations

from random import Random

import msgspec
import numpy as np
import pytest

from tests.quality.made_labels import CHEAP, STRONG, examples
from thriftgate.core.errors import InputError
from thriftgate.core.routing.confidence import Confidence
from thriftgate.core.routing.features import Surroundings, features_of
from thriftgate.core.routing.score import Scorer
from thriftgate.quality import fitting
from thriftgate.quality.fitting import STAIRS_FROM, cross_fit, dealt, fit, fit_confidence
from thriftgate.quality.labels import Labelled, Outcome

LOSSES = {"mail": 0.02, "sums": 0.35, "tags": 0.1}


def scores(scorer: Scorer, of: list[Labelled]) -> list[float]:
    return [scorer.score(features_of(one.text, one.around)) for one in of]


def net_loss(of: list[Labelled]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([one.outcomes[STRONG].quality - one.outcomes[CHEAP].quality for one in of])


def test_the_score_puts_tasks_in_order_and_estimates_the_net_loss() -> None:
    fitted = fit(examples(600, 1, losses=LOSSES), CHEAP, STRONG, seed=1)
    fresh = examples(2_000, 2, losses=LOSSES)
    found = np.array(scores(fitted, fresh))
    for task, loss in LOSSES.items():
        here = np.array([one.around.task == task for one in fresh])
        assert found[here].mean() == pytest.approx(0.9 * loss, abs=0.06)
    assert found.mean() == pytest.approx(net_loss(fresh).mean(), abs=0.03)


def test_it_learns_words_within_a_task() -> None:
    fitted = fit(examples(600, 1, losses={"": 0.3}, told=0.25), CHEAP, STRONG, seed=1)
    easy, hard = (fitted.score(features_of(f"is it {word} to be", Surroundings())) for word in ("simple", "intricate"))
    assert hard - easy > 0.1


def test_a_score_can_be_stored() -> None:
    fitted = fit(examples(100, 1, losses=LOSSES), CHEAP, STRONG, seed=1)
    assert [one.times for one in fitted.heads] == [1.0, -1.0]
    assert msgspec.json.decode(msgspec.json.encode(fitted), type=Scorer) == fitted


def test_of_much_traffic_some_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "TRAFFIC_MOST", 10)
    labelled = examples(60, 1, losses=LOSSES)
    traffic = [features_of("word " * at, Surroundings()) for at in range(200)]
    found = [fit(labelled, CHEAP, STRONG, seed=seed, traffic=traffic).usual for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_the_same_seed_gives_the_same_score() -> None:
    labelled = examples(150, 1, losses=LOSSES)
    assert fit(labelled, CHEAP, STRONG, seed=3) == fit(labelled, CHEAP, STRONG, seed=3)
    assert np.array_equal(cross_fit(labelled, CHEAP, STRONG, seed=3), cross_fit(labelled, CHEAP, STRONG, seed=3))


def test_only_labelled_tasks_are_known() -> None:
    traffic = [features_of("hello", Surroundings(task="unseen"))]
    fitted = fit(examples(100, 1, losses=LOSSES), CHEAP, STRONG, seed=1, traffic=traffic)
    assert fitted.knows(features_of("hello", Surroundings(task="mail")))
    assert not fitted.knows(traffic[0])


def test_answers_that_are_all_right_or_of_graded_worth_can_be_fitted() -> None:
    right = [Labelled(str(at), "word " * at, Surroundings(), {CHEAP: Outcome(1), STRONG: Outcome(1)}) for at in range(30)]
    assert abs(np.mean(scores(fit(right, CHEAP, STRONG, seed=1), right))) < 0.05
    graded = [msgspec.structs.replace(one, outcomes={CHEAP: Outcome(0.5), STRONG: Outcome(0.75)}) for one in right]
    assert np.mean(scores(fit(graded, CHEAP, STRONG, seed=1), graded)) == pytest.approx(0.25, abs=0.05)


def test_out_of_fold_scores_are_spread_as_those_of_the_score_in_service() -> None:
    labelled, traffic = examples(300, 1, losses=LOSSES, told=0.02), examples(2_000, 9, losses=LOSSES, told=0.02)
    known = [features_of(one.text, one.around) for one in traffic]
    found = cross_fit(labelled, CHEAP, STRONG, seed=1, traffic=known)
    fitted = fit(labelled, CHEAP, STRONG, seed=1, traffic=known)
    served = np.array([fitted.score(one) for one in known])
    for share in (0.2, 0.4, 0.6, 0.8):
        assert np.mean(found <= np.quantile(served, share)) == pytest.approx(share, abs=0.12)
    order = np.argsort(found)
    assert net_loss(labelled)[order[:100]].mean() < net_loss(labelled)[order[-100:]].mean()


def test_out_of_fold_scores_do_not_know_their_own_labels() -> None:
    """Where nothing tells a loss, a score that has seen the label would look good."""
    labelled = examples(300, 4, losses={"": 0.3})
    found = cross_fit(labelled, CHEAP, STRONG, seed=1)
    seen = scores(fit(labelled, CHEAP, STRONG, seed=1), labelled)
    assert np.corrcoef(seen, net_loss(labelled))[0, 1] > 0.2
    assert np.corrcoef(found, net_loss(labelled))[0, 1] < 0.15


def test_folds_keep_clusters_together_and_deal_tasks_out_evenly() -> None:
    clusters = [f"talk {at // 3}" for at in range(60)] + [""] * 40
    tasks = ["talk"] * 60 + ["alone"] * 40
    folds = dealt(clusters, tasks, 5, 1)
    assert len(folds) == 5
    assert sorted(int(at) for _, outside in folds for at in outside) == list(range(100))
    for inside, outside in folds:
        assert not {clusters[at] for at in inside if clusters[at]} & {clusters[at] for at in outside}
        assert sum(tasks[at] == "alone" for at in outside) == 8
        assert not set(inside.tolist()) & set(outside.tolist())


def test_what_cannot_be_fitted_is_said() -> None:
    labelled = examples(60, 1, losses=LOSSES)
    with pytest.raises(InputError, match="19 graded examples: at least 20"):
        fit(labelled[:19], CHEAP, STRONG, seed=1)
    with pytest.raises(InputError, match=r"example 0 \(number 1\) has no outcome of huge, only of large, small"):
        fit(labelled, CHEAP, "huge", seed=1)
    labelled[7] = msgspec.structs.replace(labelled[7], outcomes={CHEAP: Outcome(7), STRONG: Outcome(1)})
    with pytest.raises(InputError, match=r"example 7 \(number 8\): the quality of small is 7, not in 0 to 1"):
        cross_fit(labelled, CHEAP, STRONG, seed=1)


def judged(count: int, seed: int) -> list[Labelled]:
    """Answers whose verifier mostly knows; half of them have a schema, which right ones follow more often."""
    draw = Random(seed)
    made = []
    for at in range(count):
        right = draw.random() < 0.7
        signals = {"verifier": draw.gauss(8.0 if right else 5.0, 1.5), "noise": draw.random()}
        if draw.random() < 0.5:
            signals["schema_valid"] = float(draw.random() < (0.99 if right else 0.6))
        made.append(Labelled(str(at), "", Surroundings(), {CHEAP: Outcome(float(right), signals=signals)}))
    return made


@pytest.mark.parametrize("count", [150, STAIRS_FROM])
def test_a_confidence_is_a_chance_and_puts_right_answers_first(count: int) -> None:
    fitted = fit_confidence(judged(count, 1), CHEAP)
    assert bool(fitted.steps) == (count >= STAIRS_FROM)
    fresh = [one.outcomes[CHEAP] for one in judged(3_000, 2)]
    chances = np.array([fitted.of(one.signals) for one in fresh])
    right = np.array([one.quality for one in fresh])
    for low, high in ((0.0, 0.4), (0.4, 0.8), (0.8, 1.0)):
        here = (chances >= low) & (chances <= high)
        assert chances[here].mean() == pytest.approx(right[here].mean(), abs=0.08)
    assert np.mean(chances[right == 1][:, None] > chances[right == 0][None]) > 0.9
    assert fitted.of({"verifier": 9.0}) > fitted.of({}) > fitted.of({"verifier": 3.0})
    assert fitted.of({"verifier": 8.0, "schema_valid": 1.0}) > fitted.of({"verifier": 8.0, "schema_valid": 0.0})
    assert msgspec.json.decode(msgspec.json.encode(fitted), type=Confidence) == fitted


def test_a_confidence_without_anything_to_go_by_is_refused() -> None:
    answers = judged(40, 1)
    with pytest.raises(InputError, match="5 graded answers of small: at least 20"):
        fit_confidence(answers[:5], CHEAP)
    with pytest.raises(InputError, match="no outcome of large"):
        fit_confidence(answers, STRONG)
    bare = [msgspec.structs.replace(one, outcomes={CHEAP: Outcome(1.0)}) for one in answers]
    with pytest.raises(InputError, match="no answer of small has a signal"):
        fit_confidence(bare, CHEAP)
