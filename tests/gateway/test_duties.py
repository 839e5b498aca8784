"""What one of several gateways does for all of them."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tests.contracts.check_ledger import entry_of
from tests.fixtures import KEY, call_of, message, simulator, until
from tests.gateway.many import one_of_many
from tests.ledger.lacking import settled_by_the_version_before
from tests.ledger.scans import START_US
from thriftgate.batch.build import job_book
from thriftgate.batch.queue import Queue, Ticket, find_job
from thriftgate.engine.engine import Engine
from thriftgate.gateway.duties import Duties
from thriftgate.ledger.rollup_spans import DAY_US
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_lacking import NO_END, lacking


def gateway(folder: Path) -> contextlib.AbstractAsyncContextManager[tuple[Engine, Duties]]:
    return one_of_many(folder, simulator(), alerts={"on": True})


async def test_one_has_the_queue_and_when_it_is_gone_the_next_one_has(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first, doing = await stack.enter_async_context(gateway(tmp_path))
        async with gateway(tmp_path) as (second, waiting):
            assert (first.leading.leads, second.leading.leads) == (True, False)
            assert isinstance(doing.queue, Queue)
            assert waiting.worker is None
            taken = await doing.queue.offer(call_of(message()), first.clock.now_s() + 6 * 3600.0)
            assert isinstance(taken, Ticket)
            found = await find_job(job_book(second), taken.job.name, second.key_of(KEY), 0)
            assert found is not None, "anybody tells what has become of a call that waits"
            assert doing.alerts is not None
            assert waiting.alerts is not None, "anybody answers about alerts"
            await stack.aclose()

            async def taken_up() -> bool:
                return waiting.worker is not None and waiting._alerting is not None

            await until(taken_up)
            assert second.leading.leads


async def test_the_one_that_leads_counts_what_roll_ups_lack(tmp_path: Path) -> None:
    books = SqlLedger.open(tmp_path / "books.db")
    for day in range(2):
        await settled_by_the_version_before(books, entry_of(f"tg_{day}", opened_us=START_US + day * DAY_US))
    async with gateway(tmp_path) as (engine, _):
        assert engine.leading.leads

        async def filled() -> bool:
            return not await books.ask(lambda connection: lacking(connection, 24, 0, NO_END))

        assert not await filled()
        await until(filled)
    await books.close()
