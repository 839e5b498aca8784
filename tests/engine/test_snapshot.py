"""A snapshot is frozen knowledge: what was remembered before the call, and nothing of the call itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fixtures import MODEL, message
from thriftgate.core.cache import Resident
from thriftgate.core.errors import InputError
from thriftgate.core.reuse import Outlook
from thriftgate.engine.snapshot import Knowledge, Snapshot
from thriftgate.pricing.load import load_book, load_models
from thriftgate.wire import DIALECTS

TURNS = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
BODY = message(system="You are kind.", messages=TURNS)


@pytest.fixture
def known() -> Knowledge:
    return Knowledge(load_book(), load_models())


def snapshot(known: Knowledge, body: dict[str, Any], key: str = "key_a", now_s: float = 1000.0) -> Snapshot:
    return known.snapshot(DIALECTS[0].parse(msgspec.json.encode(body)), key, now_s)


def test_a_first_call_knows_nothing_of_itself(known: Knowledge) -> None:
    for _ in range(2):
        state = snapshot(known, BODY).state
        assert (state.outlook.seen_at, dict(state.residency)) == (None, {})


def test_what_was_seen_and_cached_before_is_there(known: Knowledge) -> None:
    before = snapshot(known, BODY, now_s=900.0)
    chain = before.state.prefix.chain
    known.observe(before, "key_a")
    entry = Resident("5m", 900.0, 1200.0)
    known.memory.cached({chain[0]: entry})
    state = snapshot(known, BODY).state
    assert (state.outlook.seen_at, state.outlook.seen_s) == (len(chain) - 1, 900.0)
    assert state.residency == {chain[0]: entry}
    assert (state.now_s, state.capability.id) == (1000.0, MODEL)


def test_keys_do_not_share_what_they_cached(known: Knowledge) -> None:
    known.observe(snapshot(known, BODY, "key_a"), "key_a")
    assert snapshot(known, BODY, "key_b").state.outlook.seen_at is None


def test_counts_grow_with_the_blocks_and_bound_each_other(known: Knowledge) -> None:
    state = snapshot(known, BODY).state
    assert len(state.cumulative) == len(state.upper) == len(state.prefix.chain) == 3
    assert list(state.cumulative) == sorted(state.cumulative)
    assert all(low <= high for low, high in zip(state.cumulative, state.upper, strict=True))


def test_a_known_total_becomes_exact(known: Knowledge) -> None:
    first = snapshot(known, BODY)
    known.tokens.learn(MODEL, first.state.prefix.chain[-1], 4711, first.estimate)
    state = snapshot(known, BODY).state
    assert (state.cumulative[-1], state.upper[-1]) == (4711, 4711)


def test_what_nobody_came_back_to_for_a_day_is_forgotten(known: Knowledge) -> None:
    other = BODY | {"system": "another application"}
    first = snapshot(known, BODY, now_s=0.0)
    known.observe(first, "key_a")
    end = first.state.prefix.chain[-1]
    known.tokens.learn(MODEL, end, 4711, first.estimate)
    known.memory.cached({end: Resident("1h", 0.0, 3600.0)})
    for hour in range(24):
        known.observe(snapshot(known, other, now_s=hour * 3600.0 + 1.0), "key_a")
    state = snapshot(known, BODY, now_s=24 * 3600.0 + 2.0).state
    assert (state.outlook.seen_at, dict(state.residency), known.tokens.exact(end)) == (None, {}, None)


def test_tools_bring_their_own_prompt(known: Knowledge) -> None:
    tool = {"name": "look", "description": "Look.", "input_schema": {"type": "object"}}
    plain = snapshot(known, BODY).state.cumulative[-1]
    empty = snapshot(known, BODY | {"tools": []}).state.cumulative[-1]
    with_tool = snapshot(known, BODY | {"tools": [tool]}).state.cumulative[-1]
    assert empty >= plain
    assert with_tool > plain + 100


@pytest.mark.parametrize("messages", [["text"], [{"role": "user", "content": 7}], [7]])
def test_malformed_content_is_bad_input(known: Knowledge, messages: list[Any]) -> None:
    with pytest.raises(InputError):
        snapshot(known, BODY | {"messages": messages})


def test_without_an_outlook_nothing_is_expected_of_later_calls(known: Knowledge) -> None:
    known.observe(snapshot(known, BODY, now_s=900.0), "key_a")
    request = DIALECTS[0].parse(msgspec.json.encode(BODY))
    state = known.snapshot(request, "key_a", 1000.0, outlook=False).state
    whole = snapshot(known, BODY).state
    assert (state.outlook, state.braked) == (Outlook(), "")
    assert msgspec.structs.replace(whole, outlook=Outlook(), braked="") == state
