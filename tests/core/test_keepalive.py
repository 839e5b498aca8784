"""When a ping is worth its price: by the learned curve, never beyond the price of one re-write."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thriftgate.core.errors import InputError
from thriftgate.core.hazards import BINS, EDGES_S, cumulated
from thriftgate.core.keepalive import Bounds, Ping, is_quiet, objection, quiet_hours, spare_share

BOUNDS = Bounds()
NOON_S = 1_795_262_400.0  # 2026-11-21T12:00:00Z
HAZARDS = st.lists(st.floats(0.0, 0.9), min_size=BINS, max_size=BINS)


def ping(curve: Sequence[float], **members: float) -> Ping:
    """The first ping of a five-minute entry of 30,000 tokens that is to live for an hour."""
    base = Ping(
        curve=curve,
        silent_s=285.0,
        dies_s=300.0,
        lives_s=285.0 + 3600.0,
        tokens=30_000,
        fresh=0,
        overhead=16,
        read=0.1,
        write_5m=1.25,
        write_1h=2.0,
    )
    return replace(base, **members)


def coming_back(share: float) -> list[float]:
    """A curve of which `share` comes back between five minutes and the hour, all else never."""
    return [0.0 if edge_s <= 300 else share * min(1.0, (edge_s - 300) / 3300) for edge_s in EDGES_S]


def test_the_example_of_the_module() -> None:
    one = ping(coming_back(0.25))
    assert one.cost == pytest.approx(3_016)
    assert one.saving == pytest.approx(0.25 * 34_500)
    assert not objection(one, BOUNDS)


@pytest.mark.parametrize(("read", "threshold"), [(0.1, 0.087), (0.05, 0.0417), (0.025, 0.0204)])
def test_the_break_even_is_that_of_the_price_of_a_read(read: float, threshold: float) -> None:
    """r / (w - r): 8.7 %, 4.2 % and 2.0 % for the three read prices."""
    free = Bounds(margin=1.0)
    for share, worth in ((threshold * 1.02, True), (threshold * 0.97, False)):
        assert (not objection(ping(coming_back(share), read=read, overhead=0), free)) is worth


def test_the_margin_asks_for_more() -> None:
    one = ping(coming_back(0.1), overhead=0)
    assert not objection(one, Bounds(margin=1.0))
    assert objection(one, Bounds(margin=1.2)) == "a return in time is too unlikely"


def test_an_answer_that_must_be_written_first_has_its_price() -> None:
    """At the margin a long answer makes the ping too dear: its own price is twice an input token."""
    assert not objection(ping(coming_back(0.12)), BOUNDS)
    assert objection(ping(coming_back(0.12), fresh=3_000), BOUNDS)


def test_silence_for_too_long_ends_it() -> None:
    curve = coming_back(0.9)
    late = ping(curve, silent_s=3 * 3600.0, dies_s=3 * 3600.0 + 15, lives_s=4 * 3600.0)
    assert objection(late, Bounds(hours_max=3.0)) == "silent for too long"


def test_no_time_bought_is_no_chance() -> None:
    assert ping(coming_back(0.9), lives_s=300.0).saving == 0.0
    assert ping([1.0] * BINS).saving == 0.0  # it has surely come back: no silence is left


def test_what_another_entry_holds_is_not_saved() -> None:
    """28,000 of the 30,000 tokens are held for the hour as well, all but its last 285 s: the ping saves 2,000 till then."""
    held = ping(coming_back(0.25), kept=28_000, kept_until_s=3600.0)
    late = 0.25 * (1 - (3600 - 300) / 3300)
    assert held.saving == pytest.approx(1.15 * (0.25 - late) * 2_000 + 1.15 * late * 30_000)
    assert objection(held, BOUNDS) == "a return in time is too unlikely"
    assert ping(coming_back(0.25), kept=28_000, kept_until_s=200.0).saving == ping(coming_back(0.25)).saving


@given(HAZARDS, st.sampled_from([0.1, 0.05, 0.025]), st.integers(1_000, 400_000), st.integers(0, 4_000))
def test_all_pings_of_a_silence_cost_at_most_one_re_write(
    hazards: list[float], read: float, tokens: int, fresh: int
) -> None:
    """Whatever the curve says: then a return costs at most twice what it would have cost without pings."""
    one = ping(cumulated(hazards), read=read, tokens=tokens, fresh=fresh)
    spent = 0.0
    for hour in range(100):
        start = 285.0 + hour * 3585.0
        now = replace(one, silent_s=start, dies_s=start + 15, lives_s=start + 3600, spent=spent, fresh=fresh * (hour == 0))
        if objection(now, Bounds(hours_max=1_000.0)):
            break
        spent += now.cost
    re_write = (1.25 - read) * tokens
    assert spent <= re_write
    assert spent + 1.25 * tokens <= 2 * 1.25 * tokens


@given(HAZARDS, st.floats(1.0, 3.0))
def test_a_ping_that_is_sent_is_expected_to_pay(hazards: list[float], margin: float) -> None:
    one = ping(cumulated(hazards))
    if not objection(one, Bounds(margin=margin)):
        assert one.saving > margin * one.cost
        assert 0.0 <= one.chance(one.dies_s, one.lives_s) <= 1.0


def test_quiet_hours_go_over_midnight() -> None:
    hours = quiet_hours("22:00-06:30")
    at = [is_quiet(hours, NOON_S + hour * 3600) for hour in (0, 9.99, 10, 14, 18.49, 18.5)]
    assert at == [False, False, True, True, True, False]
    day = quiet_hours("11:00-13:00")
    assert [is_quiet(day, NOON_S + hour * 3600) for hour in (-1.01, -1, 0, 0.99, 1)] == [False, True, True, True, False]
    assert quiet_hours("") is None
    assert not is_quiet(None, NOON_S)


@pytest.mark.parametrize("text", ["22-06", "24:00-06:00", "22:00-06:60", "22:00 - 06:00", "x"])
def test_hours_that_are_none_are_an_error(text: str) -> None:
    with pytest.raises(InputError, match="write them like 22:00-06:00"):
        quiet_hours(text)


def test_the_tightest_limit_decides() -> None:
    said = [
        (b"content-type", b"application/json"),
        (b"anthropic-ratelimit-requests-limit", b"1000"),
        (b"anthropic-ratelimit-requests-remaining", b"900"),
        (b"anthropic-ratelimit-input-tokens-limit", b"2000000"),
        (b"anthropic-ratelimit-input-tokens-remaining", b"400000"),
        (b"anthropic-ratelimit-input-tokens-reset", b"2026-11-21T12:00:00Z"),
        (b"anthropic-ratelimit-output-tokens-remaining", b"0"),  # without its limit it says nothing
    ]
    assert spare_share(said) == pytest.approx(0.2)
    assert spare_share(said[:3]) == pytest.approx(0.9)
    assert spare_share([]) is None
