"""What one of several gateways does for all of them: the queue of calls that can wait, second calls, batches whose gateway
is gone, alerts. The one that leads (`engine/leading.py`) takes it up, and lets go of it when it leads no more."""

from __future__ import annotations

from thriftgate.alerts.build import Alerting, desk_of, open_alerts
from thriftgate.alerts.desk import Desk
from thriftgate.batch.client_batches import ClientBatches
from thriftgate.batch.queue import Queue
from thriftgate.batch.queue_worker import QueueWorker
from thriftgate.engine.engine import Engine
from thriftgate.gateway.deferral import open_queue, worker_of
from thriftgate.gateway.proving import open_proof
from thriftgate.gateway.rooms import Within
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts
from thriftgate.ledger.sql_filling import AGAIN_S, Filling
from thriftgate.quality.proof import Proof
from thriftgate.settings import Settings

ROOM_S = 3_600.0  # between two looks for months ahead without a place in the books
TAKE_UP_S = 30.0  # between two looks for clients' batches that a dead gateway left


class Duties:
    """One per gateway. `clients` are the batches of this gateway's own clients: those it looks after in any case."""

    def __init__(self, engine: Engine, settings: Settings, clients: ClientBatches, within: Within | None) -> None:
        self.queue: Queue | None = None
        self.worker: QueueWorker | None = None
        self.proof: Proof | None = None
        self._engine, self._settings = engine, settings
        self._clients, self._within = clients, within
        self._alerting: Alerting | None = None
        self._desk: Desk | None = None
        self._take_up_at_s = 0.0
        self._room_at_s = 0.0
        self._filling = Filling(engine.ledger) if isinstance(engine.ledger, SqlLedger) else None
        self._fill_at_s = 0.0
        self._stopping = False

    async def start(self) -> None:
        """Take up what is to be done, now and whenever this process comes to lead. Raises ConfigError and LedgerError."""
        engine = self._engine
        if self._settings.alerts.on and isinstance(engine.ledger, SqlLedger):
            self._desk = desk_of(SqlAlerts(engine.ledger), self._settings, engine.clock)
        self.queue = await open_queue(engine, self._settings, self._within)
        self._clients.start()
        engine.leading.changed.append(self._led)
        engine.leading.duties += [self._take_up_batches, self._make_room, self._look_at_queue, self._fill]
        await engine.leading.told()

    @property
    def alerts(self) -> Desk | None:
        """Who answers about alerts; None where they are off."""
        return self._desk

    def let_go(self) -> None:
        """Hold no connection any longer for an answer that takes its time: the gateway is about to stop."""
        self._stopping = True
        if self.queue is not None:
            self.queue.let_go("the gateway is stopping")

    async def close(self) -> None:
        """Let go of everything; another process takes it up."""
        self.let_go()
        self._clients.stop()
        await self._led(leads=False)

    async def _led(self, leads: bool) -> None:
        """Step by step: what went wrong is tried again in the next round, what is there already is left alone."""
        engine, settings = self._engine, self._settings
        if leads and not self._stopping:
            if self.worker is None:
                self.worker = await worker_of(engine, settings, self.queue, self._within)
            if self.proof is None:
                self.proof = await open_proof(engine, settings, self.queue)
            await self._clients.take_up()
            if self._alerting is None:
                self._alerting = await open_alerts(engine, settings)
        elif not leads:
            worker, alerting = self.worker, self._alerting
            self.worker, self.proof, self._alerting = None, None, None
            engine.witness = None
            if worker is not None:
                await worker.close()
            if alerting is not None:
                await alerting.close()

    async def _take_up_batches(self) -> None:
        now_s = self._engine.clock.monotonic_s()
        if now_s >= self._take_up_at_s and not self._stopping:
            self._take_up_at_s = now_s + TAKE_UP_S
            await self._clients.take_up()

    async def _look_at_queue(self) -> None:
        if self.worker is not None:
            await self.worker.look()

    async def _make_room(self) -> None:
        clock, ledger = self._engine.clock, self._engine.ledger
        if clock.monotonic_s() >= self._room_at_s and isinstance(ledger, SqlLedger):
            self._room_at_s = clock.monotonic_s() + ROOM_S
            await ledger.make_room(int(clock.now_s() * 1e6))

    async def _fill(self) -> None:
        """A day in each round: other duties wait for it."""
        now_s = self._engine.clock.monotonic_s()
        if self._filling is not None and now_s >= self._fill_at_s and not await self._filling.step():
            self._fill_at_s = now_s + AGAIN_S
