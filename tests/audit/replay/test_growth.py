"""From counts alone back to prompts: the bill that comes out must be the one that went in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.replay.talks import EVENTS, HABITS, MINIMUM, START_S, Billed, Event, Habit, Talks
from thriftgate.audit.replay.growth import MARKS_MAX, NODES_KEPT, Grown, Growth, Seen, fitted
from thriftgate.audit.replay.hidden import Step, hidden_marks
from thriftgate.core.cache import Breakpoint, CacheRules, Resident, forecast
from thriftgate.core.looks import DIGEST_CUT
from thriftgate.core.usage import Tokens

SCOPE = ("acme", "claude-opus-4-8")
TALK = ("session", "", "False")


def grow(calls: Sequence[Billed]) -> list[Grown]:
    """The prompts, from nothing but what a log tells."""
    hidden = hidden_marks(
        Step(
            number,
            SCOPE,
            call.thread,
            call.at_s,
            call.tokens.read,
            call.tokens.read + call.tokens.write_1h,
            call.tokens.prompt - call.tokens.input,
        )
        for number, call in enumerate(calls)
    )
    growth = Growth()
    return [
        growth.of(Seen(SCOPE, call.thread, call.at_s, call.began_s, call.tokens, call.called_tool, hidden.get(number, ())))
        for number, call in enumerate(calls)
    ]


def again(calls: Sequence[Billed], grown: Sequence[Grown]) -> list[Tokens]:
    """How the cache model bills the prompts that came out, with the breakpoints that were made out."""
    held: dict[bytes, Resident] = {}
    found: list[Tokens] = []
    for call, one in zip(calls, grown, strict=True):
        outcome = forecast(
            one.prefix,
            one.ends,
            [Breakpoint(at, ttl) for at, ttl in one.prefix.marks()],
            held,
            now_s=call.at_s,
            usable_s=call.began_s,
            cache_min_tokens=MINIMUM,
            rules=CacheRules(),
        )
        held.update(outcome.entries)
        told = outcome.tokens
        behind = call.tokens.prompt - one.ends[-1]
        found.append(Tokens(told.input + behind, told.write_5m, told.write_1h, told.read, call.tokens.output))
    return found


def differing(calls: Sequence[Billed]) -> tuple[int, float]:
    """How many calls come out otherwise, and how far off the whole bill of prompts is."""
    found = again(calls, grow(calls))
    count = sum(call.tokens != tokens for call, tokens in zip(calls, found, strict=True))
    return count, sum(map(_cost, found)) / sum(_cost(call.tokens) for call in calls) - 1


def _cost(tokens: Tokens) -> float:
    return tokens.input + 1.25 * tokens.write_5m + 2 * tokens.write_1h + 0.1 * tokens.read


NOT_QUITE = {("system+tail", "agent"), ("system+tail", "open")}
"""Where two readings of a bill are possible: which of several conversations begun at once wrote the head that a third one
reads. In 8,000 calls of each, 3 and 1 came out otherwise; none in all other pairs."""


@given(habit=st.sampled_from(HABITS), event=st.sampled_from(EVENTS), seed=st.integers(0, 2**32))
def test_one_kind_of_event_gives_back_the_bill_exactly(habit: Habit, event: Event, seed: int) -> None:
    calls = Talks(seed, habit, ("append", event)).run(50)
    count, off = differing(calls)
    if (habit, event) in NOT_QUITE:
        assert count <= 2
        assert abs(off) < 0.04
    else:
        assert (count, off) == (0, 0.0)


@settings(max_examples=40)
@given(habit=st.sampled_from(["none", "tail", "tail-1h", "system-1h+tail", "last-two"]), seed=st.integers(0, 2**32))
def test_all_events_mixed_give_back_the_bill_exactly(habit: Habit, seed: int) -> None:
    assert differing(Talks(seed, habit).run(60)) == (0, 0.0)


@pytest.mark.parametrize("habit", ["system+tail", "system+tail-1h"])
def test_two_heads_of_one_life_are_sometimes_confused(habit: Habit) -> None:
    """Two system prompts in one workspace, written together with the first question: the bill names neither. Seven sessions
    at once, every fourth step unusual: what is off is one call in 200, and half a per cent of the bill."""
    runs = [differing(Talks(seed, habit).run(80)) for seed in range(100, 130)]
    assert sum(count for count, _ in runs) <= 2_400 // 200
    assert abs(sum(off for _, off in runs) / len(runs)) < 0.006


@given(habit=st.sampled_from(HABITS), seed=st.integers(0, 2**32))
def test_what_comes_out_is_a_prompt(habit: Habit, seed: int) -> None:
    calls = Talks(seed, habit).run(60)
    for call, one in zip(calls, grow(calls), strict=True):
        assert all(before < after for before, after in pairwise((0, *one.ends)))
        assert one.ends[-1] <= call.tokens.prompt
        assert len(one.ends) <= NODES_KEPT + 4  # what is kept, and what a call can add
        assert len(set(one.prefix.chain)) == len(one.ends) == len(one.prefix.blocks)
        marks = one.prefix.marks()
        assert len(marks) == one.prefix.marks_count <= MARKS_MAX
        assert [ttl for _, ttl in marks] == sorted(ttl for _, ttl in marks)  # "1h" before "5m"
        assert bool(marks) == (call.tokens.prompt > call.tokens.input)
        sizes = [block.part.tokens for block in one.prefix.blocks]
        assert sum(sizes) == one.ends[-1]


def counts(growth: Growth, *rows: tuple[float, int, int, int, int]) -> list[Grown]:
    """Prompts of one conversation: seconds since the start, input, 5m write, 1h write, read."""
    return [
        growth.of(Seen(SCOPE, TALK, START_S + at_s, START_S + at_s + 1, Tokens(plain, five, hour, read, 9), False))
        for at_s, plain, five, hour, read in rows
    ]


def shared(one: Grown, other: Grown) -> int:
    """Tokens up to which two prompts are the same."""
    same = [end for end, digest in zip(one.ends, one.prefix.chain, strict=True) if digest in other.prefix.chain]
    return max(same, default=0)


def test_what_has_expired_is_still_shared() -> None:
    first, late = counts(Growth(), (0, 3, 30_000, 0, 0), (900, 3, 31_000, 0, 0))
    assert shared(first, late) == 30_000


def test_what_has_changed_is_not_shared() -> None:
    first, changed = counts(Growth(), (0, 3, 30_000, 0, 0), (60, 3, 31_000, 0, 0))
    assert shared(first, changed) == 0
    first, second, cut = counts(Growth(), (0, 3, 30_000, 0, 0), (60, 3, 5_000, 0, 30_000), (90, 3, 9_000, 0, 30_000))
    assert shared(second, cut) == 30_000


def test_an_hour_is_not_over_after_ten_minutes() -> None:
    first, changed = counts(Growth(), (0, 3, 0, 30_000, 0), (600, 3, 0, 31_000, 0))
    assert shared(first, changed) == 0
    first, late = counts(Growth(), (0, 3, 0, 30_000, 0), (3_600, 3, 0, 31_000, 0))
    assert shared(first, late) == 30_000


def test_the_tail_expires_before_a_head_of_an_hour() -> None:
    first, late = counts(Growth(), (0, 3, 5_000, 20_000, 0), (600, 3, 6_000, 0, 20_000))
    assert shared(first, late) == 25_000
    assert [ttl for _, ttl in late.prefix.marks()] == ["1h", "5m"]


def test_a_client_that_marks_only_its_system_prompt_goes_on() -> None:
    first, second, third = counts(Growth(), (0, 4_000, 20_000, 0, 0), (60, 6_000, 0, 0, 20_000), (900, 8_000, 20_000, 0, 0))
    assert shared(first, second) == 24_000
    assert shared(second, third) == 26_000
    assert [at for at, _ in third.prefix.marks()] == [0]


def test_a_client_without_caching_goes_on_until_it_is_compacted() -> None:
    first, second, compacted = counts(Growth(), (0, 9_000, 0, 0, 0), (60, 12_000, 0, 0, 0), (90, 5_000, 0, 0, 0))
    assert shared(first, second) == 9_000
    assert shared(second, compacted) == 0
    assert not second.prefix.marks()


def test_a_prompt_cut_a_little_keeps_what_is_before() -> None:
    *_, last, cut = counts(
        Growth(), (0, 3, 30_000, 0, 0), (60, 3, 5_000, 0, 30_000), (80, 3, 5_000, 0, 35_000), (900, 3, 38_000, 0, 0)
    )
    assert shared(last, cut) == 35_000
    assert cut.ends[-1] == 38_000


def test_what_nobody_wrote_was_there_from_outside() -> None:
    growth = Growth()
    first, second = counts(growth, (0, 3, 4_000, 0, 20_000), (60, 3, 2_000, 0, 24_000))
    assert first.outside == (first.prefix.chain[0], "5m")
    assert second.outside is None
    other = growth.of(Seen(SCOPE, ("other",), START_S + 70, START_S + 71, Tokens(3, 7_000, 0, 20_000, 9), False))
    assert other.outside is None
    assert shared(first, other) == 20_000
    elsewhere = growth.of(Seen(("rival", "m"), ("x",), START_S + 80, START_S + 81, Tokens(3, 0, 9, 20_000, 9), False))
    assert elsewhere.outside == (elsewhere.prefix.chain[0], "1h")


def test_calls_without_a_session_share_what_they_read() -> None:
    growth = Growth()
    seen = [
        Seen(SCOPE, (), START_S, START_S + 1, Tokens(3, 9_000, 0, 0, 9), False),
        Seen(SCOPE, (), START_S + 60, START_S + 61, Tokens(3, 2_000, 0, 9_000, 9), False),
        Seen(SCOPE, (), START_S + 70, START_S + 71, Tokens(3, 9_000, 0, 0, 9), False),
    ]
    first, second, alone = [growth.of(one) for one in seen]
    assert shared(first, second) == 9_000
    assert shared(second, alone) == 0


def test_a_depth_that_anybody_once_had_is_no_shared_prefix() -> None:
    """In a large workspace every depth has been written by somebody: what is long gone was not it."""
    growth = Growth()
    first, second = counts(growth, (0, 3, 20_000, 0, 0), (60, 3, 4_000, 0, 20_000))
    later = growth.of(Seen(SCOPE, ("other",), START_S + 9_000, START_S + 9_001, Tokens(3, 5_000, 0, 24_000, 9), False))
    assert shared(second, later) == 0
    assert later.outside is not None
    assert first.outside is None


def test_blocks_are_told_apart_by_the_first_bytes_of_their_digests() -> None:
    """As `core/looks.py` keeps no more of them to explain misses by."""
    grown = counts(Growth(), *[(400.0 * at, 3, 30_000 + at, 0, 0) for at in range(300)])
    names = {block.part.digest[:DIGEST_CUT] for one in grown for block in one.prefix.blocks}
    assert len(names) == 300


def test_nothing_in_nothing_out() -> None:
    (one,) = counts(Growth(), (0, 0, 0, 0, 0))
    assert one == Grown(one.prefix, ())
    assert not one.prefix.blocks


COUNT = st.integers(0, 60_000)


@given(st.lists(st.tuples(st.floats(0, 4_000), COUNT, COUNT, COUNT, COUNT), max_size=25), st.booleans())
def test_bills_that_no_cache_writes_do_no_harm(rows: list[tuple[float, int, int, int, int]], named: bool) -> None:
    growth, at_s = Growth(), START_S
    for gap_s, plain, five, hour, read in rows:
        at_s += gap_s
        tokens = Tokens(plain, five, hour, read)
        one = growth.of(Seen(SCOPE, TALK if named else (), at_s, at_s + 1, tokens, True, [read + 5, 700]))
        assert all(before < after for before, after in pairwise((0, *one.ends)))
        assert (one.ends[-1] if one.ends else 0) <= tokens.prompt
        assert len(one.ends) <= NODES_KEPT + 1 + 6
        assert len(one.prefix.marks()) <= MARKS_MAX
        assert [ttl for _, ttl in one.prefix.marks()] == sorted(ttl for _, ttl in one.prefix.marks())


ENDS = st.lists(st.integers(0, 5_000), min_size=1, max_size=12).map(
    lambda sizes: [sum(sizes[: at + 1]) for at in range(len(sizes))]
)


@given(ends=ENDS, data=st.data())
def test_fitted_depths_rise_and_meet_their_anchors(ends: list[int], data: st.DataObject) -> None:
    last = len(ends) - 1
    places = sorted({*data.draw(st.sets(st.integers(0, last), max_size=3)), last})
    depths = sorted(data.draw(st.lists(st.integers(0, 90_000), min_size=len(places), max_size=len(places))))
    found = fitted(ends, list(zip(places, depths, strict=True)))
    assert len(found) == len(ends)
    assert all(before <= after for before, after in pairwise((0, *found)))
    assert [found[at] for at in places] == depths


def test_fitted_by_hand() -> None:
    assert fitted([100, 200, 400], [(2, 800)]) == (200, 400, 800)
    assert fitted([100, 200, 400], [(1, 250), (2, 300)]) == (125, 250, 300)
    assert fitted([0, 0, 10], [(1, 50), (2, 60)]) == (50, 50, 60)
