"""Limits made, changed, shown and ended."""

from __future__ import annotations

import itertools

import pytest
from msgspec.structs import replace

from thriftgate.core.errors import InputError, NotAllowed, NotThere
from thriftgate.ledger.issuing import HOST, Actor, Issuer
from thriftgate.ledger.limit_desk import LimitDesk, WantedLimit
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_limits import SqlLimitBook
from thriftgate.ledger.sql_tenants import SqlTenants

NOW_US = 1_790_000_000_000_000
WANTED = WantedLimit("agents", "usd", "2.5", "hour", "1", ("key=*",))


async def test_a_limits_life() -> None:
    ledger = SqlLedger.open(":memory:")
    numbers = itertools.count(1)
    desk = LimitDesk(SqlLimitBook(ledger), SqlTenants(ledger), lambda: f"lim_{next(numbers)}")
    made = await desk.put(WANTED, NOW_US)
    assert [made[name] for name in ("id", "amount_usd", "per", "burst_usd")] == ["lim_1", "2.5", "hour", "1"]
    assert made["scope"] == ["key=*"]
    changed = await desk.put(WantedLimit("agents", amount="3"), NOW_US)
    assert [changed[name] for name in ("id", "amount_usd", "burst_usd")] == ["lim_1", "3", "1"]
    assert (await desk.put(WantedLimit("lim_1", burst="0"), NOW_US))["burst_usd"] == "3"
    for wrong in (replace(WANTED, scope=("key=b",)), replace(WANTED, metric="tokens"), replace(WANTED, per="minute")):
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
    with pytest.raises(NotThere, match="there is no limit 'agents'"):
        await desk.show("agents")
    await ledger.close()


async def test_a_teams_administrator_reaches_its_own() -> None:
    ledger = SqlLedger.open(":memory:")
    tenants, numbers = SqlTenants(ledger), itertools.count(1)
    team = await Issuer(tenants, HOST, lambda: NOW_US).add_team("mine")

    def desk_of(actor: Actor) -> LimitDesk:
        return LimitDesk(SqlLimitBook(ledger), tenants, lambda: f"lim_{next(numbers)}", actor)

    host, theirs = desk_of(HOST), desk_of(Actor("key_1", "key", "team-admin", writes=True, team=team.id))
    await host.put(WantedLimit("all", "requests", "9"), NOW_US)
    made = await theirs.put(WantedLimit("mine", "requests", "5", scope=("team=mine",)), NOW_US)
    assert made["scope_names"] == ["team=mine"]
    assert [one["name"] for one in (await theirs.all())["limits"]] == ["mine"]
    with pytest.raises(NotAllowed, match="may only set limits of its own team"):
        await theirs.put(WantedLimit("new", "requests", "9"), NOW_US)
    with pytest.raises(NotThere):
        await theirs.end("all", NOW_US)
    assert "mine: 5 requests a minute" in [one.detail for one in await tenants.deeds()]
    await ledger.close()
