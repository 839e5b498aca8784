"""May a call go now? Held against the simulator's own limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.core.governing.gate import OPEN_AGAIN, Gate, Need
from thriftgate.core.governing.refusals import refusal_of
from thriftgate.core.governing.told import INPUT, OUTPUT, REQUESTS, TOKENS, Level, Told, read_told
from thriftgate.simulator.bill import Bill
from thriftgate.simulator.config import LimitRules
from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.identity import Caller
from thriftgate.simulator.limits import Limiter
from thriftgate.simulator.models import load_models

MODELS = load_models()
CALLER, MODEL = Caller("org", "space", "key"), MODELS.by_name["claude-opus-4-8"]
RESERVE = 0.02
ROUNDED = 500.0
NOTHING = Told()


class Sent(NamedTuple):
    """A call: how long after the last one, its true input and output, and what was expected of them."""

    pause_s: float
    input: int
    output: int
    expected: Need


def told(limiter: Limiter, now_s: float) -> Told:
    return read_told([(name.encode(), value.encode()) for name, value in limiter.headers(CALLER, MODEL, now_s).items()])


def calls(*, exact: bool) -> st.SearchStrategy[list[Sent]]:
    def made(pause_s: float, input_: int, output: int, off: float) -> Sent:
        factor = 1.0 if exact else off
        return Sent(pause_s, input_, output, Need(input_ * factor, output * factor))

    one = st.builds(made, st.floats(0, 20), st.integers(1, 40_000), st.integers(1, 4_000), st.floats(0.3, 3.0))
    return st.lists(one, min_size=1, max_size=40)


def level(limiter: Limiter, family: int, now_s: float) -> float:
    return limiter._of(CALLER, MODEL, now_s)[family].level


def played(limits: tuple[int, int, int], sent: Sequence[Sent]) -> tuple[Gate, Limiter, float, int]:
    """Send them as the gate allows; how often the provider refused one, the first aside, of which nothing was known."""
    limiter = Limiter(LimitRules(rpm=limits[0], itpm=limits[1], otpm=limits[2]), Bill(MODELS))
    gate, now_s, refused = Gate(), 0.0, 0
    for one in sent:
        now_s += one.pause_s
        for _ in range(20):
            wait_s = gate.wait_s(one.expected, now_s, RESERVE)
            now_s += wait_s
            assert gate.wait_s(one.expected, now_s + 1e-6, RESERVE) <= 1e-6, "it says for how long, and that is true"
            ticket = gate.take(one.expected, now_s)
            try:
                limiter.admit(CALLER, MODEL, one.input, now_s)
            except ApiError as error:
                refused += 1
                again = Told(retry_after_s=float(error.retry_after_s or 0))
                family = refusal_of(error.status, error.body("req")).family
                now_s += gate.refused(ticket, again, now_s, family=family, least_s=0.25)
                continue
            limiter.spend_output(CALLER, MODEL, one.output, now_s)
            gate.heard(ticket, told(limiter, now_s), now_s)
            gate.ended(ticket, Need(one.input, one.output), now_s)
            break
        else:
            raise AssertionError("a call that was refused twenty times")
    return gate, limiter, now_s, refused


LIMITS = st.tuples(st.integers(50, 1_000), st.integers(50_000, 500_000), st.integers(30_000, 100_000))


@settings(deadline=None, max_examples=40)
@given(LIMITS, calls(exact=True))
def test_what_it_lets_go_the_provider_takes(limits: tuple[int, int, int], sent: list[Sent]) -> None:
    gate, limiter, now_s, refused = played(limits, sent)
    assert refused == 0
    unsure = {REQUESTS: 1.0, INPUT: ROUNDED, OUTPUT: ROUNDED + max(one.output for one in sent)}
    for family, off in unsure.items():
        bucket = gate.buckets[family]
        assert bucket is not None
        bucket.refill(now_s)
        real = level(limiter, family, now_s)
        assert real - off - 1 <= bucket.level <= real + ROUNDED + 1  # if unsure, rather too little


@settings(deadline=None, max_examples=40)
@given(LIMITS, calls(exact=False))
def test_wrong_forecasts_are_put_right_by_the_bill(limits: tuple[int, int, int], sent: list[Sent]) -> None:
    gate, limiter, now_s, refused = played(limits, sent)
    assert refused <= len(sent)
    largest = {INPUT: max(one.input for one in sent), OUTPUT: 3 * max(one.output for one in sent)}
    for family, most in largest.items():
        bucket = gate.buckets[family]
        assert bucket is not None
        bucket.refill(now_s)
        assert abs(bucket.level - level(limiter, family, now_s)) <= 2 * ROUNDED + most


def test_nothing_is_known_at_first_and_all_may_go() -> None:
    gate = Gate()
    for _ in range(1_000):
        assert gate.wait_s(Need(1e9, 1e9), 0.0, 0.5) == 0.0
        gate.take(Need(1e9, 1e9), 0.0)
    assert gate.least_share(0.0) == 1.0


def test_what_is_under_way_counts() -> None:
    gate = Gate()
    first = [gate.take(Need(10_000, 100), 0.0) for _ in range(3)]
    gate.heard(first[0], Told((Level(60, 59), Level(60_000, 50_000), None, None)), 0.0)
    bucket = gate.buckets[INPUT]
    assert bucket is not None
    assert bucket.level == 30_000  # the other two may not have been counted yet
    assert gate.wait_s(Need(31_000, 1), 0.0) == pytest.approx(1.0)
    assert gate.wait_s(Need(30_000, 1), 0.0) == 0.0
    assert gate.wait_s(Need(30_000, 1), 0.0, 0.01) == pytest.approx(0.6)


def test_others_who_use_the_same_limits_are_noticed() -> None:
    gate = Gate()
    ticket = gate.take(Need(0, 0), 0.0)
    gate.heard(ticket, Told((Level(60, 60), None, None, None)), 0.0)
    ticket = gate.take(Need(0, 0), 0.0)
    gate.heard(ticket, Told((Level(60, 10), None, None, None)), 0.0)
    assert gate.wait_s(Need(0, 0), 0.0, 10 / 60) == pytest.approx(1.0)
    assert gate.least_share(0.0) == pytest.approx(10 / 60)


def test_output_that_is_not_written_yet_is_no_gain() -> None:
    gate = Gate()
    first = gate.take(Need(0, 1_000), 0.0)
    gate.heard(first, Told((None, None, Level(10_000, 10_000), None)), 0.0)  # nothing of it is written
    second = gate.take(Need(0, 1_000), 0.0)
    gate.heard(second, Told((None, None, Level(10_000, 10_000), None)), 0.0)
    bucket = gate.buckets[OUTPUT]
    assert bucket is not None
    assert bucket.level == pytest.approx(8_000, abs=ROUNDED + 501)
    gate.ended(first, Need(0, 3_000), 0.0)
    assert bucket.level == pytest.approx(6_000, abs=ROUNDED + 501)


def test_a_refusal_that_names_its_limit_holds_back_only_what_needs_it() -> None:
    gate = Gate()
    gate.heard(gate.take(Need(10, 10), 0.0), Told((Level(600, 600), Level(60_000, 60_000), None, None)), 0.0)
    ticket = gate.take(Need(20_000, 10), 0.0)
    assert gate.refused(ticket, Told(retry_after_s=5.0), 0.0, family=INPUT, least_s=0.25) == 5.0
    assert gate.wait_s(Need(20_000, 10), 0.0) == pytest.approx(5.0)
    assert gate.wait_s(Need(15_000, 10), 0.0) == 0.0
    assert gate.paused_until_s == 0.0


def test_a_refusal_without_a_name_pauses_all_and_then_begins_slowly() -> None:
    gate = Gate()
    ticket = gate.take(Need(0, 0), 0.0)
    assert gate.refused(ticket, Told(retry_after_s=3.0), 0.0, family=None, least_s=0.25) == 3.0
    assert gate.wait_s(Need(0, 0), 1.0) == 2.0
    under_way = [gate.take(Need(0, 0), 3.0)]
    assert gate.wait_s(Need(0, 0), 3.0) > 0.0
    most = 0
    for _ in range(OPEN_AGAIN + 1):
        gate.heard(under_way.pop(), NOTHING, 3.0)
        while gate.wait_s(Need(0, 0), 3.0) == 0.0 and len(under_way) < 10 * OPEN_AGAIN:
            under_way.append(gate.take(Need(0, 0), 3.0))
        most = max(most, len(under_way))
    assert most == 10 * OPEN_AGAIN  # and it is over


def test_a_call_that_never_left_takes_nothing() -> None:
    gate = Gate()
    gate.heard(gate.take(Need(0, 0), 0.0), Told((Level(60, 59), Level(6e4, 5e4), Level(6e4, 5e4), Level(9e4, 8e4))), 0.0)
    before = [bucket.level for bucket in gate.buckets if bucket is not None]
    ticket = gate.take(Need(5_000, 700), 0.0)
    gate.unsent(ticket, 0.0)
    assert [bucket.level for bucket in gate.buckets if bucket is not None] == before
    assert gate.wait_s(Need(0, 0), 0.0) == 0.0


def test_the_plain_family_counts_only_where_it_is_another_limit() -> None:
    gate = Gate()
    gate.heard(gate.take(Need(0, 0), 0.0), Told((None, Level(100, 50), Level(70, 60), Level(100, 50))), 0.0)
    assert gate.buckets[TOKENS] is None
    gate.heard(gate.take(Need(0, 0), 0.0), Told((None, Level(100, 50), Level(70, 60), Level(40, 40))), 0.0)
    assert gate.buckets[TOKENS] is not None


def test_how_long_so_much_takes() -> None:
    gate = Gate()
    gate.heard(gate.take(Need(0, 0), 0.0), Told((Level(60, 10), None, None, None)), 0.0)
    assert gate.backlog_s([40.0, 1e9, 1e9, 1e9], 0.0) == pytest.approx(30.0)
