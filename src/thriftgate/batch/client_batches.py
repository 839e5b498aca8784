"""Batches that clients create themselves: passed through as they are, and booked request by request.

POST      each request is held before anything is sent, and sent once; whether the provider has taken the batch is its
          answer's to say, and stays in doubt where that was lost
results   booked while the client reads them, once; those of a batch that was not created here as well
nobody reads them: they are fetched for the books alone, with the gateway's key, or with the client's own, which is
          remembered as long as this process lives and never written down
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from thriftgate.batch.booking import ENDPOINT
from thriftgate.batch.build import API_HEADERS, job_book
from thriftgate.batch.client_intake import Draft
from thriftgate.batch.client_results import ResultsReply
from thriftgate.batch.client_run import ClientOptions, ClientRun
from thriftgate.batch.packing import fingerprint
from thriftgate.batch.remote import Remote
from thriftgate.batch.spool import Spool
from thriftgate.core.errors import BrokenReply, InputError, ThriftgateError, Unreachable, UpstreamError
from thriftgate.core.generations import Generations
from thriftgate.core.money import usd_from_pico
from thriftgate.core.usage import Usage
from thriftgate.engine.call import Call, Reply, WholeReply
from thriftgate.engine.engine import Engine
from thriftgate.engine.reply import forwarded
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.ledger.jobs import OPEN_BATCHES, BatchRow, Run
from thriftgate.logs import log, where_raised
from thriftgate.providers.transport import Headers, Incoming, header
from thriftgate.wire.anthropic_batches import MessageBatch, job_name, read_batch, read_error, read_result

TICK_S = 60.0  # between two rounds
ROUND = 20  # batches that are looked after in one
CREDENTIALS_MAX = 10_000
_CREDENTIALS = frozenset({b"x-api-key", b"authorization"})
_KEPT = frozenset({b"anthropic-version", b"anthropic-beta", b"anthropic-workspace-id"})
_UNSURE = frozenset({408, 409})


class ClientBatches:
    """One per gateway. `own_key`: the gateway replaces its clients' credentials by one of its own."""

    def __init__(self, engine: Engine, *, own_key: bool) -> None:
        self._engine = engine
        self._own_key = own_key
        self._book = job_book(engine)
        self._runs: dict[str, ClientRun] = {}
        self._credentials: Generations[str, Headers] = Generations(CREDENTIALS_MAX)
        self._claiming = asyncio.Lock()
        self._loop: asyncio.Task[None] | None = None
        self._watches = False

    def start(self) -> None:
        """Watch what is open from now on."""
        self._watches = True
        self._watch()

    async def take_up(self) -> None:
        """Take up what processes left that are gone. Raises LedgerError."""
        for run in await self._book.runs():
            if run.kind == "client" and run.state != "done" and not self._is_looked_after(run):
                for batch in await self._book.batches(run.id, OPEN_BATCHES):
                    one = await ClientRun.open(self._engine, self._book, run, batch)
                    await one.take_up()
                    self._runs[batch.id] = one
        self._sweep()
        self._watch()

    def _is_looked_after(self, run: Run) -> bool:
        """By this process, or by another one that lives."""
        return run.worker == self._engine.worker_name or self._engine.is_alive(run.worker)

    def stop(self) -> None:
        """Watch no longer. What is open is taken up at the next start."""
        self._watches = False
        if self._loop is not None:
            self._loop.cancel()

    async def create(self, call: Call, spool: Spool, drafts: Sequence[Draft]) -> WholeReply:
        """Hold, send, and book what became of it; the answer is the provider's own. Goes on when the caller is cancelled.

        Raises LedgerError (nothing was sent) and UpstreamError.
        """
        return await asyncio.shield(self._engine.tasks.spawn(self._create(call, spool, drafts)))

    async def refuse(self, call: Call, model: str, error: ThriftgateError) -> None:
        """Book a batch of which nothing was sent."""
        engine = self._engine
        error.call_id = engine.new_id()
        now_us = self._now_us()
        await engine.ledger.settle(
            Entry(
                id=error.call_id,
                opened_us=now_us,
                settled_us=now_us,
                key=engine.payer_of(call),
                whose=call.whose,
                model=model,
                endpoint=ENDPOINT,
                outcome="refused",
                resolution="void",
                usage_source="none",
                usage=Usage(),
                postings=balanced(0, 0, {}),
                provider=engine.provider.name,
                mode="batch",
                status=error.status_hint,
                price_book=engine.knowledge.book.id,
                note=str(error),
            )
        )

    async def forward(self, call: Call) -> WholeReply:
        """Pass a call that costs nothing on: look at batches, cancel one. Raises UpstreamError."""
        self._remember(call)
        return await self._engine.forward(call)

    async def delete(self, call: Call, remote_id: str) -> WholeReply:
        """Delete a batch: its results go with it, so they are booked before. Raises UpstreamError where that fails."""
        self._remember(call)
        one = self._known(remote_id)
        if one is not None:
            await one.drive(_credentials(call), self._claiming, now=True)
            self._sweep()
            if one.batch.state == "ended":
                raise BrokenReply("the batch was not deleted: its results could not be read for the books first; try again")
        return await self._engine.forward(call)

    async def results(self, call: Call, remote_id: str) -> Reply:
        """The results of a batch, booked as they go through. Raises UpstreamError, LedgerError."""
        self._remember(call)
        engine = self._engine
        outgoing = engine.provider.prepare(call.method, call.path, call.query, call.headers, b"")
        incoming = await engine.transport.send(outgoing, engine.limits.timeouts)
        if not 200 <= incoming.status < 300:
            return WholeReply(incoming.status, forwarded(incoming.headers), await _whole(incoming))
        legible = header(incoming.headers, b"content-encoding") in ("", "identity")
        return ResultsReply(incoming, _Reading(self, remote_id, call) if incoming.status == 200 and legible else None)

    async def claim(self, call: Call, remote_id: str, lines: Sequence[bytes]) -> ClientRun | None:
        """Whose batch it is that these results are of: one that is open here, one whose creation was in doubt, or else one
        that was not created here, which is opened now. None where there is nothing to book: it is booked, or the batch is of
        thriftgate's own making, and its worker books it."""
        one = self._known(remote_id)
        if one is not None:
            return one
        if await self._book.known_batches([remote_id]):
            return None
        key = self._engine.payer_of(call)
        asked = Remote(self._engine.provider, self._engine.transport, (*_credentials(call), *_kept(call)))
        said = await asked.retrieve(remote_id)
        remote = said.batch or MessageBatch(remote_id, "ended")
        async with self._claiming:
            one = self._known(remote_id)
            if one is not None or await self._book.known_batches([remote_id]):
                return one
            for doubtful in [run for run in self._runs.values() if run.batch.state == "doubtful" and run.key == key]:
                if await doubtful.fits(lines):
                    await doubtful.adopt(remote)
                    return doubtful
            if _is_own(lines):
                return None
            log.info("results of a batch that was not created here", remote=remote_id)
            return await self._opened(call, key, remote)

    async def step(self) -> None:
        """Look after the batches whose turn it is, the longest waiting first."""
        now_s = self._engine.clock.now_s()
        due = sorted((one for one in self._runs.values() if one.due_s <= now_s), key=lambda one: one.due_s)
        for one in due[:ROUND]:
            headers = self._headers_of(one.key)
            try:
                if await one.give_up_late() or headers is None:
                    one.due_s = now_s + TICK_S
                    continue
                await one.drive(headers, self._claiming)
            except ThriftgateError as error:
                one.due_s = now_s + TICK_S
                log.warning("client's batch not looked after", batch=one.batch.id, error=str(error))
        self._sweep()

    async def _create(self, call: Call, spool: Spool, drafts: Sequence[Draft]) -> WholeReply:
        engine = self._engine
        self._remember(call)
        try:
            body = spool.close()
            one = await self._drafted(call, drafts)
            await one.write_ahead(drafts)
            headers = _told(one.batch, drafts)
            outgoing = engine.provider.prepare("POST", call.path, call.query, call.headers, body)
            try:
                incoming = await engine.transport.send(outgoing, engine.limits.timeouts)
                answer = await _whole(incoming)
            except BaseException as error:
                await self._lost(one, error)
                raise
        finally:
            spool.drop()
        remote = read_batch(answer) if 200 <= incoming.status < 300 else None
        if remote is not None:
            await one.created(remote)
        elif incoming.status < 300 or incoming.status >= 500 or incoming.status in _UNSURE:
            await one.doubted(f"HTTP {incoming.status}")
        else:
            told = read_error(answer)
            await one.refused(f"{incoming.status} {told.type}: {told.message}"[:500])
        self._keep(one)
        return WholeReply(incoming.status, (*forwarded(incoming.headers), *headers), answer)

    async def _lost(self, one: ClientRun, error: BaseException) -> None:
        """No answer came to the POST of a batch."""
        if isinstance(error, Unreachable):
            await one.refused(str(error))
        else:
            await one.doubted(str(error) if isinstance(error, UpstreamError) else type(error).__name__)
        self._keep(one)
        if isinstance(error, ThriftgateError):
            error.call_id = one.batch.id
            error.after_answer = not isinstance(error, Unreachable)  # sent again it might be there twice

    async def _drafted(self, call: Call, drafts: Sequence[Draft]) -> ClientRun:
        batch_id, now_us = self._new_batch_id(), self._now_us()
        key = self._engine.payer_of(call)
        batch = BatchRow(
            id=batch_id,
            run=f"client_{batch_id}",
            role="plain",
            state="drafting",
            fingerprint=fingerprint(batch_id),
            remote_id="",
            jobs=len(drafts),
            headers=_encoded(_kept(call)),
            made_us=now_us,
            worst_pico=sum(draft.worst_pico for draft in drafts),
        )
        run = await self._book.open_run(Run(batch.run, "client", "running", key, _options(call), now_us))
        return await ClientRun.open(self._engine, self._book, run, batch)

    async def _opened(self, call: Call, key: str, remote: MessageBatch) -> ClientRun:
        """A batch that was created elsewhere."""
        batch_id, now_us = self._new_batch_id(), self._now_us()
        batch = BatchRow(
            id=batch_id,
            run=f"client_{batch_id}",
            role="plain",
            state="ended",
            fingerprint=fingerprint(batch_id),
            remote_id=remote.id,
            jobs=remote.request_counts.total,
            headers=_encoded(_kept(call)),
            made_us=remote.created_us or now_us,
            created_us=remote.created_us,
            ended_us=remote.ended_us or now_us,
            note="not created here",
        )
        run = await self._book.open_run(Run(batch.run, "client", "running", key, _options(call, found=True), now_us))
        one = await ClientRun.open(self._engine, self._book, run, batch)
        await one.put_down()
        self._keep(one)
        return one

    def _known(self, remote_id: str) -> ClientRun | None:
        return next((one for one in self._runs.values() if one.batch.remote_id == remote_id and one.is_open), None)

    def _keep(self, one: ClientRun) -> None:
        if one.is_open:
            self._runs[one.batch.id] = one
            self._watch()

    def _sweep(self) -> None:
        for one in [one for one in self._runs.values() if not one.is_open]:
            del self._runs[one.batch.id]

    def _remember(self, call: Call) -> None:
        """Keep the caller's credentials in memory, to read its results by if it never does."""
        if call.credential and not self._own_key:
            self._credentials[self._engine.payer_of(call)] = _credentials(call)

    def _headers_of(self, key: str) -> Headers | None:
        """What to ask with for a batch of this key; None where nobody has lent a credential for it."""
        return () if self._own_key else self._credentials.get(key)

    def _watch(self) -> None:
        if self._watches and self._runs and (self._loop is None or self._loop.done()):
            self._loop = self._engine.tasks.spawn(self._rounds())

    async def _rounds(self) -> None:
        while self._runs:
            await self._engine.clock.sleep(TICK_S)
            try:
                await self.step()
            except Exception as error:  # noqa: BLE001  one that cannot be looked after must not keep the others from it
                log.error("client's batches not looked after", error=type(error).__name__, at=where_raised(error))

    def _new_batch_id(self) -> str:
        return "tgb_" + self._engine.new_id().removeprefix("tg_")

    def _now_us(self) -> int:
        return int(self._engine.clock.now_s() * 1e6)


