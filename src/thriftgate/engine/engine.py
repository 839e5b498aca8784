"""Do one call. Four verbs: `messages` (planned and booked), `forward` (free endpoints), `recover` and `close`."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from hmac import digest as hmac_digest

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.errors import (
    BrokenReply,
    LedgerError,
    ThriftgateError,
    UpstreamError,
)
from thriftgate.core.generations import Generations
from thriftgate.core.keepalive import Bounds
from thriftgate.core.plan import Policy
from thriftgate.core.stability.watch import MEMORY as STABILITY
from thriftgate.core.stability.watch import StabilityWatch
from thriftgate.engine.call import Call, Reply, WholeReply
from thriftgate.engine.cascade import Cascading
from thriftgate.engine.conversations import Conversations
from thriftgate.engine.fanout import Fanout, Flight
from thriftgate.engine.keepalive import KeepAlive, Watched
from thriftgate.engine.keeping import Keepable, Keeper
from thriftgate.engine.preparing import Preparer, Rooms
from thriftgate.engine.reducing import Reducer
from thriftgate.engine.reply import Drain, StreamReply, forwarded, reply_headers
from thriftgate.engine.retry import RetryPolicy, attempts_allowed
from thriftgate.engine.routes import NO_ROUTING, RoutingTable
from thriftgate.engine.routing import Router
from thriftgate.engine.sending import Sender, Tries
from thriftgate.engine.settle import Ending, Prepared, entry_for, hold_of, learn_residency, milliseconds, outcome_of
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.tasks import Tasks
from thriftgate.engine.touch import Toucher
from thriftgate.engine.unsent import Books, is_no_message, lost
from thriftgate.engine.witness import Witness
from thriftgate.ledger.entries import UPSTREAM, Entry, Ledger, Outcome
from thriftgate.ledger.liveness import Liveness, process_of
from thriftgate.providers.provider import Provider
from thriftgate.providers.transport import Headers, Incoming, Timeouts, Transport, header
from thriftgate.wire.assemble import read_answer


class Limits(Struct, frozen=True):
    """How long and how far to go. `fanout_wait_s` is how long a call may wait for another that writes its prefix; those of
    `latency_critical` keys never do. Without `keepalive` no ping is sent."""

    timeouts: Timeouts = Timeouts()
    retry: RetryPolicy = RetryPolicy()
    drain: Drain = Drain()
    shutdown_s: float = 30.0
    fanout_wait_s: float = 2.0
    latency_critical: frozenset[str] = frozenset()
    keepalive: Bounds | None = None

    def may_wait(self, key: str, headers: Headers) -> bool:
        """Whether this call may wait at all. `headers` are the client's."""
        if self.fanout_wait_s <= 0 or key in self.latency_critical:
            return False
        return header(headers, b"thriftgate-latency") != "critical"


