"""Where a dashboard gets its books from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.contracts.check_ledger import entry_of
from tests.fixtures import client, serving, settings_of, until
from tests.ledger.lacking import settled_by_the_version_before
from tests.ledger.scans import START_US
from thriftgate.dashboard.app import HOME, Dashboard
from thriftgate.dashboard.beside import Beside
from thriftgate.dashboard.gates import AtThisMachine
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_lacking import NO_END, lacking


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


async def test_calls_that_roll_ups_lack_are_counted_beside_a_gateway_of_an_older_version(ledger: Path) -> None:
    books = SqlLedger.open(ledger)
    await settled_by_the_version_before(books, entry_of("tg_old", opened_us=START_US))
    assert await lacks(books)
    alone = Beside(settings_of(ledger={"path": str(ledger)}))
    await alone.sources()

    async def filled() -> bool:
        return not await lacks(books)

    await until(filled)
    await alone.close()
    await books.close()


async def lacks(books: SqlLedger) -> list[int]:
    return await books.ask(lambda connection: lacking(connection, 24, 0, NO_END))
