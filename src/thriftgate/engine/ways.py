"""The ways in which a planned call is made: as a try of a cheaper model, looked at first, or carried as it comes.

Each gives an answer, or the call that is to be made instead; what was taken for a call that ends otherwise is given back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.errors import BudgetExceeded, ThriftgateError, UpstreamError
from thriftgate.engine.again import Again, otherwise
from thriftgate.engine.call import Call, Reply, WholeReply
from thriftgate.engine.carrying import Carrier
from thriftgate.engine.cascade import Cascading
from thriftgate.engine.failover import Failover
from thriftgate.engine.fanout import Fanout
from thriftgate.engine.guarding import Guarding
from thriftgate.engine.hedging import Attempt, HedgeRules, Hedging
from thriftgate.engine.reply import StreamReply
from thriftgate.engine.sweeping import Sweeper
from thriftgate.engine.tasks import Tasks
from thriftgate.engine.unsent import Books, Opened, refused
from thriftgate.ledger.entries import Entry, Ledger

_T = TypeVar("_T")


class Ways:
    """One per engine. `prepare` plans a call; `booked` is told of entries that the carrier does not settle."""

    def __init__(
        self,
        *,
        cascade: Cascading,
        again: Again,
        carrier: Carrier,
        failover: Failover,
        hedging: HedgeRules,
        guarding: Guarding,
        fanout: Fanout,
        sweeper: Sweeper,
        ledger: Ledger,
        clock: Clock,
        tasks: Tasks,
        prepare: Callable[[Call], Awaitable[Attempt]],
        booked: Callable[[Entry], None],
        books: Callable[[], Books],
    ) -> None:
        self._cascade = cascade
        self._again = again
        self._carrier = carrier
        self._failover = failover
        self._guarding = guarding
        self._fanout = fanout
        self._sweeper = sweeper
        self._ledger = ledger
        self._clock = clock
        self._booked = booked
        self._books = books
        self.hedging = Hedging(hedging, failover, clock=clock, tasks=tasks, prepare=prepare, drop=self._drop)

    async def tried(self, attempt: Attempt) -> WholeReply | Call:
        """A try of the cheap model: its answer if it is good enough, else the call for the model that was asked for. Raises
        BudgetExceeded, LedgerError."""
        return await self._within_budgets(self._tried, attempt)

    async def carried(self, attempt: Attempt) -> Reply | Call:
        """The answer on its way to the client, or the call to be made instead. Raises BudgetExceeded, LedgerError and
        UpstreamError."""
        if self._again.wanted(attempt.prepared):
            return await self._within_budgets(self._looked, attempt)
        return await self._within_budgets(self._raced, attempt)

    async def _within_budgets(self, way: Callable[[Attempt], Awaitable[_T]], attempt: Attempt) -> _T:
        """The call by one of its ways. Where a budget has no room for it, nothing is held, and it is booked as refused."""
        prepared = attempt.prepared
        try:
            return await way(attempt)
        except BudgetExceeded as error:
            error.call_id = prepared.id
            if error.held:
                self._sweeper.soon()
            route = prepared.plan.route
            opened = Opened(
                prepared.id,
                prepared.opened_us,
                prepared.key,
                prepared.dialect.name,
                prepared.whose,
                route.task if route is not None else "",
            )
            await self._ledger.settle(refused(opened, prepared.request.model, prepared.plan, error, self._books()))
            raise

    async def _raced(self, attempt: Attempt) -> Reply | Call:
        return await self.hedging.made(attempt, self._carried)

    async def _carried(self, attempt: Attempt) -> Reply | Call:
        """The answer, or the call to be made elsewhere, or otherwise than it was shaped."""
        call, prepared, flight = attempt
        try:
            reply = await self._carrier.send(call, prepared, flight)
        except ThriftgateError as error:
            error.call_id = prepared.id
            self._guarding.runs.release(prepared.id)
            other = self._failover.after(call, prepared, error) if isinstance(error, UpstreamError) else None
            if other is not None:
                return other
            raise
        except BaseException:
            self._guarding.runs.release(prepared.id)
            raise
        finally:
            self._fanout.land(flight)
        if isinstance(reply, StreamReply):
            return await self._failover.opened(call, prepared, reply) or reply
        other = self._failover.instead(call, prepared, reply)
        return other or otherwise(call, prepared.wanted, reply.status) or reply

    async def _tried(self, attempt: Attempt) -> WholeReply | Call:
        call, prepared, flight = attempt
        try:
            reply, entry, answer = await self._cascade.run(call, prepared)
        except BaseException:
            self._guarding.runs.release(prepared.id)
            raise
        finally:
            self._fanout.land(flight)
        self._guarding.settled(entry, self._clock.now_s())
        self._booked(entry)
        if reply is None:
            return replace(call, unrouted=f"escalated from {entry.id}: {entry.note}")
        witness = self._carrier.witness
        if witness is not None and witness.wants(call, prepared):
            witness.heard(call, prepared, entry, answer)
        return reply

    async def _looked(self, attempt: Attempt) -> WholeReply | Call:
        """An answer that is looked at first: as the client gets it, or the call to be made instead."""
        call, prepared, flight = attempt
        assert prepared.wanted is not None
        try:
            found = await self._again.run(call, prepared, prepared.wanted)
        except BaseException:
            self._guarding.runs.release(prepared.id)
            raise
        finally:
            self._fanout.land(flight)
        self._guarding.settled(found.entry, self._clock.now_s())
        self._booked(found.entry)
        if found.reply is None:
            assert found.instead is not None
            return found.instead
        self._carrier.learn_length(prepared, found.entry)
        self._carrier.keep_account(prepared, found.entry)
        self._carrier.heard(call, prepared, found.entry, found.reply.body)
        return found.reply

    def _drop(self, attempt: Attempt) -> None:
        """Give back what was taken for a call that is not made."""
        self._guarding.runs.release(attempt.prepared.id)
        self._fanout.land(attempt.flight)