class Engine:
    """One per process. Built by `build.build_engine`; everything it touches is handed in. `liveness` tells which processes
    that write these books are alive; one that `keeps` nothing leaves what was learned to another."""

    def __init__(
        self,
        *,
        provider: Provider,
        transport: Transport,
        ledger: Ledger,
        knowledge: Knowledge,
        policy: Policy,
        limits: Limits,
        clock: Clock,
        new_id: Callable[[], str],
        key_salt: bytes,
        liveness: Liveness | None = None,
        keeps: bool = True,
        routing: RoutingTable = NO_ROUTING,
    ) -> None:
        self.provider = provider
        self.transport = transport
        self.ledger = ledger
        self.knowledge = knowledge
        self.policy = policy
        self.limits = limits
        self.clock = clock
        self.tasks = Tasks()
        self.fanout = Fanout()
        self.toucher = Toucher(
            provider=provider,
            transport=transport,
            ledger=ledger,
            knowledge=knowledge,
            timeouts=limits.timeouts,
            clock=clock,
            new_id=new_id,
        )
        self._sender = Sender(transport, clock, limits.timeouts, limits.retry)
        self._keepalive = None
        if limits.keepalive is not None:
            self._keepalive = KeepAlive(
                bounds=limits.keepalive, clock=clock, tasks=self.tasks, knowledge=knowledge, toucher=self.toucher
            )
        self._liveness = liveness
        self._keeps = keeps
        self.new_id = self._new_id = new_id
        self._key_salt = key_salt
        self._keys: Generations[str, str] = Generations(10_000)
        self._stability = StabilityWatch()
        self.router = Router(routing, knowledge, key_salt)
        self.witness: Witness | None = None
        conversations = Conversations()
        memories: dict[str, Keepable] = {
            "conversations": conversations,
            "routes": self.router.standings,
            "spending": self.router.spending,
            STABILITY: self._stability,
        }
        self._keeper = Keeper({**knowledge.memories, **memories}, ledger, clock, self.tasks)
        self._cascade = Cascading(self.toucher, self.router, knowledge, clock)
        self._preparer = Preparer(
            Rooms(
                knowledge=knowledge,
                router=self.router,
                reducer=Reducer(knowledge, conversations),
                fanout=self.fanout,
                stability=self._stability,
                keepalive=self._keepalive,
                ledger=ledger,
                clock=clock,
                books=self._books,
                forward=self.forward,
                count_path=provider.count_path,
            ),
            policy=policy,
            wait_s=lambda key, headers: self.limits.fanout_wait_s if self.limits.may_wait(key, headers) else 0.0,
            new_id=new_id,
            key_of=self.key_of,
        )

    async def messages(self, call: Call) -> Reply:
        """Plan, hold, send, meter, settle one Messages call.

        Raises PolicyRefusal, UnknownPrice (nothing sent, booked as refused), UpstreamError (booked as such) and
        LedgerError (nothing sent, or the answer is withheld because it could not be booked).
        """
        prepared, flight = await self._preparer.prepare(call)
        if prepared.plan.tries:
            tried = await self._tried(call, prepared, flight)
            if isinstance(tried, WholeReply):
                return tried
            prepared, flight = await self._preparer.prepare(tried)
            self.router.standings.escalated(prepared.snapshot.state.prefix.chain, prepared.request.model)
        try:
            return await self._held(call, prepared, flight)
        except ThriftgateError as error:
            error.call_id = prepared.id
            raise
        finally:
            self.fanout.land(flight)

    async def _tried(self, call: Call, prepared: Prepared, flight: Flight) -> WholeReply | Call:
        """A try of the cheap model: its answer if it is good enough, else the call for the model that was asked for."""
        try:
            reply, entry, answer = await self._cascade.run(call, prepared)
        finally:
            self.fanout.land(flight)
        self._booked(entry)
        if reply is None:
            return replace(call, unrouted=f"escalated from {entry.id}: {entry.note}")
        if self.witness is not None and self.witness.wants(call, prepared):
            self.witness.heard(call, prepared, entry, answer)
        return reply

    async def _held(self, call: Call, prepared: Prepared, flight: Flight) -> Reply:
        """The call between its hold and its entry: whatever ends it, it is settled."""
        started = self.clock.monotonic_s()
        tries = Tries()
        try:
            await self.ledger.hold(hold_of(prepared))
            outgoing = self.provider.prepare(call.method, call.path, call.query, call.headers, prepared.plan.body)
            sent = await self._sender.send(outgoing, attempts_allowed(self.limits.retry, call.headers), tries)
        except LedgerError:
            raise  # there is no hold, and nothing was sent
        except BaseException as error:  # a hold whose taker is cancelled is taken all the same
            await self._settle(prepared, self._failed(error, started, tries))
            raise
        incoming = sent.incoming
        if self._keepalive is not None:
            self._keepalive.heard(prepared.key, prepared.request.model, incoming.headers, limited=tries.limited)
        ending = Ending(
            "answered",
            status=incoming.status,
            attempts=tries.n,
            upstream_request_id=header(incoming.headers, b"request-id"),
            ttfb_ms=milliseconds(sent.began_monotonic_s - started),
        )
        if sent.other_body is not None:
            ending = ending._replace(outcome="failed", latency_ms=self._since(started))
            entry = await self._settle(prepared, ending)
            return WholeReply(incoming.status, reply_headers(incoming.headers, prepared, entry), sent.other_body)
        learn_residency(prepared, self.clock.now_s(), self.knowledge)
        self.fanout.land(flight)
        wanted = self.witness is not None and self.witness.wants(call, prepared)
        if header(incoming.headers, b"content-type").startswith("text/event-stream"):
            keeps = self._keepalive is not None and bool(prepared.plan.breakpoints) and not prepared.plan.held_out
            watched = Watched(incoming) if keeps or wanted else None

            async def settle(end: Ending) -> Entry:
                entry = await self._settle(prepared, end._replace(latency_ms=self._since(started)))
                if self._keepalive is not None and keeps and watched is not None:
                    self._keepalive.ended(call, prepared, entry, watched)
                if wanted and self.witness is not None and watched is not None:
                    self.witness.heard(call, prepared, entry, watched.answer())
                return entry

            return StreamReply(
                prepared, watched or incoming, ending, settle=settle, tasks=self.tasks, drain=self.limits.drain
            )
        reply, entry = await self._whole(prepared, incoming, ending, started, tries)
        if self._keepalive is not None and not prepared.plan.held_out:
            self._keepalive.ended(call, prepared, entry, reply.body)
        if wanted and self.witness is not None:
            self.witness.heard(call, prepared, entry, read_answer(reply.body))
        return reply

    async def forward(self, call: Call) -> WholeReply:
        """Send a free call (token counting, model list) on as it is. Raises UpstreamError."""
        outgoing = self.provider.prepare(call.method, call.path, call.query, call.headers, call.body)
        sent = await self._sender.send(outgoing, attempts_allowed(self.limits.retry, call.headers), Tries())
        body = sent.other_body
        if body is None:
            try:
                body = await sent.incoming.read()
            finally:
                sent.incoming.close()
        return WholeReply(sent.incoming.status, forwarded(sent.incoming.headers), body)

    async def recover(self) -> int:
        """Take up what was learned, and close the holds a killed process left open: booked as lost, at their forecast,
        flagged as estimated.

        Whether the provider billed them only its own report can tell. Returns how many there were.
        """
        await self._keeper.restore()
        owners = {process_of(hold.id) for hold in await self.ledger.open_holds()}
        dead = {process for process in owners if not self.is_alive(process)}
        # Asked again: one that ended a moment ago may have settled its calls first.
        holds = [hold for hold in await self.ledger.open_holds() if not hold.batch and process_of(hold.id) in dead]
        for hold in holds:
            try:
                await self.ledger.settle(lost(hold, self._books()))
            except LedgerError:
                if await self.ledger.entry(hold.id) is None:
                    raise
                # Otherwise another process that is starting was quicker.
        if self._keepalive is not None:
            await self._keepalive.load(self.ledger)
        return len(holds)

    @property
    def worker_name(self) -> str:
        """The name of this process in the ids of its calls."""
        return self._liveness.token if self._liveness is not None else ""

    def is_alive(self, process: str) -> bool:
        """Whether another process of that name is at work on these books."""
        return self._liveness is not None and process != self._liveness.token and self._liveness.is_alive(process)

    async def close(self) -> None:
        """Settle what is under way, then let go of everything."""
        if self._keepalive is not None:
            self._keepalive.stop()
        await self.tasks.finish(self.limits.shutdown_s)
        if self._keeps:
            await self._keeper.keep()
        await self.transport.close()
        await self.ledger.close()
        if self._liveness is not None:
            self._liveness.close()

    def key_of(self, credential: str) -> str:
        """A stable name for a key that does not give it away: keyed hash, 12 hex digits."""
        known = self._keys.get(credential)
        if known is None:
            known = "key_" + hmac_digest(self._key_salt, credential.encode(), sha256).hex()[:12] if credential else "none"
            self._keys[credential] = known
        return known

    async def _whole(
        self, prepared: Prepared, incoming: Incoming, ending: Ending, started: float, tries: Tries
    ) -> tuple[WholeReply, Entry]:
        try:
            body = await incoming.read()
        except BaseException as error:
            failed = self._failed(error, started, tries, began=True)
            await self._settle(prepared, failed._replace(status=ending.status, ttfb_ms=ending.ttfb_ms))
            raise
        finally:
            incoming.close()
        reading = prepared.dialect.read(body)
        outcome: Outcome = "answered" if reading.complete else "garbage"
        ending = ending._replace(outcome=outcome, reading=reading, latency_ms=self._since(started))
        entry = await self._settle(prepared, ending)
        if outcome == "garbage" and is_no_message(body, incoming.headers):
            raise BrokenReply(
                f"the provider answered {incoming.status} with {len(body)} bytes that are no message; "
                f"the call may have been billed and is booked as {prepared.id}"
            )
        return WholeReply(incoming.status, reply_headers(incoming.headers, prepared, entry), body), entry

    def _failed(self, error: BaseException, started: float, tries: Tries, *, began: bool = False) -> Ending:
        outcome = outcome_of(error, began=began)
        note = str(error) if isinstance(error, UpstreamError) else type(error).__name__
        return Ending(outcome, note=note, attempts=tries.n, may_be_billed=tries.in_flight, latency_ms=self._since(started))

    async def _settle(self, prepared: Prepared, ending: Ending) -> Entry:
        """Book the call. Cancelling the caller does not undo it: the ledger has the rows before it first waits."""
        entry = entry_for(prepared, ending, self.provider.name, self._now_us(), self.knowledge)
        try:
            await self.ledger.settle(entry)
        except LedgerError as error:
            error.after_answer = ending.outcome == "answered"
            raise
        self._booked(entry)
        return entry

    async def witnessed(self, name: str, witness: Witness, memory: Keepable) -> None:
        """Let `witness` hear answered calls. What it learns is kept as `name`, and taken up from there. Raises
        LedgerError."""
        await self._keeper.add(name, memory)
        self.witness = witness

    def keep_soon(self) -> None:
        """Put down what was learned, in the background."""
        self.tasks.spawn(self._keeper.keep())

    def _booked(self, entry: Entry) -> None:
        self.router.spending.add(entry.key, -entry.posted(UPSTREAM), self.clock.now_s())
        if self._keeps:
            self._keeper.keep_if_due()

    def _books(self) -> Books:
        return Books(self.provider.name, self.knowledge.book.id, self._now_us())

    def _now_us(self) -> int:
        return int(self.clock.now_s() * 1e6)

    def _since(self, started: float) -> int:
        return milliseconds(self.clock.monotonic_s() - started)
