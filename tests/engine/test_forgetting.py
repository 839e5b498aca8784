"""Old calls are forgotten in the background, while calls go on."""

from __future__ import annotations

from pathlib import Path

from tests.contracts.check_ledger import entry_of
from tests.ledger.scans import START_US
from thriftgate.engine.forgetting import EVERY_US, Forgetting
from thriftgate.engine.leading import Leading
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.rollup_spans import DAY_US
from thriftgate.ledger.sql import SqlLedger


async def test_old_calls_go_once_an_hour(tmp_path: Path) -> None:
    """By the process that leads, and by it alone."""
    ledger, tasks, leading = SqlLedger.open(tmp_path / "books.db"), Tasks(), Leading(leads=False)
    await ledger.settle(entry_of("old", opened_us=START_US))
    ledger.heard.append(Forgetting(ledger, 2, tasks, leading).heard)

    async def settle(name: str, at_us: int) -> list[str]:
        await ledger.settle(entry_of(name, opened_us=at_us, settled_us=at_us))
        await tasks.finish(5)
        return [entry.id for entry in await ledger.entries()]

    late = START_US + 3 * DAY_US - EVERY_US // 2
    leading.leads = True
    assert await settle("a", late) == ["a", "old"], "two days and a part: the day is kept whole"
    assert await settle("b", late + EVERY_US - 1) == ["a", "b", "old"]
    leading.leads = False
    assert await settle("c", late + EVERY_US) == ["a", "b", "c", "old"]
    leading.leads = True
    assert await settle("d", late + EVERY_US) == ["a", "b", "c", "d"]
    assert (await ledger.report()).calls == 5
    await ledger.close()
    await settle_after_close(Forgetting(ledger, 2, tasks, Leading()), tasks)


async def settle_after_close(forgetting: Forgetting, tasks: Tasks) -> None:
    """A ledger that cannot be written tells so, and nothing else happens."""
    forgetting.heard(entry_of("late", settled_us=START_US))
    await tasks.finish(5)
