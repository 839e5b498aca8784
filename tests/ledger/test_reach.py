"""How far somebody reaches: a team's administrator over its team alone; what was done is put down."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import NotAllowed
from thriftgate.ledger.issuing import HOST, Actor, Issuer
from thriftgate.ledger.reach import Reach
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_tenants import SqlTenants


async def test_reach() -> None:
    ledger = SqlLedger.open(":memory:")
    tenants = SqlTenants(ledger)
    team = await Issuer(tenants, HOST, lambda: 5).add_team("mine")
    host = Reach(tenants, HOST, "limit")
    theirs = Reach(tenants, Actor("key_1", "key", "team-admin", writes=True, team=team.id), "limit")
    scope = await theirs.resolved(["team=mine", "tier=opus"])
    assert scope == (f"team={team.id}", "tier=opus")
    for one in ((), ("team=*",), ("team=other",)):
        assert host.over(one)
        host.check(one)
        assert not theirs.over(one)
        with pytest.raises(NotAllowed, match=f"may only set limits of its own team: scope team={team.id}"):
            theirs.check(one)
    theirs.check(scope)
    assert (await host.named({"scope": scope}))["scope_names"] == ["team=mine", "tier=opus"]
    assert (await host.named({"scope": (), "member": f"key=k,team={team.id}"}))["member_name"] == "key=k,team=mine"
    await theirs.did("set", "lim_1", "few", 7, "3 requests")
    await theirs.did("clear doubt", "lim_1", "few", 8)
    found = {(one.who, one.action, one.subject, one.detail) for one in await tenants.deeds()}
    assert {("key_1", "set limit", "lim_1", "few: 3 requests"), ("key_1", "clear doubt", "lim_1", "few")} <= found
    await ledger.close()
