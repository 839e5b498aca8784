"""Tenants of a ledger, and the keys of the provider that are kept with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from tests.fixtures import books, engine_on, settings_of
from thriftgate.core.errors import ConfigError, LedgerError
from thriftgate.engine.vaults import master_key_of, provider_secrets, tenants_of
from thriftgate.ledger.entries import Ledger
from thriftgate.ledger.issuing import HOST, Issuer
from thriftgate.ledger.sealing import open_vault


def test_the_master_key_is_where_the_settings_say() -> None:
    place = master_key_of(settings_of(access={"master_key": "ab", "master_key_file": "file", "keyring": True}))
    assert (place.ledger, place.text, place.path, place.keyring) == (":memory:", "ab", "file", True)


def test_a_ledger_that_keeps_no_keys_says_so() -> None:
    with pytest.raises(LedgerError, match="keeps no virtual keys"):
        tenants_of(cast("Ledger", object()))


async def test_the_oldest_key_of_the_provider_is_the_engines_own(tmp_path: Path) -> None:
    table: dict[str, Any] = {"ledger": {"path": str(tmp_path / "books.db")}}
    settings = settings_of(**table)
    async with books(tmp_path / "books.db") as ledger:
        assert await provider_secrets(settings, ledger, "anthropic") == {}
        tenants = tenants_of(ledger)
        vault = await open_vault(tenants, master_key_of(settings))
        for at, name in ((2, "later"), (1, "first")):
            await Issuer(tenants, HOST, lambda at=at: at).add_provider_key(name, "anthropic", f"sk-{name}", vault)  # type: ignore[misc]
        await Issuer(tenants, HOST, lambda: 0).add_provider_key("other", "elsewhere", "sk-other", vault)
        found = await provider_secrets(settings, ledger, "anthropic")
        assert list(found.items()) == [("first", "sk-first"), ("later", "sk-later")]
    async with engine_on(object(), **table) as engine:
        assert engine.own_key == "sk-first"
    async with engine_on(object(), **table, upstream={"api_key": "sk-told"}) as engine:
        assert engine.own_key == "sk-told"
    (tmp_path / "books.db-master-key").unlink()
    with pytest.raises(ConfigError, match="there is no master key"):
        async with engine_on(object(), **table):
            pass
