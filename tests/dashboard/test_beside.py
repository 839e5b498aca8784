"""Where a dashboard gets its books from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fixtures import client, serving, settings_of
from thriftgate.dashboard.app import HOME, Dashboard
from thriftgate.dashboard.beside import Beside
from thriftgate.dashboard.gates import AtThisMachine


async def test_beside_a_gateway_pages_are_read_only(ledger: Path) -> None:
    alone = Beside(settings_of(ledger={"path": str(ledger)}))
    with serving(alone.serving(Dashboard(alone.sources, AtThisMachine()))) as url:
        async with client() as session:
            async with session.get(url, allow_redirects=False) as response:
                assert (response.status, response.headers["location"]) == (303, HOME)
            async with session.get(f"{url}{HOME}") as response:
                page = await response.text()
                assert response.status == 200
            async with session.post(f"{url}{HOME}/keys", data={"act": "team", "name": "x"}) as response:
                assert response.status == 403
            async with session.get(f"{url}{HOME}/login") as response:
                assert response.status == 404
    assert "Read only, at this machine" in page
    assert "Log out" not in page


async def test_sources_know_where_they_stand(sources: Any) -> None:
    assert sources.beside
    assert sources.vault is None
    assert sources.books is sources.ledger
