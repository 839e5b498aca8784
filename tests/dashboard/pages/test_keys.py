"""Keys and teams; made in the browser by `tests/dashboard/test_browser.py`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.conftest import asked_of
from tests.dashboard.pages.test_budgets import OWNER
from tests.fixtures import settings_of
from thriftgate.core.errors import NotAllowed
from thriftgate.dashboard.beside import Beside
from thriftgate.dashboard.gates import HERE
from thriftgate.dashboard.pages.keys import act, document, view
from thriftgate.engine.vaults import master_key_of, tenants_of
from thriftgate.ledger.sealing import Vault, open_vault


async def test_a_key_from_its_making_to_its_end(tmp_path: Path) -> None:
    settings = settings_of(ledger={"path": str(tmp_path / "books.db")})
    alone = Beside(settings)
    sources = await alone.sources()
    changed: list[int] = []

    async def vault() -> Vault:
        return await open_vault(tenants_of(sources.ledger), master_key_of(settings))

    sources = dataclasses.replace(sources, vault=vault, changed=lambda: changed.append(1))
    asked = asked_of(sources, OWNER)

    async def sent(**form: str) -> Any:
        return await act(dataclasses.replace(asked, form=form))

    assert await sent(act="team", name="search") is None
    (team,) = (await document(asked))["teams"]
    made = await sent(
        act="create", name="prod", team=team["id"], models="claude-haiku-*, claude-sonnet-*", expires="2099-01-01"
    )
    assert made["issued"]["secret"].startswith("tg-")
    (key,) = (await document(asked))["keys"]
    assert (key["name"], key["team"], key["state"]) == ("prod", team["id"], "active")
    assert list(key["models"]) == ["claude-haiku-*", "claude-sonnet-*"]
    again = await sent(act="rotate", id=key["id"], overlap="none")
    assert again["issued"]["secret"] != made["issued"]["secret"]
    assert await sent(act="revoke", id=key["id"]) is None
    assert (await document(asked))["keys"] == []
    assert [one["state"] for one in (await document(asked_of(sources, OWNER, all="on")))["keys"]] == ["revoked"]
    for form in (
        {"act": "create", "name": ""},
        {"act": "create", "name": "x", "role": "king"},
        {"act": "create", "name": "x", "expires": "soon"},
        {"act": "revoke", "id": "x"},
        {"act": "?"},
    ):
        assert (await sent(**form))["failed"]
    assert len(changed) == 9, "the gateway is told at once"
    assert "owner" in view(await document(asked), asked)["roles"]
    with pytest.raises(NotAllowed):
        await act(asked_of(sources, HERE))
    await alone.close()
