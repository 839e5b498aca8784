"""Rows of the live page as events."""

from __future__ import annotations

import msgspec

from tests.cli.entries import entry_of
from tests.dashboard.conftest import asked_of
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.feed import Tick
from thriftgate.dashboard.recent import settled_of
from thriftgate.dashboard.streaming import event
from thriftgate.ledger.entries import Hold


async def test_an_event_holds_escaped_rows(sources: Sources) -> None:
    tick = Tick((settled_of(entry_of(task="<script>")),), 2, (Hold("h", 0, "k", "m", 9, 5),))
    lines = event(tick, asked_of(sources), "/at").split(b"\n")
    assert lines[0] == b"event: tick"
    assert lines[2:] == [b"", b""]
    told = msgspec.json.decode(lines[1].removeprefix(b"data: "))
    assert (told["count"], told["open_count"], told["cost_usd"]) == (3, 1, "0.0026")
    assert "&lt;script&gt;" in told["settled"]
    assert "/at/calls/tg_" in told["settled"]


async def test_what_is_not_looked_at_is_not_told(sources: Sources) -> None:
    tick = Tick((settled_of(entry_of()),), 0, ())
    told = msgspec.json.decode(event(tick, asked_of(sources, team="other"), "/h").partition(b"data: ")[2])
    assert (told["settled"], told["count"]) == ("", 0)