class _Reading:
    """A shelf that finds out whose batch it is from the first lines."""

    def __init__(self, batches: ClientBatches, remote_id: str, call: Call) -> None:
        self._batches = batches
        self._remote_id = remote_id
        self._call = call
        self._run: ClientRun | None = None
        self._asked = False

    async def book(self, lines: list[bytes]) -> None:
        if not self._asked:
            self._run = await self._batches.claim(self._call, self._remote_id, lines)
            self._asked = True
            if self._run is not None:
                self._run.readers += 1
        if self._run is not None:
            await self._run.book(lines)

    async def finish(self, count: int) -> None:
        if self._run is not None and count >= self._run.batch.jobs:
            await self._run.finish()

    def leave(self) -> None:
        if self._run is not None:
            self._run.readers -= 1


async def _whole(incoming: Incoming) -> bytes:
    try:
        return await incoming.read()
    finally:
        incoming.close()


def _told(batch: BatchRow, drafts: Sequence[Draft]) -> Headers:
    """What is added to the answer to a POST."""
    forecast = sum(draft.forecast_pico for draft in drafts)
    return ((b"thriftgate-batch", batch.id.encode()), (b"thriftgate-forecast-usd", usd_from_pico(forecast).encode()))


def _is_own(lines: Sequence[bytes]) -> bool:
    """Whether thriftgate gave these custom ids."""
    try:
        return any(job_name(read_result(line).custom_id) is not None for line in lines)
    except InputError:
        return False


def _credentials(call: Call) -> Headers:
    return tuple((name, value) for name, value in call.headers if name in _CREDENTIALS)


def _kept(call: Call) -> Headers:
    """Of a call's headers those that later calls for its batch must have; none of them is secret."""
    kept = tuple((name, value) for name, value in call.headers if name in _KEPT)
    return kept if header(kept, b"anthropic-version") else (*kept, *API_HEADERS)


def _options(call: Call, *, found: bool = False) -> bytes:
    return msgspec.json.encode(ClientOptions(found, call.whose))


def _encoded(headers: Headers) -> bytes:
    return msgspec.json.encode([(name.decode(), value.decode("latin-1")) for name, value in headers])
