"""The families of policies that calibration tries: cascades, whose ground is the cheap answer and not the prompt."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from tests.quality.made_labels import CHEAP, STRONG, example, examples
from tests.quality.test_calibrate import EASY_AND_HARD, calibrated, promised
from thriftgate.quality.families import has_signals
from thriftgate.quality.labels import Labelled, Outcome


def cascading(count: int, seed: int) -> list[Labelled]:
    """Prompts tell nothing; the cheap answer's verifier tells almost all. The try costs a fortieth."""
    draw = Random(seed)
    found = []
    for at in range(count):
        one = example(at, draw, losses={"only": 0.25})
        right = one.outcomes[CHEAP].quality
        told = min(1.0, max(0.0, draw.gauss(0.9 if right else 0.3, 0.15)))
        found.append(
            replace(
                one,
                outcomes={
                    CHEAP: Outcome(right, 1_000_000, signals={"ok": 1.0, "verifier": told}),
                    STRONG: Outcome(one.outcomes[STRONG].quality, 40_000_000),
                },
            )
        )
    return found


def test_where_only_the_answer_tells_a_cascade_is_certified() -> None:
    made = promised(cascading(400, 12), verifier="claude-haiku-5-5")
    assert made.cascade is not None
    assert made.cascade.verifier == "claude-haiku-5-5"
    sure, unsure = ({"ok": 1.0, "verifier": told} for told in (0.95, 0.1))
    assert made.cascade.confidence.of(sure) >= made.cascade.threshold > made.cascade.confidence.of(unsure)
    assert 0.4 < made.saving.share < 0.9


def test_kinds_can_be_asked_for_alone() -> None:
    data = cascading(200, 13)
    assert {one.kind for one in calibrated(data).families} == {"router", "cascade"}
    assert {one.kind for one in calibrated(data, kinds=("cascade",)).families} == {"cascade"}
    none = calibrated(examples(200, 14, losses=EASY_AND_HARD), kinds=("cascade",))
    assert none.artefact is None
    assert "the examples hold none" in none.why


def test_signals_that_will_not_be_there_are_not_looked_at() -> None:
    """Without a verifier named, its scores are no ground for a confidence: the cascade would never have them."""
    made = calibrated(cascading(300, 17), kinds=("cascade",)).artefact
    assert made is None or made.cascade is None or "verifier" not in made.cascade.confidence.signals


def test_judging_counts_as_cost() -> None:
    """A verifier that costs as much as the strong model leaves nothing to save."""
    dear = [
        replace(one, outcomes={**one.outcomes, CHEAP: replace(one.outcomes[CHEAP], signals_pico=40_000_000)})
        for one in cascading(300, 12)
    ]
    assert calibrated(dear, verifier="claude-haiku-5-5", kinds=("cascade",)).artefact is None


def test_a_second_cheap_model_may_vouch() -> None:
    """Two cheap arms that agree are mostly right; the cheaper of those that the examples know is asked."""
    draw = Random(5)
    data = []
    for one in cascading(400, 18):
        right = one.outcomes[CHEAP].quality
        agrees = float(draw.random() < (0.95 if right else 0.1))
        told = {"ok": 1.0, "agreement:other": agrees, f"agreement:{STRONG}": 1.0}
        cheap = replace(one.outcomes[CHEAP], signals=told)
        data.append(replace(one, outcomes={**one.outcomes, CHEAP: cheap, "other": Outcome(agrees, 500_000)}))
    made = promised(data, kinds=("cascade",))
    assert made.cascade is not None
    assert made.cascade.second == "other"
    assert set(made.cascade.confidence.signals) <= {"ok", "agreement:other"}


def test_signals_of_most_examples_are_needed() -> None:
    data = cascading(100, 19)
    assert has_signals(data, CHEAP)
    assert not has_signals(data, STRONG)
    assert not has_signals([*data[:50], *examples(50, 1, losses=EASY_AND_HARD)], CHEAP)
