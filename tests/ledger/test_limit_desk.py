"""Limits made, changed, shown and ended."""

from __future__ import annotations

import itertools

import pytest
from msgspec.structs import replace

from thriftgate.core.errors import InputError
from thriftgate.ledger.limit_desk import LimitDesk, WantedLimit
from thriftgate.ledger.sqlite import SqliteLedger
from thriftgate.ledger.sqlite_limits import SqliteLimitBook

NOW_US = 1_790_000_000_000_000
WANTED = WantedLimit("agents", "usd", "2.5", "hour", "1", ("key=*",))


async def test_a_limits_life() -> None:
    ledger = SqliteLedger.open(":memory:")
    numbers = itertools.count(1)
    desk = LimitDesk(SqliteLimitBook(ledger), lambda: f"lim_{next(numbers)}")
    made = await desk.put(WANTED, NOW_US)
    assert [made[name] for name in ("id", "amount", "per", "burst", "scope")] == ["lim_1", "2.5", "hour", "1", ["key=*"]]
    changed = await desk.put(WantedLimit("agents", amount="3"), NOW_US)
    assert [changed[name] for name in ("id", "amount", "burst")] == ["lim_1", "3", "1"]
    assert (await desk.put(WantedLimit("lim_1", burst="0"), NOW_US))["burst"] == "3"
    for wrong in (replace(WANTED, scope=("team=b",)), replace(WANTED, metric="tokens"), replace(WANTED, per="minute")):
        with pytest.raises(InputError, match="what it counts stays"):
            await desk.put(wrong, NOW_US)
    await desk.put(WantedLimit("few", "requests", "60"), NOW_US)
    assert [one["name"] for one in (await desk.all())["limits"]] == ["agents", "few"]
    assert (await desk.show("few"))["per"] == "minute"
    assert (await desk.end("agents", NOW_US))["ended"]
    assert [one["name"] for one in (await desk.all())["limits"]] == ["few"]
    for wanted in (WantedLimit("new"), WantedLimit("new", "tokens"), WantedLimit("new", amount="1")):
        with pytest.raises(InputError, match="say what is counted, and how much"):
            await desk.put(wanted, NOW_US)
    with pytest.raises(InputError, match="there is no limit 'agents'"):
        await desk.show("agents")
    await ledger.close()
