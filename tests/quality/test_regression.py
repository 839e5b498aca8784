from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tests.quality.made_labels import CHEAP, STRONG, examples
from thriftgate.core.routing.features import NUMBERS, VERSION, Features, Surroundings, features_of
from thriftgate.core.routing.score import Scorer
from thriftgate.quality.fitting import qualities
from thriftgate.quality.regression import (
    TASK_WITHIN,
    TASKS_ALIKE_MAX,
    Floats,
    Rows,
    ground_of,
    heads,
    logistic,
    rows_of,
    score_all,
    task_variances,
)

NOTHING = rows_of([])


def asked(text: str, task: str = "") -> Features:
    return features_of(text, Surroundings(task=task))


def scorer_of(rows: Rows, cheap: Floats, strong: Floats) -> Scorer:
    ground = ground_of(rows, NOTHING)
    both = heads(rows, cheap, strong, ground)
    return Scorer(VERSION, both, tuple(ground.usual.tolist()), tuple(ground.deviation.tolist()))


def test_rows_have_words_of_length_one() -> None:
    rows = rows_of([asked("red cars", "a"), asked("", "b")])
    assert rows.words.shape[0] == 2
    assert np.asarray(rows.words.multiply(rows.words).sum(1)).ravel().tolist() == pytest.approx([1.0, 0.0])
    assert rows.numbers.shape == (2, len(NUMBERS))
    assert rows.some(np.array([1])).tasks.tolist() == ["b"]
    assert NOTHING.numbers.shape == (0, len(NUMBERS))


def test_what_is_usual_comes_from_all_requests_and_tasks_from_labelled_ones() -> None:
    labelled, traffic = rows_of([asked("a", "x"), asked("aaa", "x")]), rows_of([asked("aaaaa", "y")])
    ground = ground_of(labelled, traffic)
    at = NUMBERS.index("word_chars")
    assert ground.tasks == {"x": 0}
    assert ground.usual[at] == pytest.approx(3.0)
    assert ground.deviation[at] == pytest.approx(np.std([1, 3, 5]))
    assert ground.deviation[NUMBERS.index("schema")] == 1.0  # it never changed
    assert ground.factor is None


def test_tasks_with_similar_words_are_alike() -> None:
    texts = {"law": "court judge appeal", "crime": "court judge sentence", "tree": "leaf root bark", "bird": "wing nest egg"}
    ground = ground_of(rows_of([asked(text, task) for task, text in texts.items()]), NOTHING)
    assert ground.factor is not None
    like = ground.factor @ ground.factor.T
    law, crime, tree = (ground.tasks[task] for task in ("law", "crime", "tree"))
    assert like[law, crime] > like[law, tree]
    assert np.trace(like) == pytest.approx(len(texts))


def test_many_tasks_stand_for_themselves() -> None:
    many = rows_of([asked("a", str(at)) for at in range(TASKS_ALIKE_MAX + 1)])
    assert ground_of(many, NOTHING).factor is None


def test_a_logistic_regression_finds_what_made_it() -> None:
    draw = np.random.default_rng(1)
    columns = draw.normal(size=(20_000, 2))
    targets = (draw.random(20_000) < 1 / (1 + np.exp(-(columns @ [0.8, -0.5] - 1.0)))).astype(float)
    base, weights = logistic(sp.csr_matrix(columns), targets)
    assert base == pytest.approx(-1.0, abs=0.06)
    assert weights == pytest.approx(np.array([0.8, -0.5]), abs=0.06)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_targets_that_are_all_alike_give_finite_weights(target: float) -> None:
    base, weights = logistic(sp.csr_matrix(np.eye(30)), np.full(30, target))
    assert np.isfinite(base)
    assert np.isfinite(weights).all()
    assert (base > 0) == bool(target)


def test_the_spread_between_tasks_is_seen() -> None:
    """Forty tasks of 200 examples, in which both arms differ alike, or each by itself."""
    draw = np.random.default_rng(1)
    place = np.arange(8_000) % 40

    def drawn(logits: Floats) -> Floats:
        return (draw.random(8_000) < 1 / (1 + np.exp(-logits[place]))).astype(float)

    same, nothing = draw.normal(0.0, 1.0, 40), np.zeros(40)
    least = [within[0] for within in TASK_WITHIN]
    assert task_variances(place, drawn(same), drawn(same)) == pytest.approx((0.75, least[1]), abs=0.35)
    hard, apart = task_variances(place, drawn(same), drawn(-same))
    assert hard == least[0]
    assert apart == pytest.approx(0.75, abs=0.35)
    assert task_variances(place, drawn(nothing), drawn(nothing)) == pytest.approx(tuple(least), abs=0.02)
    assert task_variances(np.zeros(50, dtype=np.int64), np.ones(50), np.zeros(50)) == tuple(least)
    assert task_variances(np.arange(50), np.ones(50), np.zeros(50)) == tuple(least)  # no task twice
    assert task_variances(place, np.ones(8_000), np.ones(8_000)) == tuple(least)


def test_a_task_with_few_examples_stays_near_the_others() -> None:
    labelled = examples(400, 1, losses={"a": 0.1, "b": 0.5})
    rows = rows_of([*(features_of(one.text, one.around) for one in labelled), *[asked("the", "rare")] * 2])
    cheap = np.concatenate([qualities(labelled, CHEAP), [0.0, 0.0]])
    strong = np.concatenate([qualities(labelled, STRONG), [1.0, 1.0]])
    ours = scorer_of(rows, cheap, strong)
    easy, hard, rare = (ours.score(asked("the", task)) for task in ("a", "b", "rare"))
    assert easy < hard
    assert rare < 0.75  # two of two lost, and yet


def test_words_that_make_both_arms_fail_are_no_loss() -> None:
    draw = np.random.default_rng(1)
    features = [asked("plain words here" if at % 2 else "puzzle words here") for at in range(600)]
    chance = np.where(np.arange(600) % 2, 0.9, 0.3)
    cheap, strong = ((draw.random(600) < chance).astype(float) for _ in range(2))
    ours = scorer_of(rows_of(features), cheap, strong)
    assert ours.score(features[0]) == pytest.approx(ours.score(features[1]), abs=0.1)


def test_all_at_once_is_what_each_alone_is() -> None:
    labelled = examples(120, 2, losses={"a": 0.1, "b": 0.5, "c": 0.3}, told=0.05)
    features = [features_of(one.text, one.around) for one in labelled]
    rows = rows_of(features)
    scorer = scorer_of(rows, qualities(labelled, CHEAP), qualities(labelled, STRONG))
    strange = [asked("never seen words 12.5 % of {all}", "new"), asked("", "a")]
    one_by_one = [scorer.score(one) for one in [*features, *strange]]
    assert score_all(scorer, rows_of([*features, *strange])).tolist() == pytest.approx(one_by_one)
