"""A call of our own that only touches the provider's cache: sent once, never again, and booked as what it is, a cost.

Nobody asked for it, so its baseline is nothing: what is paid stands against the account that it is for, and the savings it
made possible are booked with the calls that read what it kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.control.budgets import Standing
from thriftgate.core.errors import Crowded
from thriftgate.core.plan import Decision, Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.usage import Tokens
from thriftgate.engine.call import Call
from thriftgate.engine.failover import Failover
from thriftgate.engine.holding import give_back, held
from thriftgate.engine.settle import (
    UNSENT,
    Ending,
    Prepared,
    entry_for,
    learn_residency,
    milliseconds,
    outcome_of,
)
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.tracing import traced
from thriftgate.engine.turns import SPARE_SHARE, Turn, Turns
from thriftgate.engine.upstreams import Upstreams
from thriftgate.ledger.entries import UPSTREAM, Entry, Ledger, balanced
from thriftgate.providers.transport import Headers, Timeouts, Transport, header

UNTOUCHED = Policy(levers=())


class Purpose(NamedTuple):
    """What a touch is for: the account it is booked on, the endpoint it is listed under, and why, for `explain`."""

    account: str
    endpoint: str
    reason: str
    note: str = ""


class Exchange(NamedTuple):
    """A call that was held and sent, not booked yet: how it ended, the answer, what went wrong, and how its budgets
    stood with its hold."""

    ending: Ending
    headers: Headers
    body: bytes
    raised: BaseException | None
    standings: tuple[Standing, ...] = ()


class Touched(NamedTuple):
    """How it went. `body` is the provider's answer, whatever it was."""

    entry: Entry
    headers: Headers
    body: bytes

    @property
    def tokens(self) -> Tokens:
        return self.entry.usage.total

    @property
    def paid_pico(self) -> int:
        return -self.entry.posted(UPSTREAM)


class Toucher:
    """Sends and books touches; one per engine."""

    def __init__(
        self,
        *,
        upstreams: Upstreams,
        turns: Turns | None,
        failover: Failover,
        transport: Transport,
        ledger: Ledger,
        knowledge: Knowledge,
        timeouts: Timeouts,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._upstreams = upstreams
        self._turns = turns
        self._failover = failover
        self._transport = transport
        self._ledger = ledger
        self._knowledge = knowledge
        self._timeouts = timeouts
        self._clock = clock
        self._new_id = new_id
        self.booked: Callable[[Entry], None] | None = None  # who is told of each entry

    def plan(self, call: Call, key: str) -> Prepared:
        """What the call will do, with its forecast. Raises InputError, UnknownPrice and SpendCapped."""
        request = call.dialect.parse(call.body)
        now_s = self._clock.now_s()
        upstream = self._upstreams.chosen(call, request, key).upstream
        snapshot = self._knowledge.snapshot(request, key, now_s, upstream=upstream)
        plan = make_plan(request, snapshot.state, UNTOUCHED)
        return Prepared(
            self._new_id(),
            int(now_s * 1e6),
            key,
            request,
            snapshot,
            plan,
            call.dialect,
            call.parent,
            whose=call.whose,
            upstream=upstream,
            purses=call.purses,
        )

    async def send(self, call: Call, prepared: Prepared, purpose: Purpose, *, stands_back: bool = False) -> Touched:
        """Raises LedgerError (nothing was sent, or it could not be booked), BudgetExceeded (nothing was sent) and
        UpstreamError (booked). One that `stands_back` is not sent at all, and not booked, where the provider's limits are
        near: it raises Crowded."""
        turn = self._turn(call, prepared)
        if stands_back and turn is not None and not turn.has_room(SPARE_SHARE):
            raise Crowded("the provider's limits are near, and this call can be left", 0)
        exchange = await self._exchanged(call, prepared, turn)
        entry = await self.book(prepared, exchange.ending, purpose)
        if exchange.raised is not None:
            raise exchange.raised
        return Touched(entry, exchange.headers, exchange.body)

    async def exchange(self, call: Call, prepared: Prepared) -> Exchange:
        """Hold and send; whoever calls it must `book` what came of it. Raises LedgerError and BudgetExceeded, with nothing
        sent."""
        return await self._exchanged(call, prepared, self._turn(call, prepared))

    def _turn(self, call: Call, prepared: Prepared) -> Turn | None:
        if self._turns is None:
            return None
        return self._turns.of(prepared, self._upstreams.limits_of(prepared.upstream, prepared.key), call.headers, call.left)

    async def _exchanged(self, call: Call, prepared: Prepared, turn: Turn | None) -> Exchange:
        provider = self._upstreams.provider(prepared.upstream)
        asked_s = self._clock.monotonic_s()
        standings = await held(self._ledger, prepared, provider.name)
        started = self._clock.monotonic_s()
        ending = Ending("answered")
        headers: Headers = ()
        body = b""
        raised: BaseException | None = None
        try:
            if turn is not None and not turn.ready():
                await turn.wait()
            sent = traced(call.headers, prepared.id, self._clock, asked_s)
            outgoing = provider.prepare(call.method, call.path, call.query, sent, prepared.plan.body)
            incoming = await self._transport.send(outgoing, self._timeouts)
            headers = incoming.headers
            ending = replace(
                ending,
                status=incoming.status,
                upstream_request_id=header(headers, b"request-id"),
                ttfb_ms=milliseconds(self._clock.monotonic_s() - started),
            )
            served = 200 <= incoming.status < 300
            if served:
                if turn is not None:
                    turn.heard(headers)
                learn_residency(prepared, self._clock.now_s(), self._knowledge)
            try:
                body = await incoming.read()
            finally:
                incoming.close()
            ending = replace(ending, outcome="failed")
            self._failover.answered(prepared, incoming.status, headers, None if served else body)
            if not served and turn is not None:
                turn.refused(incoming.status, headers, body)
            if served:
                reading = prepared.dialect.read(body)
                ending = replace(ending, outcome="answered" if reading.complete else "garbage", reading=reading)
        except BaseException as error:  # noqa: BLE001  raised again once it is booked
            raised = error
            if not ending.status:
                self._failover.unanswered(prepared, error)
            ending = replace(
                ending, outcome=outcome_of(error), note=type(error).__name__, may_be_billed=not isinstance(error, UNSENT)
            )
        ending = replace(ending, latency_ms=milliseconds(self._clock.monotonic_s() - started))
        return Exchange(ending, headers, body, raised, standings)

    async def book(self, prepared: Prepared, ending: Ending, purpose: Purpose | None) -> Entry:
        """Settle it: as a cost of ours, or, without a purpose, as the client's own call. Raises LedgerError."""
        entry = self._entry(prepared, ending, purpose)
        give_back(prepared, entry)
        if prepared.admission is not None:
            prepared.admission.settled(entry)
        if self._turns is not None:
            self._turns.settled(entry)
        await self._ledger.settle(entry)
        if self.booked is not None:
            self.booked(entry)
        return entry

    def _entry(self, prepared: Prepared, ending: Ending, purpose: Purpose | None) -> Entry:
        provider = self._upstreams.provider(prepared.upstream)
        entry = entry_for(prepared, ending, provider.name, int(self._clock.now_s() * 1e6), self._knowledge)
        if purpose is None:
            return entry
        paid = -entry.posted(UPSTREAM)
        decision = Decision(purpose.account, "applied", purpose.reason, -prepared.plan.forecast.pico)
        return replace(
            entry,
            endpoint=purpose.endpoint,
            postings=balanced(0, paid, {purpose.account: -paid} if paid else {}),
            decisions=(decision,),
            note=purpose.note or entry.note,
        )
