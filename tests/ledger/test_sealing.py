"""What is sealed opens with its own key, in its own place, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures import books
from thriftgate.core.errors import ConfigError, LedgerError
from thriftgate.ledger.issuing import HOST, Issuer
from thriftgate.ledger.master_key import MasterKey, encoded
from thriftgate.ledger.sealing import Sealer, open_vault
from thriftgate.ledger.sql_tenants import SqlTenants
from thriftgate.ledger.tenants import Deed, ProviderKey

OLD, NEW = bytes(32), bytes(range(32))
DEED = Deed(1, "host", "cli", "reseal", "")


@pytest.fixture
async def tenants(tmp_path: Path) -> AsyncIterator[SqlTenants]:
    async with books(tmp_path / "books.db") as ledger:
        yield SqlTenants(ledger)


def place(master: bytes) -> MasterKey:
    return MasterKey("books.db", encoded(master))


@given(st.binary(max_size=200), st.text(max_size=20))
def test_there_and_back(data: bytes, where: str) -> None:
    sealer = Sealer(OLD)
    sealed = sealer.seal(data, where)
    assert sealer.open(sealed, where) == data
    assert sealer.seal(data, where) != sealed  # a nonce of its own each time
    assert len(data) < 8 or data not in sealed


@given(st.integers(0, 43), st.integers(1, 255))
def test_a_changed_byte_another_place_or_another_key_opens_nothing(at: int, change: int) -> None:
    sealed = bytearray(Sealer(OLD).seal(b"sk-ant-api03-abc", "pk_1"))
    sealed[at] ^= change
    for sealer, data, where in (
        (Sealer(OLD), bytes(sealed), "pk_1"),
        (Sealer(OLD), Sealer(OLD).seal(b"x", "pk_1"), "pk_2"),
        (Sealer(NEW), Sealer(OLD).seal(b"x", "pk_1"), "pk_1"),
        (Sealer(OLD), b"", "pk_1"),
    ):
        with pytest.raises(ConfigError, match=f"{where} of the ledger cannot be opened"):
            sealer.open(data, where)


def test_each_purpose_has_a_key_of_its_own() -> None:
    sealer = Sealer(OLD)
    assert len({OLD, sealer.derived("seal"), sealer.derived("sessions"), Sealer(NEW).derived("seal")}) == 4


async def test_the_pepper_is_drawn_once_and_stands_sealed(tenants: SqlTenants, tmp_path: Path) -> None:
    one, other = await open_vault(tenants, place(OLD)), await open_vault(tenants, place(OLD))
    assert one.digest("tg-x") == other.digest("tg-x") != one.digest("tg-y")
    with pytest.raises(ConfigError, match="cannot be opened with this master key"):
        await open_vault(tenants, place(NEW))


async def test_resealed_the_new_key_opens_everything_and_the_old_nothing(tenants: SqlTenants) -> None:
    vault = await open_vault(tenants, place(OLD))
    issuer = Issuer(tenants, HOST, lambda: 1)
    for number in range(3):
        await issuer.add_provider_key(f"p{number}", "anthropic", f"sk-ant-{number}", vault)
    await issuer.remove_provider_key(await issuer.find(ProviderKey, "p1"))
    assert await vault.reseal(tenants, NEW, DEED) == 3
    fresh = await open_vault(tenants, place(NEW))
    kept = await tenants.page(ProviderKey, gone=True)
    assert sorted(fresh.provider_secret(one) for one in kept) == ["sk-ant-0", "sk-ant-1", "sk-ant-2"]
    assert fresh.digest("tg-x") == vault.digest("tg-x")  # virtual keys stay good
    assert fresh.session_key != vault.session_key
    with pytest.raises(ConfigError):
        await open_vault(tenants, place(OLD))


async def test_a_key_that_is_added_meanwhile_undoes_the_resealing(tenants: SqlTenants) -> None:
    vault = await open_vault(tenants, place(OLD))
    await Issuer(tenants, HOST, lambda: 1).add_provider_key("p", "anthropic", "sk-ant-1", vault)
    with pytest.raises(LedgerError, match="added meanwhile"):
        await tenants.reseal({"pepper": b"x"}, [], DEED)
    (kept,) = await tenants.page(ProviderKey)
    assert (await open_vault(tenants, place(OLD))).provider_secret(kept) == "sk-ant-1"
