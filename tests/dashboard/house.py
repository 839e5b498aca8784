"""A gateway with its dashboard, as `thriftgate serve` puts them together, in front of the simulator; and who may log in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.fixtures import serving, settings_of, simulator
from thriftgate.clock import SystemClock
from thriftgate.dashboard.app import Dashboard
from thriftgate.dashboard.beside import Within, together
from thriftgate.dashboard.gates import AtTheGateway
from thriftgate.engine.vaults import master_key_of, tenants_of
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.entrance import Entrance
from thriftgate.ledger.issuing import HOST, Issuer, KeyDraft
from thriftgate.ledger.sealing import open_vault
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.tenants import Role, Team
from thriftgate.settings import Settings
from thriftgate.simulator import SimClock, Simulator

PAGES = "/thriftgate/dashboard"
API = "/thriftgate/api/v1"


class House(NamedTuple):
    """Where it is, and its books."""

    url: str
    ledger: Path
    settings: Settings


def now_us() -> int:
    return int(SystemClock().now_s() * 1e6)


@contextlib.contextmanager
def house(ledger: Path, upstream: Simulator | None = None) -> Iterator[House]:
    """The two, until the end of the block."""
    with serving(upstream or simulator(clock=SimClock.real())) as url:
        settings = settings_of(
            upstream={"url": url, "api_key": "sk-ant-sim-test-1"}, ledger={"path": str(ledger)}, access={"recheck_s": 0.0}
        )
        gateway = Gateway(settings)
        within = Within(settings, lambda: gateway.rooms)
        dashboard = Dashboard(within.sources, AtTheGateway(lambda: gateway.rooms))
        with serving(together(gateway, dashboard, within), Entrance(settings.server)) as served:
            try:
                yield House(served, ledger, settings)
            finally:
                dashboard.stopping()


def key_made(settings: Settings, name: str, role: Role = "", team: str = "") -> tuple[str, str]:
    """A key in the books, as `thriftgate keys create` makes it: its id and its secret. A team is made where it is new."""

    async def make() -> tuple[str, str]:
        ledger = SqlLedger.open(settings.ledger.path)
        try:
            tenants = tenants_of(ledger)
            vault = await open_vault(tenants, master_key_of(settings))
            issuer = Issuer(tenants, HOST, now_us)
            if team and not await tenants.named(Team, team):
                await issuer.add_team(team)
            issued = await issuer.add_key(KeyDraft(name, role=role, team=team), vault)
            return issued.key.id, issued.secret
        finally:
            await ledger.close()

    return asyncio.run(make())
