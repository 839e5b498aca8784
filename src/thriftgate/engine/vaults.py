"""Tenants and their vault, for whoever has the settings and an open ledger."""

from __future__ import annotations

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.entries import Ledger
from thriftgate.ledger.master_key import MasterKey
from thriftgate.ledger.sealing import open_vault
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_tenants import SqlTenants
from thriftgate.ledger.tenants import ProviderKey, Tenants
from thriftgate.settings import Settings


def tenants_of(ledger: Ledger) -> Tenants:
    """Raises LedgerError for a ledger that keeps none."""
    if not isinstance(ledger, SqlLedger):
        raise LedgerError("this ledger keeps no virtual keys")
    return SqlTenants(ledger)


def master_key_of(settings: Settings) -> MasterKey:
    """Where the master key of the ledger is."""
    access = settings.access
    return MasterKey(settings.ledger.path, access.master_key.get_secret_value(), access.master_key_file, access.keyring)


async def provider_secrets(settings: Settings, ledger: Ledger, provider: str) -> dict[str, str]:
    """The keys of a provider that are kept with the books, by name, the oldest first. Raises ConfigError, LedgerError."""
    tenants = tenants_of(ledger)
    kept = [one for one in await tenants.page(ProviderKey, limit=1000) if one.provider == provider]
    if not kept:
        return {}
    vault = await open_vault(tenants, master_key_of(settings))
    return {one.name: vault.provider_secret(one) for one in sorted(kept, key=lambda one: (one.created_us, one.id))}
