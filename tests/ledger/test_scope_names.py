"""Scopes by names and by ids."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import InputError
from thriftgate.ledger.issuing import HOST, Issuer
from thriftgate.ledger.scope_names import ScopeNames
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_tenants import SqlTenants


async def test_names_are_ids_in_the_books() -> None:
    ledger = SqlLedger.open(":memory:")
    tenants = SqlTenants(ledger)
    issuer = Issuer(tenants, HOST, lambda: 1)
    one, other = await issuer.add_org("acme"), await issuer.add_org("other")
    team = await issuer.add_team("search", one.id)
    names = ScopeNames(tenants)
    told = ["team=search", "org=acme", "tag=eu", "team=*", "user=end-user-7", "key=key_0123456789ab"]
    scope = await names.resolved(told)
    assert scope == (f"team={team.id}", f"org={one.id}", *told[2:])
    assert await names.resolved(scope) == scope
    assert await names.told(scope) == told
    with pytest.raises(InputError, match="there is no team 'none'"):
        await names.resolved(["team=none"])
    ann = await issuer.add_user("ann", org=other.id)
    await issuer.add_user(ann.id, org=other.id)  # a name that is somebody's id
    with pytest.raises(InputError, match="several are called 'user_"):
        await names.resolved([f"user={ann.id}"])
    await ledger.close()
