"""Open the tenants of a ledger for a verb, beside a gateway that may be at work on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from thriftgate.cli.books import check_is_ledger
from thriftgate.clock import SystemClock
from thriftgate.engine.vaults import master_key_of, tenants_of
from thriftgate.ledger.issuing import HOST, Issuer
from thriftgate.ledger.master_key import MasterKey
from thriftgate.ledger.sealing import Vault, open_vault
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.tenants import Tenants
from thriftgate.settings import Settings

_T = TypeVar("_T")


@dataclass(frozen=True)
class Desk:
    """What a verb works with. Whoever can write the ledger's file owns it, so its issuer is an owner's."""

    tenants: Tenants
    issuer: Issuer
    place: MasterKey

    async def vault(self) -> Vault:
        """Raises ConfigError."""
        return await open_vault(self.tenants, self.place)

    def now_us(self) -> int:
        return now_us()


def now_us() -> int:
    return int(SystemClock().now_s() * 1e6)


def at_desk(settings: Settings, work: Callable[[Desk], Awaitable[_T]], *, makes: bool = False) -> _T:
    """Do `work` on the tenants of the ledger; one that `makes` something may be the first to open it. Raises ConfigError
    where there is no ledger, LedgerError."""
    path = settings.ledger.path
    if path == ":memory:" or not makes:
        check_is_ledger(path)

    async def at_work() -> _T:
        ledger = SqlLedger.open(path)
        try:
            tenants = tenants_of(ledger)
            return await work(Desk(tenants, Issuer(tenants, HOST, now_us), master_key_of(settings)))
        finally:
            await ledger.close()

    return asyncio.run(at_work())
