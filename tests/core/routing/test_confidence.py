from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.routing.confidence import FAR, Confidence, Signal


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


PLAIN = Confidence(0.5, {"verifier": Signal(6.0, 2.0, 1.2, -0.4), "schema_valid": Signal(0.9, 0.3, 0.5, 0.0)})
STAIRS = msgspec.structs.replace(PLAIN, steps=(-1.0, 0.0, 2.0), chances=(0.1, 0.5, 0.9))


def test_signals_are_added_up() -> None:
    assert PLAIN.of({"verifier": 8.0, "schema_valid": 0.9}) == pytest.approx(sigmoid(0.5 + 1.2))
    assert PLAIN.of({"verifier": 8.0, "schema_valid": 1.2}) == pytest.approx(sigmoid(0.5 + 1.2 + 0.5))


def test_missing_unknown_and_strange_signals() -> None:
    missing = PLAIN.of({})
    assert missing == pytest.approx(sigmoid(0.5 - 0.4))
    assert PLAIN.of({"novelty": 99.0}) == missing
    assert PLAIN.of({"verifier": math.nan, "schema_valid": math.inf}) == missing


def test_far_signals_count_as_far() -> None:
    assert PLAIN.of({"verifier": 1e12, "schema_valid": 0.9}) == pytest.approx(sigmoid(0.5 + 1.2 * FAR))


@pytest.mark.parametrize(
    ("base", "stair"), [(-5.0, 0.1), (-1.0, 0.1), (-0.5, 0.3), (0.0, 0.5), (1.0, 0.7), (2.0, 0.9), (50.0, 0.9)]
)
def test_with_stairs_the_chance_is_the_mean_of_both(base: float, stair: float) -> None:
    one = Confidence(base, {}, STAIRS.steps, STAIRS.chances)
    assert one.of({}) == pytest.approx((sigmoid(max(-30.0, min(30.0, base))) + stair) / 2)


@given(st.dictionaries(st.sampled_from(["verifier", "schema_valid", "else"]), st.floats()))
def test_it_is_always_a_chance(signals: dict[str, float]) -> None:
    assert 0.0 < STAIRS.of(signals) < 1.0


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_more_of_a_good_signal_is_never_worse(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert STAIRS.of({"verifier": low}) <= STAIRS.of({"verifier": high})


def test_it_survives_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(STAIRS), type=Confidence) == STAIRS
