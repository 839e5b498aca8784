"""Alerts in a ledger, for the command line."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.alerts.receiving import HOSTILE, sighting
from tests.cli.entries import entry_of
from thriftgate.core.alerting.alert import Sighting
from thriftgate.core.alerting.life import Habits
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts

NOW = int(time.time() * 1e6)


def written(path: Path, *sightings: Sighting) -> str:
    async def write() -> None:
        ledger = SqlLedger.open(path)
        await ledger.settle(entry_of(opened_us=NOW - 10**6, settled_us=NOW))
        book = SqlAlerts(ledger)
        await book.sight(sightings, Habits(), lambda *_: ("ops",), NOW)
        if sightings:
            message = await book.take_up("ops", NOW, gathered_us=NOW, digest_over=1, lease_us=1)
            assert message is not None
            await book.failed(message.id, "status 500", 0)
        await ledger.close()

    asyncio.run(write())
    return str(path)


@pytest.fixture
def alert_books(tmp_path: Path) -> str:
    some = (
        sighting("a", labels=("team=search",), pico_per_h=2 * 10**12, evidence=("90 calls",), action="stop it"),
        sighting("b", severity="critical", sentence=HOSTILE, labels=(f"key={HOSTILE}",)),
    )
    return written(tmp_path / "books.db", *some)
