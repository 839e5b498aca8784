"""Beliefs: what is assumed, what changes it, and that several processes agree in the end."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.beliefs import (
    DEFAULTS,
    DOUBTS_MAX,
    FALLBACKS_MAX,
    SAYINGS,
    Belief,
    Beliefs,
    Bounds,
    Sign,
    Strength,
    Topic,
    learn,
    learn_minimum,
    learn_readable,
    merge,
    minimum,
    readable_s,
    rules,
    told,
)
from thriftgate.core.cache import CacheRules

MODEL = "claude-x"


def taught(beliefs: Beliefs, topic: Topic, strength: Strength, *, holds: bool, times: int = 1) -> tuple[Beliefs, list[str]]:
    said: list[str] = []
    for at in range(times):
        beliefs, warnings = learn(beliefs, (Sign(topic, holds, strength),), 100.0 + at, MODEL)
        said += warnings
    return beliefs, said


def test_unknown_is_the_documented_bill() -> None:
    assert rules(Beliefs()) == CacheRules()
    assert minimum(Beliefs(), 1_024) == 1_024
    assert readable_s(Beliefs()) == 0.0


@pytest.mark.parametrize(
    ("marked", "ancestors", "refresh"),
    [("holds", "unknown", "marked"), ("fails", "unknown", "hit_only"), ("fails", "holds", "ancestors")],
)
def test_two_questions_make_the_refresh_rule(marked: str, ancestors: str, refresh: str) -> None:
    beliefs = msgspec.convert({"refresh_marked": {"verdict": marked}, "refresh_ancestors": {"verdict": ancestors}}, Beliefs)
    assert rules(beliefs).refresh == refresh


@pytest.mark.parametrize("topic", [topic for topic in DEFAULTS if topic.startswith(("late", "free", "in_place", "hour"))])
def test_a_proof_turns_a_belief_at_once_and_says_so(topic: Topic) -> None:
    beliefs, said = taught(Beliefs(), topic, "proof", holds=not DEFAULTS[topic])
    assert said == [SAYINGS[topic][not DEFAULTS[topic]].format(model=MODEL)]
    assert MODEL in said[0]
    assert beliefs.of(topic) == Belief("fails" if DEFAULTS[topic] else "holds", "usage", 100.0, 1)
    assert rules(beliefs) != CacheRules()
    back, said = taught(beliefs, topic, "proof", holds=DEFAULTS[topic])
    assert len(said) == 1
    assert rules(back) == CacheRules()


def test_what_could_be_an_eviction_takes_several_in_a_row() -> None:
    cases: tuple[tuple[Strength, int], ...] = (("fallback", FALLBACKS_MAX), ("doubt", DOUBTS_MAX))
    for strength, needed in cases:
        beliefs, said = taught(Beliefs(), "late_upgrade", strength, holds=False, times=needed - 1)
        assert (beliefs.assumes("late_upgrade"), said) == (True, [])
        confirmed, _ = taught(beliefs, "late_upgrade", "doubt", holds=True)
        assert taught(confirmed, "late_upgrade", strength, holds=False, times=needed - 1)[1] == []
        assert len(taught(beliefs, "late_upgrade", strength, holds=False)[1]) == 1


def test_what_usage_told_takes_three() -> None:
    held, _ = taught(Beliefs(), "late_upgrade", "proof", holds=True)
    assert held.late_upgrade == Belief("holds", "usage", 100.0, 1)
    doubted, said = taught(held, "late_upgrade", "fallback", holds=False, times=DOUBTS_MAX - 1)
    assert (doubted.assumes("late_upgrade"), said) == (True, [])
    assert len(taught(doubted, "late_upgrade", "fallback", holds=False)[1]) == 1


def test_an_experiment_stands_and_usage_only_warns() -> None:
    found = Beliefs(late_upgrade=told(Belief(), holds=True, source="experiment", now_s=1.0))
    beliefs, said = taught(found, "late_upgrade", "proof", holds=False, times=10)
    assert beliefs.assumes("late_upgrade")
    assert said == [f"usage on {MODEL} contradicts the experiment on late_upgrade: run doctor --live again"]
    confirmed, _ = taught(beliefs, "late_upgrade", "proof", holds=True)
    assert confirmed.late_upgrade.told == "experiment"


def test_one_usage_turns_one_belief() -> None:
    signs = (Sign("late_upgrade", holds=False, strength="proof"), Sign("free_insert", holds=False, strength="proof"))
    beliefs, said = learn(Beliefs(), signs, 1.0, MODEL)
    assert len(said) == 1
    assert beliefs.assumes("free_insert")


@pytest.mark.parametrize(
    ("above", "within", "real"),
    [(0, 0, 1_024), (1_500, 0, 2_048), (9_000, 0, 9_001), (0, 600, 512), (0, 300, 300), (1_500, 1_800, 1_800)],
)
def test_the_minimum_between_its_bounds(above: int, within: int, real: int) -> None:
    assert minimum(Beliefs(minimum_tokens=Bounds(above, within)), 1_024) == real


def test_the_minimum_is_learned() -> None:
    def saw(beliefs: Beliefs, tokens: int, *, cached: bool) -> tuple[Beliefs, tuple[str, ...]]:
        return learn_minimum(beliefs, 1_024, cached=cached, tokens=tokens, now_s=1.0, model=MODEL)

    once, said = saw(Beliefs(), 3_000, cached=False)
    assert (minimum(once, 1_024), said) == (1_024, ())
    twice, said = saw(once, 3_000, cached=False)
    assert minimum(twice, 1_024) == 4_096
    assert said == ("the provider caches from 4,096 tokens on claude-x, not from 1,024: breakpoints are placed by that",)
    assert minimum(saw(once, 3_000, cached=True)[0], 1_024) == 1_024
    back, said = saw(twice, 1_100, cached=True)
    assert minimum(back, 1_024) == 1_024
    assert len(said) == 1


def test_time_to_readable_is_learned() -> None:
    beliefs = Beliefs()
    said: tuple[str, ...] = ()
    for age_s, read in ((2.0, False), (2.0, False), (3.0, False), (8.0, True)):
        beliefs, warnings = learn_readable(beliefs, read=read, age_s=age_s, now_s=1.0, model=MODEL)
        said += warnings
    assert readable_s(beliefs) == 8.0
    assert len(said) == 1
    beliefs, warnings = learn_readable(beliefs, read=True, age_s=1.0, now_s=2.0, model=MODEL)
    assert readable_s(beliefs) == 0.0
    assert "at once" in warnings[0]


VERDICTS = st.sampled_from(("unknown", "holds", "fails"))
SOURCES = st.sampled_from(("default", "usage", "experiment"))
SMALL = st.integers(0, 3)
BELIEF = st.builds(Belief, verdict=VERDICTS, told=SOURCES, at_s=SMALL.map(float), count=SMALL, against=SMALL)
BOUNDS = st.builds(Bounds, above=SMALL.map(float), within=SMALL.map(float), told=SOURCES, at_s=SMALL.map(float))
BELIEFS = st.builds(Beliefs, late_upgrade=BELIEF, batch_shares=BELIEF, minimum_tokens=BOUNDS)


@given(BELIEFS, BELIEFS, BELIEFS)
def test_merging_is_the_same_in_any_order_and_as_often_as_one_likes(one: Beliefs, two: Beliefs, three: Beliefs) -> None:
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge(merge(one, two), two) == merge(one, two)


def test_an_experiment_wins_over_newer_usage_and_a_newer_experiment_over_it() -> None:
    usage = Beliefs(late_upgrade=Belief("fails", "usage", 9.0, 50))
    old = Beliefs(late_upgrade=Belief("holds", "experiment", 1.0, 1))
    new = Beliefs(late_upgrade=Belief("fails", "experiment", 2.0, 1))
    assert merge(usage, old) == old
    assert merge(old, new) == new


@given(BELIEFS)
def test_beliefs_survive_being_written_down(beliefs: Beliefs) -> None:
    assert msgspec.json.decode(msgspec.json.encode(beliefs), type=Beliefs) == beliefs
