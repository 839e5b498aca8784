"""Priming waves against figures worked out by hand. Unless said otherwise a write costs 1.25 (5m) or 2 (1h), a read 0.1."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.batch.waves import FIRST_WAVE, Reads, Sharing, Way, choose, ttl_of, wave_requests, ways
from thriftgate.core.placement import Ratios
from thriftgate.core.request import Ttl

RATIOS = Ratios()
P = 10_000.0  # tokens of the prefix
TTLS: tuple[Ttl, Ttl] = ("5m", "1h")
PLENTY = 10_000_000
GROUPS = st.builds(Sharing, st.integers(1, 1_000), st.floats(0, 200_000), st.floats(0, 100_000))


def reading(share: float, *, short: bool = True) -> Reads:
    """So many followers have read their prefix that nothing else counts; the last wave took two minutes, or twenty."""
    made = Reads(wave_s=120.0 if short else 1_200.0)
    for ttl in TTLS:
        made.seen[ttl] = 1e12
        made.read[ttl] = share * 1e12
    return made


def costs(group: Sharing, reads: Reads, ratios: Ratios = RATIOS) -> dict[tuple[str, Ttl | None], float]:
    return {(way.lane, way.ttl): way.cost for way in ways(group, ratios, reads)}


# --- what each way costs --------------------------------------------------------------------------------------------------


def test_by_hand() -> None:
    """20 jobs on 10,000 shared tokens, 3,000 each of their own; of the followers 90 % read."""
    assert costs(Sharing(20, P, 3_000), reading(0.9)) == {
        ("plain", None): pytest.approx(0.5 * 20 * 13_000),
        # written 12,500; 19 followers at 0.9 * 1,000 + 0.1 * 12,500 = 2,150; 60,000 besides
        ("batch", "5m"): pytest.approx(0.5 * (12_500 + 19 * 2_150 + 60_000)),
        # written 20,000; 19 at 0.9 * 1,000 + 0.1 * 20,000 = 2,900
        ("batch", "1h"): pytest.approx(0.5 * (20_000 + 19 * 2_900 + 60_000)),
        ("calls", "5m"): pytest.approx(12_500 + 19 * 1_000 + 60_000),
    }


def test_the_price_of_a_primed_prefix() -> None:
    """Of the study's table: per request and token of the prefix, an uncached batch being 1. 1 x 1000: 0.10; 50 x 100: 0.11;
    500 x 20: 0.16; 2000 x 5: 0.33."""
    for items, price in ((1_000, 0.10), (100, 0.11), (20, 0.16), (5, 0.33)):
        found = costs(Sharing(items, P, 0), reading(1.0))
        assert found["batch", "5m"] / found["plain", None] == pytest.approx(price, abs=0.005)


@pytest.mark.parametrize(
    ("items", "ttl", "share"),
    [(2, "5m", 0.675), (2, "1h", 1.05), (3, "5m", 1.45 / 3), (3, "1h", 2.2 / 3), (10, "5m", 0.215)],
)
def test_rule_2_priming_needs_two_for_five_minutes_and_three_for_an_hour(items: int, ttl: Ttl, share: float) -> None:
    """(w + (N - 1) r) / N < 1"""
    found = costs(Sharing(items, P, 0), reading(1.0))
    assert found["batch", ttl] / found["plain", None] == pytest.approx(share)
    assert (found["batch", ttl] < found["plain", None]) == (items >= {"5m": 2, "1h": 3}[ttl])


@pytest.mark.parametrize(("ttl", "share"), [("5m", 0.2174), ("1h", 0.5263)])
def test_rule_4_marking_needs_a_share_of_hits(ttl: Ttl, share: float) -> None:
    """h r + (1 - h) w < 1: from 21.7 % (5m) and 52.6 % (1h) of hits on, for a group without end."""
    group = Sharing(PLENTY, P, 0)
    for hits, pays in ((share - 0.001, False), (share + 0.001, True)):
        found = costs(group, reading(hits))
        assert (found["batch", ttl] < found["plain", None]) is pays


def test_rule_4_at_the_documented_low_end() -> None:
    """30 % of hits: 0.905 for five minutes, 1.43 for an hour."""
    found = costs(Sharing(PLENTY, P, 0), reading(0.3))
    assert found["batch", "5m"] / found["plain", None] == pytest.approx(0.905, abs=1e-4)
    assert found["batch", "1h"] / found["plain", None] == pytest.approx(1.43, abs=1e-4)


@pytest.mark.parametrize(
    ("ttl", "rest", "share"),
    [("5m", 0.0, 0.913), ("5m", 0.25, 0.696), ("5m", 0.5, 0.478), ("5m", 1.0, 0.043),
     ("1h", 0.0, 0.947), ("1h", 0.25, 0.816), ("1h", 0.5, 0.684), ("1h", 1.0, 0.421)],
)  # fmt: skip
def test_rule_5_batch_or_primed_calls(ttl: Ttl, rest: float, share: float) -> None:
    """h > (w - 2 r - S/P) / (w - r)"""
    group = Sharing(PLENTY, P, rest * P)
    for hits, batch in ((share - 0.002, False), (share + 0.002, True)):
        found = costs(group, reading(hits))
        assert (found["batch", ttl] < found["calls", "5m"]) is batch


@pytest.mark.parametrize("hits", [0.0, 0.5, 1.0])
def test_rule_5_twice_the_prefix_besides_is_always_a_batch(hits: float) -> None:
    """A plain one at the least."""
    assert choose(Sharing(PLENTY, P, 2 * P), RATIOS, reading(hits), minimum=1_024).lane != "calls"


def test_other_prices() -> None:
    """A model that reads at a fortieth."""
    found = costs(Sharing(4, P, 0), reading(1.0), Ratios(1.25, 2.0, 0.025))
    assert found["batch", "5m"] == pytest.approx(0.5 * (12_500 + 3 * 250))


def test_a_wave_that_may_take_longer_than_five_minutes_writes_for_an_hour() -> None:
    for reads in (Reads(), reading(1.0, short=False), Reads(wave_s=150.1)):
        assert [way.ttl for way in ways(Sharing(20, P, 0), RATIOS, reads) if way.lane == "batch"] == ["1h"]
    assert {way.ttl for way in ways(Sharing(20, P, 0), RATIOS, Reads(wave_s=150.0)) if way.lane == "batch"} == {"5m", "1h"}


@given(GROUPS, st.floats(0, 1), st.booleans())
def test_the_cheapest_stands_first(group: Sharing, hits: float, short: bool) -> None:
    found = ways(group, RATIOS, reading(hits, short=short))
    assert [way.cost for way in found] == sorted(way.cost for way in found)
    assert {way.lane for way in found} == {"plain", "batch", "calls"}


# --- the choice -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "short", "lane", "ttl"),
    [
        (Sharing(1, P, 100), True, "plain", None),  # alone
        (Sharing(2, P, 5_000), True, "batch", "5m"),
        (Sharing(2, P, 5_000), False, "plain", None),  # two do not pay for an hour
        (Sharing(3, P, 20_000), False, "batch", "1h"),
        (Sharing(500, 1_023, 1_000), True, "plain", None),  # too short to be cached
        (Sharing(500, 1_024, 1_000), True, "batch", "5m"),
        (Sharing(500, P, 10), True, "batch", "5m"),
        (Sharing(500, P, 0), False, "batch", "1h"),
    ],
)
def test_the_choice(group: Sharing, short: bool, lane: str, ttl: Ttl | None) -> None:
    best = choose(group, RATIOS, reading(1.0, short=short), minimum=1_024)
    assert (best.lane, best.ttl) == (lane, ttl)


def test_where_batches_do_not_hit_calls_are_cheaper() -> None:
    group = Sharing(500, P, 10)
    assert choose(group, RATIOS, reading(0.5), minimum=1_024).lane == "calls"
    assert choose(group, RATIOS, reading(0.95), minimum=1_024).lane == "batch"


@given(GROUPS, st.floats(0, 1), st.integers(512, 4_096), st.booleans())
def test_no_choice_costs_more_than_none(group: Sharing, hits: float, minimum: int, short: bool) -> None:
    reads = reading(hits, short=short)
    best = choose(group, RATIOS, reads, minimum=minimum)
    plain = 0.5 * group.items * (group.prefix_tokens + group.rest_tokens)
    assert best.cost <= plain * (1 + 1e-12)
    if best.lane != "plain":
        assert group.items >= 2
        assert group.prefix_tokens >= minimum


@given(GROUPS, st.floats(0, 1), st.booleans())
def test_what_is_written_is_what_was_reckoned_with(group: Sharing, hits: float, short: bool) -> None:
    """The wave writes for as long as the choice was made for: an hour costs more, and two jobs do not pay for it."""
    reads = reading(hits, short=short)
    best = choose(group, RATIOS, reads, minimum=1_024)
    if best.lane == "batch":
        assert ttl_of(reads, best, group, RATIOS) == best.ttl


# --- for how long ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wave_s", "ttl"), [(0.0, "1h"), (1.0, "5m"), (150.0, "5m"), (150.1, "1h"), (3_000.0, "1h")])
def test_an_hour_until_waves_are_short(wave_s: float, ttl: Ttl) -> None:
    reads = reading(0.95)
    reads.wave_s = wave_s
    assert ttl_of(reads, Way("batch", "5m", 1.0), Sharing(20, P, 0), RATIOS) == ttl


def test_an_hour_where_it_hits_so_much_more_often() -> None:
    """Rule 4: h1 > (w1 - w5 + (w5 - r) h5) / (w1 - r): where five minutes hit 30 %, an hour must hit 58 %."""
    group = Sharing(PLENTY, P, 0)
    for hour, ttl in ((0.57, "5m"), (0.585, "1h")):
        reads = reading(0.3)
        reads.read["1h"] = hour * 1e12
        assert ttl_of(reads, Way("batch", "5m", 1.0), group, RATIOS) == ttl


def test_what_is_not_primed_in_a_batch_is_never_cut_short() -> None:
    assert ttl_of(reading(1.0), Way("calls", "5m", 1.0), Sharing(20, P, 0), RATIOS) == "1h"


def test_how_large_a_wave_may_be() -> None:
    """Half the life of what was written, at the pace of the last batches."""
    assert [wave_requests(Reads(), ttl) for ttl in TTLS] == [FIRST_WAVE, FIRST_WAVE]
    assert [wave_requests(Reads(pace=10.0), ttl) for ttl in TTLS] == [1_500, 18_000]
    assert [wave_requests(Reads(pace=0.001), ttl) for ttl in TTLS] == [2, 2]


# --- learning -------------------------------------------------------------------------------------------------------------


def test_nearly_all_are_expected_to_hit() -> None:
    assert Reads().share("5m") == Reads().share("1h") == 0.95


def test_what_is_seen_counts_by_its_number() -> None:
    reads = Reads()
    reads.learn("5m", 0, 20)
    assert reads.share("5m") == pytest.approx(0.95 * 20 / 40)
    assert reads.share("1h") == 0.95
    reads.learn("5m", 0, 980)
    assert reads.share("5m") == pytest.approx(19 / 1_020)
    reads.learn("5m", 0, 0)
    assert reads.share("5m") == pytest.approx(19 / 1_020)


def test_what_is_old_fades() -> None:
    reads = Reads()
    for _ in range(100):
        reads.learn("1h", 1_000, 1_000)
    assert reads.share("1h") > 0.99
    for _ in range(20):
        reads.learn("1h", 0, 1_000)
    assert reads.share("1h") < 0.05


@given(st.lists(st.tuples(st.integers(0, 100_000), st.floats(0, 1)), max_size=20))
def test_a_share_stays_one(waves: list[tuple[int, float]]) -> None:
    reads = Reads()
    for followers, share in waves:
        reads.learn("5m", int(followers * share), followers)
        assert 0.0 <= reads.share("5m") <= 1.0


def test_the_pace_follows_the_last_batches() -> None:
    reads = Reads()
    reads.learn_pace(600, 60.0, 90.0)
    assert (reads.pace, reads.wave_s) == (10.0, 90.0)
    reads.learn_pace(600, 30.0, 70.0)
    assert (reads.pace, reads.wave_s) == (15.0, 70.0)
    reads.learn_pace(0, 30.0, 50.0)
    reads.learn_pace(600, 0.0, 40.0)
    assert (reads.pace, reads.wave_s) == (15.0, 40.0)


def test_two_never_learn_from_each_other() -> None:
    one, two = Reads(), Reads()
    one.learn("5m", 0, 100)
    assert two.share("5m") == 0.95


def test_what_is_kept_comes_back() -> None:
    reads = Reads()
    reads.learn("5m", 7, 9)
    reads.learn_pace(600, 60.0, 90.0)
    again = Reads()
    again.restore(reads.kept())
    assert again == reads
    for garbage in (b"", b"\xff", msgspec.msgpack.encode([1]), msgspec.msgpack.encode({"read": 1})):
        with pytest.raises(msgspec.MsgspecError):
            again.restore(garbage)
    assert again == reads
