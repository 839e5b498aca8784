"""The cache model on the examples of the documentation and at every edge of its rules.

That it bills as the provider does, on any traffic, is shown in tests/laws against the simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.planning import prefix_of, request_of
from thriftgate.core.cache import (
    Breakpoint,
    CacheOutcome,
    CacheRules,
    Resident,
    client_breakpoints,
    forecast,
    within_reach,
)
from thriftgate.core.prefix import Prefix
from thriftgate.core.usage import Tokens

NOW = 1_000.0
RULES = CacheRules()


def prompt(blocks: int, kinds: Sequence[str] = ()) -> Prefix:
    """A prompt of so many text blocks, or of blocks of these kinds."""
    content = [_block(kind, at) for at, kind in enumerate(kinds or ["text"] * blocks)]
    return prefix_of(request_of(messages=[{"role": "assistant", "content": content}]))


def _block(kind: str, at: int) -> dict[str, Any]:
    if kind == "tool_use":
        return {"type": kind, "id": f"t{at}", "name": "n", "input": {}}
    if kind == "tool_result":
        return {"type": kind, "tool_use_id": f"t{at}", "content": "x"}
    return {"type": "text", "text": f"block {at}"}


def ask(
    prefix: Prefix,
    marks: Sequence[tuple[int, str]],
    held: dict[bytes, Resident] | None = None,
    *,
    counts: Sequence[int] = (),
    now: float = NOW,
    usable: float | None = None,
    minimum: int = 1,
    rules: CacheRules = RULES,
) -> CacheOutcome:
    """A prompt of 1,000 tokens a block, or as `counts` says."""
    return forecast(
        prefix,
        list(accumulate(counts or [1_000] * len(prefix.blocks))),
        [Breakpoint(at, "1h" if ttl == "1h" else "5m") for at, ttl in marks],
        held or {},
        now_s=now,
        usable_s=now if usable is None else usable,
        cache_min_tokens=minimum,
        rules=rules,
    )


def held(prefix: Prefix, *spots: tuple[int, str], since: float = NOW - 100) -> dict[bytes, Resident]:
    """Entries written at these blocks."""
    lives = {"5m": 300, "1h": 3_600}
    return {prefix.chain[at]: Resident("1h" if ttl == "1h" else "5m", since, since + lives[ttl]) for at, ttl in spots}


# --- what is billed -------------------------------------------------------------------------------------------------------

THREE = prompt(3)
BILLS: list[tuple[str, list[tuple[int, str]], list[tuple[int, str]], Tokens]] = [
    ("no breakpoint", [], [(2, "5m")], Tokens(input=3_000)),
    ("cold, 5m", [(2, "5m")], [], Tokens(write_5m=3_000)),
    ("cold, 1h", [(2, "1h")], [], Tokens(write_1h=3_000)),
    ("cold, rest uncached", [(1, "5m")], [], Tokens(write_5m=2_000, input=1_000)),
    ("cold, 1h then 5m", [(0, "1h"), (2, "5m")], [], Tokens(write_1h=1_000, write_5m=2_000)),
    ("warm", [(2, "5m")], [(2, "5m")], Tokens(read=3_000)),
    ("warm prefix, new tail", [(2, "5m")], [(1, "5m")], Tokens(read=2_000, write_5m=1_000)),
    ("the module's example", [(1, "1h"), (2, "5m")], [(0, "5m")], Tokens(read=1_000, write_1h=1_000, write_5m=1_000)),
    ("a deeper hit wins", [(2, "5m")], [(0, "5m"), (1, "5m")], Tokens(read=2_000, write_5m=1_000)),
    ("1h within what is read", [(0, "1h"), (2, "5m")], [(1, "5m")], Tokens(read=2_000, write_5m=1_000)),
    ("an entry behind the breakpoint", [(0, "5m")], [(2, "5m")], Tokens(write_5m=1_000, input=2_000)),
]


@pytest.mark.parametrize(("marks", "entries", "tokens"), [row[1:] for row in BILLS], ids=[row[0] for row in BILLS])
def test_bills(marks: list[tuple[int, str]], entries: list[tuple[int, str]], tokens: Tokens) -> None:
    assert ask(THREE, marks, held(THREE, *entries)).tokens == tokens


def test_an_empty_prompt_costs_nothing() -> None:
    empty = prefix_of(request_of(messages=[]))
    assert ask(empty, []).tokens == Tokens()


def test_a_breakpoint_under_the_minimum_is_ignored_and_the_next_is_not() -> None:
    outcome = ask(THREE, [(0, "5m"), (1, "5m")], minimum=2_000)
    assert outcome.tokens == Tokens(write_5m=2_000, input=1_000)
    assert outcome.entries.keys() == {THREE.chain[1]}
    assert ask(THREE, [(0, "5m"), (1, "5m")], minimum=2_001).tokens == Tokens(input=3_000)


def test_the_documented_look_back() -> None:
    """10 blocks, then 15 (hits 10), then 35: block 15 is one position outside, and a second breakpoint there would hit."""
    long = prompt(35)
    first = ask(replace(long, blocks=long.blocks[:10], chain=long.chain[:10]), [(9, "5m")])
    second = ask(replace(long, blocks=long.blocks[:15], chain=long.chain[:15]), [(14, "5m")], first.entries)
    assert second.tokens == Tokens(read=10_000, write_5m=5_000)
    entries = first.entries | second.entries
    assert ask(long, [(34, "5m")], entries).tokens == Tokens(write_5m=35_000)
    assert ask(long, [(14, "5m"), (34, "5m")], entries).tokens == Tokens(read=15_000, write_5m=20_000)
    assert ask(long, [(33, "5m")], entries).tokens == Tokens(read=15_000, write_5m=19_000, input=1_000)


REACH: list[tuple[list[str], int, bool, list[int]]] = [
    (["text"] * 5, 3, True, [4, 3, 2]),
    (["text", "tool_use", "tool_use", "tool_use", "text"], 2, True, [4, 3, 2, 1]),
    (["text", "tool_use", "tool_use", "tool_use", "text"], 2, False, [4, 3]),
    (["text", "tool_use", "tool_use", "tool_result", "tool_result"], 2, True, [4, 3, 2, 1]),
    (["tool_use", "text", "tool_use"], 1, True, [2]),
    (["text"], 20, True, [0]),
]


@pytest.mark.parametrize(("kinds", "lookback", "collapse", "reached"), REACH)
def test_reach(kinds: list[str], lookback: int, collapse: bool, reached: list[int]) -> None:
    rules = CacheRules(lookback_positions=lookback, collapse_runs=collapse)
    assert list(within_reach(prompt(0, kinds), len(kinds) - 1, rules)) == reached


# --- how long entries live ------------------------------------------------------------------------------------------------

LIVES: list[tuple[str, float, bool]] = [
    ("5m", 0.0, True),
    ("5m", 299.999, True),
    ("5m", 300.0, False),
    ("1h", 300.0, True),
    ("1h", 3_599.999, True),
    ("1h", 3_600.0, False),
]


@pytest.mark.parametrize(("ttl", "later", "hits"), LIVES)
def test_a_life_is_counted_from_the_start_of_the_request(ttl: str, later: float, hits: bool) -> None:
    written = ask(THREE, [(2, ttl)], usable=NOW)
    assert (ask(THREE, [(2, "5m")], written.entries, now=NOW + later).hit is not None) is hits


def test_an_entry_can_be_read_once_the_response_began() -> None:
    written = ask(THREE, [(2, "5m")], usable=NOW + 4)
    assert ask(THREE, [(2, "5m")], written.entries, now=NOW + 3.9).tokens == Tokens(write_5m=3_000)
    assert ask(THREE, [(2, "5m")], written.entries, now=NOW + 4).tokens == Tokens(read=3_000)


def test_a_hit_renews() -> None:
    written = ask(THREE, [(2, "5m")])
    again = ask(THREE, [(2, "5m")], written.entries, now=NOW + 299)
    assert ask(THREE, [(2, "5m")], again.entries, now=NOW + 598).tokens == Tokens(read=3_000)


def test_a_hit_keeps_the_longer_life_of_what_it_hit() -> None:
    again = ask(THREE, [(2, "5m")], ask(THREE, [(2, "1h")]).entries, now=NOW + 1)
    assert again.entries[THREE.chain[2]] == Resident("1h", NOW, NOW + 3_601)


def test_written_again_before_it_was_readable_the_longer_life_and_the_earlier_reading_stand() -> None:
    first = ask(THREE, [(2, "1h")], usable=NOW + 5)
    second = ask(THREE, [(2, "5m")], first.entries, now=NOW + 1, usable=NOW + 9)
    assert second.tokens == Tokens(write_5m=3_000)
    assert second.entries[THREE.chain[2]] == Resident("1h", NOW + 5, NOW + 3_600)


# --- what the documentation leaves open -----------------------------------------------------------------------------------

RENEWED: list[tuple[CacheRules, list[int]]] = [
    (CacheRules(refresh="marked"), [1, 2]),
    (CacheRules(refresh="hit_only"), [2]),
    (CacheRules(refresh="ancestors"), [0, 1, 2]),
]


@pytest.mark.parametrize(("rules", "renewed"), RENEWED, ids=[row[0].refresh for row in RENEWED])
def test_which_entries_a_hit_renews(rules: CacheRules, renewed: list[int]) -> None:
    entries = held(THREE, (0, "5m"), (1, "5m"), (2, "5m"))
    outcome = ask(THREE, [(1, "5m"), (2, "5m")], entries, rules=rules)
    assert [at for at in range(3) if THREE.chain[at] in outcome.entries] == renewed
    assert {entry.expires_s for entry in outcome.entries.values()} == {NOW + 300}


@pytest.mark.parametrize("free", [True, False])
def test_a_breakpoint_inside_what_is_read(free: bool) -> None:
    outcome = ask(THREE, [(0, "1h"), (2, "5m")], held(THREE, (1, "5m")), rules=CacheRules(free_insert=free))
    assert outcome.tokens == Tokens(read=2_000, write_5m=1_000)
    assert (outcome.entries.get(THREE.chain[0]) == Resident("1h", NOW, NOW + 3_600)) is free


@pytest.mark.parametrize("late", [True, False])
def test_an_hour_behind_five_minutes(late: bool) -> None:
    entries = held(THREE, (0, "5m"))
    entries |= ask(THREE, [(2, "1h")], entries, rules=CacheRules(late_upgrade=late)).entries
    outcome = ask(THREE, [(2, "1h")], entries, now=NOW + 1_000, rules=CacheRules(late_upgrade=late))
    assert outcome.tokens == (Tokens(read=3_000) if late else Tokens(write_1h=3_000))


@pytest.mark.parametrize("upgrades", [True, False])
def test_an_hour_on_five_minutes(upgrades: bool) -> None:
    entries = held(THREE, (2, "5m"))
    outcome = ask(THREE, [(2, "1h")], entries, rules=CacheRules(in_place_upgrade=upgrades))
    assert outcome.tokens == Tokens(read=3_000)
    assert outcome.entries[THREE.chain[2]].expires_s == NOW + (3_600 if upgrades else 300)


# --- laws -----------------------------------------------------------------------------------------------------------------

SPOTS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(("5m", "1h"))), max_size=4)
SIX = prompt(6)


@given(SPOTS, SPOTS, st.lists(st.integers(0, 5_000), min_size=6, max_size=6), st.integers(0, 4_096))
def test_every_token_is_billed_once(
    marks: list[tuple[int, str]], entries: list[tuple[int, str]], counts: list[int], minimum: int
) -> None:
    outcome = ask(SIX, sorted(marks), held(SIX, *entries), counts=counts, minimum=minimum)
    assert outcome.tokens.prompt == sum(counts)
    assert outcome.tokens.output == 0
    assert outcome.entries.keys() <= set(SIX.chain)
    deepest = max((at for at, _ in marks if sum(counts[: at + 1]) >= minimum), default=None)
    if deepest is None:
        assert outcome.tokens == Tokens(input=sum(counts))
        assert not outcome.entries
    else:
        assert SIX.chain[deepest] in outcome.entries
        assert all(entry.expires_s > NOW for entry in outcome.entries.values())


def test_the_clients_own_breakpoints() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    content = [{"type": "text", "text": "a", "cache_control": mark}, {"type": "text", "text": "b"}]
    messages = [{"role": "user", "content": content}]
    explicit, both = request_of(messages=messages), request_of(messages=messages, cache_control={"type": "ephemeral"})
    assert client_breakpoints(explicit, prefix_of(explicit)) == (Breakpoint(0, "1h"),)
    assert client_breakpoints(both, prefix_of(both)) == (Breakpoint(0, "1h"), Breakpoint(1, "5m"))
    same = request_of(messages=[{"role": "user", "content": content[:1]}], cache_control=mark)
    assert client_breakpoints(same, prefix_of(same)) == (Breakpoint(0, "1h"),)


# --- an hour that is not granted ----------------------------------------------------------------------------------------


def test_without_the_grant_an_hour_is_billed_and_kept_as_five_minutes() -> None:
    rules = replace(RULES, hour_granted=False)
    outcome = ask(THREE, [(0, "1h"), (2, "1h")], rules=rules)
    assert outcome.tokens == Tokens(write_5m=3_000)
    assert {entry.expires_s for entry in outcome.entries.values()} == {NOW + 300}
    assert {entry.ttl for entry in outcome.entries.values()} == {"5m"}
    assert ask(THREE, [(0, "1h"), (2, "1h")]).tokens == Tokens(write_1h=3_000)
