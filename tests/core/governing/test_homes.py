"""Which key a conversation belongs to."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from thriftgate.core.governing.homes import Homes
from thriftgate.core.memo import PartMemo
from thriftgate.core.prefix import Prefix, read_prefix
from thriftgate.core.request import parse_request
from thriftgate.pricing.load import load_models


def home_of(homes: Homes, prompt: Prefix) -> str:
    """Where a conversation is at home, or goes to as a new one."""
    home = homes.of(prompt)
    return home.name or homes.drawn(home, [name for name, _ in homes.keys])


KEYS = (("one", 1.0), ("two", 1.0), ("three", 1.0))
MODEL = "claude-opus-4-8"
ROW = load_models()[MODEL]
MARK = {"type": "ephemeral"}


def prefix(system: str = "", *said: str, marked: bool = False) -> Prefix:
    messages: list[dict[str, Any]] = []
    for at, text in enumerate(said):
        last = marked and at == len(said) - 1
        content: Any = [{"type": "text", "text": text, "cache_control": MARK}] if last else text
        messages.append({"role": "assistant" if at % 2 else "user", "content": content})
    body = {"model": MODEL, "max_tokens": 5, "messages": messages} | ({"system": system} if system else {})
    return read_prefix(parse_request(msgspec.json.encode(body)), ROW, PartMemo(), b"")


def test_what_shares_tools_and_system_begins_with_the_same_key() -> None:
    homes = Homes(KEYS)
    assert len({home_of(homes, prefix("a system", f"question {n}")) for n in range(50)}) == 1
    assert len({home_of(homes, prefix(f"system {n}", "question")) for n in range(50)}) == 3
    assert len({home_of(homes, prefix("", f"question {n}")) for n in range(50)}) == 3


def test_new_ones_are_spread_by_weight() -> None:
    homes = Homes((("one", 1.0), ("two", 3.0)))
    found = Counter(home_of(homes, prefix(f"system {n}", "question")) for n in range(400))
    assert 0.68 < found["two"] / 400 < 0.82


def test_a_key_more_moves_only_its_own_share() -> None:
    before, after = Homes(KEYS[:2]), Homes(KEYS)
    moved = 0
    for n in range(300):
        old, new = (home_of(homes, prefix(f"system {n}", "question")) for homes in (before, after))
        assert new in (old, "three")
        moved += new != old
    assert 60 < moved < 140


def test_a_conversation_stays_where_it_was_moved_to_and_its_marks_do_not_matter() -> None:
    homes = Homes(KEYS)
    first = prefix("a system", "hello", marked=True)
    home = home_of(homes, first)
    other = next(name for name, _ in KEYS if name != home)
    homes.settle(homes.of(first).talk, other)
    later = homes.of(prefix("a system", "hello", "hi", "and now?", marked=True))
    assert (later.talk, later.name) == (homes.of(first).talk, other)
    assert home_of(homes, prefix("a system", "another")) == home
