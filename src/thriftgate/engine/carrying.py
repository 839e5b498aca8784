"""A planned call on its way: held, sent, read, settled, whatever ends it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.errors import BrokenReply, BudgetExceeded, LedgerError, UpstreamError
from thriftgate.engine.answer_lengths import learn_length
from thriftgate.engine.budgeting import Budgeting
from thriftgate.engine.call import Call, Reply, WholeReply
from thriftgate.engine.early import as_message, as_stream, early_end, gather
from thriftgate.engine.failover import Failover
from thriftgate.engine.fanout import Fanout, Flight
from thriftgate.engine.guarding import Guarding
from thriftgate.engine.history import Historian
from thriftgate.engine.holding import give_back, held
from thriftgate.engine.keepalive import KeepAlive, Watched
from thriftgate.engine.provider_side import ProviderSide
from thriftgate.engine.reply import Drain, StreamReply, reply_headers
from thriftgate.engine.retry import RetryPolicy, attempts_allowed
from thriftgate.engine.sending import Sender, Tries
from thriftgate.engine.settle import (
    Ending,
    Prepared,
    entry_for,
    learn_residency,
    milliseconds,
    outcome_of,
)
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.tasks import Tasks
from thriftgate.engine.tracing import traced
from thriftgate.engine.turns import Turn, Turns
from thriftgate.engine.unsent import is_no_message
from thriftgate.engine.upstreams import Upstreams
from thriftgate.engine.witness import Witness
from thriftgate.ledger.entries import Entry, Ledger, Outcome
from thriftgate.providers.transport import Incoming, header
from thriftgate.wire.assemble import read_answer
from thriftgate.wire.early_end import EarlyEnd
from thriftgate.wire.prefilled import with_beginning


class Carrier:
    """One per engine. `booked` is told of every entry; `cap_rate` is the share of answers that a learned cap may cut."""

    def __init__(
        self,
        *,
        upstreams: Upstreams,
        turns: Turns | None,
        sender: Sender,
        ledger: Ledger,
        knowledge: Knowledge,
        clock: Clock,
        tasks: Tasks,
        fanout: Fanout,
        guarding: Guarding,
        historian: Historian,
        provider_side: ProviderSide,
        keepalive: KeepAlive | None,
        budgeting: Budgeting,
        failover: Failover,
        retry: RetryPolicy,
        drain: Drain,
        cap_rate: float,
        booked: Callable[[Entry], None],
    ) -> None:
        self._upstreams = upstreams
        self._turns = turns
        self._sender = sender
        self._ledger = ledger
        self._knowledge = knowledge
        self._clock = clock
        self._tasks = tasks
        self._fanout = fanout
        self.guarding = guarding
        self._historian = historian
        self._provider_side = provider_side
        self._keepalive = keepalive
        self._budgeting = budgeting
        self._failover = failover
        self._retry = retry
        self._drain = drain
        self._cap_rate = cap_rate
        self._booked = booked
        self.witness: Witness | None = None

    def heard(self, call: Call, prepared: Prepared, entry: Entry, body: bytes) -> None:
        """A whole answer is on its way to the client."""
        if self._keepalive is not None and not prepared.plan.held_out:
            self._keepalive.ended(call, prepared, entry, body)
        if self.witness is not None and self.witness.wants(call, prepared):
            self.witness.heard(call, prepared, entry, read_answer(body))

    def keep_account(self, prepared: Prepared, entry: Entry) -> None:
        """What the call cost its conversation."""
        if prepared.talking is not None and entry.usage_source != "none":
            self._historian.settled(prepared.talking, entry, entry.usage.total.prompt)
        self._provider_side.settled(prepared, entry)

    def learn_length(self, prepared: Prepared, entry: Entry) -> None:
        """How long the answer was. One that was ended early, or broke off, tells nothing of that."""
        if entry.usage_source == "exact" and entry.outcome == "answered" and prepared.request.max_tokens:
            learn_length(self._knowledge, prepared, entry, self._cap_rate)

    async def send(self, call: Call, prepared: Prepared, flight: Flight) -> Reply:
        """The call between its hold and its entry: whatever ends it, it is settled."""
        started = self._clock.monotonic_s()
        tries = Tries()
        early = early_end(prepared)
        try:
            provider = self._upstreams.provider(prepared.upstream)
            standings = await held(self._ledger, prepared, provider.name)
            body = prepared.plan.body if early is None or prepared.request.stream else as_stream(prepared.plan.body)
            headers = traced(call.headers, prepared.id, self._clock, started)
            outgoing = provider.prepare(call.method, call.path, call.query, headers, body)
            allowed = self._failover.attempts(call, prepared, attempts_allowed(self._retry, call.headers))
            sent = await self._sender.send(outgoing, allowed, tries, self._turn(call, prepared))
        except (LedgerError, BudgetExceeded):
            raise  # there is no hold, and nothing was sent
        except BaseException as error:  # a hold whose taker is cancelled is taken all the same
            self._failover.unanswered(prepared, error)
            await self.settle(prepared, self._failed(error, started, tries))
            raise
        self._budgeting.held(standings)
        if standings:
            prepared = replace(prepared, standings=standings)
        incoming = sent.incoming
        self._failover.answered(prepared, incoming.status, incoming.headers, sent.other_body)
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
            ending = replace(ending, outcome="failed", latency_ms=self._since(started))
            entry = await self.settle(prepared, ending)
            return WholeReply(incoming.status, reply_headers(incoming.headers, prepared, entry), sent.other_body)
        learn_residency(prepared, self._clock.now_s(), self._knowledge)
        self._fanout.land(flight)
        if early is not None and not prepared.request.stream:
            return await self._gathered(call, prepared, incoming, ending=ending, early=early, started=started)
        if header(incoming.headers, b"content-type").startswith("text/event-stream"):
            wanted = self.witness is not None and self.witness.wants(call, prepared)
            keeps = self._keepalive is not None and bool(prepared.plan.breakpoints) and not prepared.plan.held_out
            watched = Watched(incoming) if keeps or wanted else None

            async def settle(end: Ending) -> Entry:
                entry = await self._settle_stream(prepared, replace(end, latency_ms=self._since(started)))
                if self._keepalive is not None and keeps and watched is not None:
                    self._keepalive.ended(call, prepared, entry, watched)
                if wanted and self.witness is not None and watched is not None:
                    self.witness.heard(call, prepared, entry, watched.answer())
                return entry

            return StreamReply(
                prepared,
                watched or incoming,
                ending,
                settle=settle,
                tasks=self._tasks,
                drain=self._drain,
                early=early,
                beginning=prepared.wanted.shaped.prefilled if prepared.wanted is not None else "",
            )
        reply, entry = await self._whole(prepared, incoming, ending, started, tries)
        self.heard(call, prepared, entry, reply.body)
        return self._as_begun(prepared, reply)

    def _turn(self, call: Call, prepared: Prepared) -> Turn | None:
        if self._turns is None:
            return None
        return self._turns.of(prepared, self._upstreams.limits_of(prepared.upstream, prepared.key), call.headers, call.left)

    def _as_begun(self, prepared: Prepared, reply: WholeReply) -> WholeReply:
        """The answer with what it was begun with."""
        beginning = prepared.wanted.shaped.prefilled if prepared.wanted is not None else ""
        return replace(reply, body=with_beginning(reply.body, beginning)) if beginning else reply

    async def _gathered(
        self, call: Call, prepared: Prepared, incoming: Incoming, *, ending: Ending, early: EarlyEnd, started: float
    ) -> WholeReply:
        """A whole answer, put together from a stream that is ended where it is complete."""
        found = await gather(incoming, prepared.dialect.meter(), early)
        ending = replace(
            ending, outcome=found.outcome, reading=found.reading, note=found.note, latency_ms=self._since(started)
        )
        entry = await self.settle(prepared, ending)
        if found.raised is not None:
            raise found.raised
        headers = reply_headers(as_message(incoming.headers), prepared, entry)
        self.heard(call, prepared, entry, found.body)
        return self._as_begun(prepared, WholeReply(incoming.status, headers, found.body))

    async def _whole(
        self, prepared: Prepared, incoming: Incoming, ending: Ending, started: float, tries: Tries
    ) -> tuple[WholeReply, Entry]:
        try:
            body = await incoming.read()
        except BaseException as error:
            failed = self._failed(error, started, tries, began=True)
            await self.settle(prepared, replace(failed, status=ending.status, ttfb_ms=ending.ttfb_ms))
            raise
        finally:
            incoming.close()
        reading = prepared.dialect.read(body)
        outcome: Outcome = "answered" if reading.complete else "garbage"
        ending = replace(ending, outcome=outcome, reading=reading, latency_ms=self._since(started))
        entry = await self.settle(prepared, ending)
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

    async def settle(self, prepared: Prepared, ending: Ending) -> Entry:
        """Book the call. Cancelling the caller does not undo it: the ledger has the rows before it first waits."""
        provider = self._upstreams.provider(prepared.upstream)
        entry = entry_for(prepared, ending, provider.name, int(self._clock.now_s() * 1e6), self._knowledge)
        self.guarding.settled(entry, self._clock.now_s())
        give_back(prepared, entry)
        if prepared.admission is not None:
            prepared.admission.settled(entry)
        if self._turns is not None:
            self._turns.settled(entry)
        try:
            await self._ledger.settle(entry)
        except LedgerError as error:
            error.after_answer = ending.outcome == "answered"
            raise
        self._booked(entry)
        self.learn_length(prepared, entry)
        self.keep_account(prepared, entry)
        return entry

    async def _settle_stream(self, prepared: Prepared, ending: Ending) -> Entry:
        """Book a stream that is over. Whatever comes of that, its call is under way no longer."""
        try:
            return await self.settle(prepared, ending)
        finally:
            if prepared.admission is not None:
                prepared.admission.leave()

    def _since(self, started: float) -> int:
        return milliseconds(self._clock.monotonic_s() - started)
