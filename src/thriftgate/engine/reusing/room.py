"""The way of a call through reuse: is it one that may be answered so, is there an answer, is one like it under way; else it
is made, and its answer heard.

Whatever goes wrong in here, the call is made: savings fail open. What is refused all the same is what its caller or an
operator has said: a limit, or `thriftgate-reuse: only-if-cached`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple, NoReturn

import msgspec
from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.control.limit_shelf import Caller
from thriftgate.core.control.limits import Needs
from thriftgate.core.earlier.answer import KeptAnswer
from thriftgate.core.earlier.never import unfit_answer
from thriftgate.core.earlier.rules import HEADER, Wish, wish_of
from thriftgate.core.errors import ClientLeft, LimitExceeded, NothingKept, ThriftgateError
from thriftgate.core.levers.reuse_exact import ReuseExact
from thriftgate.core.plan import Skip
from thriftgate.engine.again import SCHEMA_BROKEN
from thriftgate.engine.call import Call, Reply, WholeReply
from thriftgate.engine.limiting import Limiting
from thriftgate.engine.reusing.asking import Asking
from thriftgate.engine.reusing.booking import entry_of, forgone, reply_of
from thriftgate.engine.reusing.flights import Ended, Flight, Flights
from thriftgate.engine.reusing.listening import ListeningReply
from thriftgate.engine.reusing.tier import Found, Question, Tier
from thriftgate.engine.settle import told_usage
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.tasks import Tasks
from thriftgate.engine.unsent import Books, Opened, refused
from thriftgate.ledger.entries import Ledger
from thriftgate.logs import log, where_raised
from thriftgate.providers.transport import Headers, header
from thriftgate.wire.whole_message import message_of

EXACT = ReuseExact.id
WAITED = "to an identical call, for which this one has waited"
Way = Callable[[Call], Awaitable[Reply]]
_ODD = (ThriftgateError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # of requests that are none
_LOST_ACCESS = (401, 403)
_ITS_OWN_FAULT = frozenset({400, 404, 413, 422})  # a call like it would fare no better


class Rooms(NamedTuple):
    """What takes part. `books` says what every entry says of where it comes from; `upstream` names the provider's key that
    calls are sent with, "" where that is the client's own."""

    asking: Asking
    knowledge: Knowledge
    limiting: Limiting
    ledger: Ledger
    clock: Clock
    tasks: Tasks
    books: Callable[[], Books]
    upstream: str
    new_id: Callable[[], str]


class Reusing:
    """One per engine; without `rooms` nothing is reused."""

    def __init__(
        self, rooms: Rooms | None = None, tiers: Sequence[Tier] = (), *, wait_s: float = 0.0, bytes_max: int = 0
    ) -> None:
        self._rooms = rooms
        self._tiers = tiers
        self._wait_s = wait_s
        self._bytes_max = bytes_max
        self._flights = Flights(rooms.tasks) if rooms is not None else None

    def around(self, way: Way) -> Way:
        """The way of a call, with a look for an earlier answer before it."""
        return partial(self._answered, way)

    async def close(self) -> None:
        for tier in self._tiers:
            await tier.close()

    async def _answered(self, way: Way, call: Call) -> Reply:
        """Raises InputError for a wish that is none, NothingKept, LimitExceeded and ClientLeft, and what `way` raises."""
        told = header(call.headers, HEADER)
        if self._rooms is None and not told:
            return await way(call)
        wish = wish_of(told)
        question = self._question(call, wish)
        if isinstance(question, Skip):
            if wish == "only-if-cached":
                raise NothingKept(f"only-if-cached, and there is no earlier answer: {question.reason}; nothing was sent")
            asides = [(tier.lever, question.reason) for tier in self._tiers]
            return await way(replace(call, unreused=tuple(asides)) if asides else call)
        found = await self._found(question)
        if isinstance(found, WholeReply):
            return found
        call = replace(question.call, unreused=found.asides)
        return await self._made(way, replace(question, call=call), found.flight)

    def _question(self, call: Call, wish: Wish) -> Question | Skip:
        if wish == "off":
            return Skip("the caller wants no earlier answer")
        if self._rooms is None:
            return Skip("nothing is reused here")
        try:
            return self._rooms.asking.question(call, wish)
        except Exception as error:  # noqa: BLE001  law 4: the call goes on, and says better what is wrong with it
            if not isinstance(error, _ODD):
                log.error("reuse not tried", error=type(error).__name__, at=where_raised(error))
            return Skip(f"failed with {type(error).__name__}")

    async def _found(self, question: Question) -> WholeReply | _NotFound:
        """An earlier answer, if need be that of an identical call under way; or why there is none."""
        assert self._flights is not None
        until_s = asyncio.get_running_loop().time() + self._wait_s
        alone = EXACT not in question.policy.levers or not self._wait_s
        asides: dict[str, str] = {}
        if question.wish == "refresh":
            asides = dict.fromkeys([tier.lever for tier in self._tiers], "the caller wants a new answer")
            return _NotFound(tuple(asides.items()), self._flights.begin(question.digest))
        while True:
            reply = await self._looked(question, asides)
            if reply is not None:
                return reply
            if question.wish == "only-if-cached":
                await self._refuse(question, NothingKept(f"only-if-cached: {'; '.join(asides.values())}; nothing was sent"))
            ahead = None if alone else self._flights.under_way(question.digest)
            if ahead is None:
                return _NotFound(tuple(asides.items()), None if alone else self._flights.begin(question.digest))
            ended = await self._waited(question, ahead, until_s)
            if ended == "answered" and ahead.answer is not None:
                reply = await self._given(question, Found(ahead.answer, WAITED, EXACT))
                if reply is not None:
                    return reply
            alone = ended != "failed"
            if alone:
                asides[EXACT] = "waited in vain for an identical call"
                return _NotFound(tuple(asides.items()), None)

    async def _looked(self, question: Question, asides: dict[str, str]) -> WholeReply | None:
        """Ask the tiers in turn. Raises LimitExceeded and ClientLeft."""
        assert self._rooms is not None
        for tier in self._tiers:
            if tier.lever not in question.policy.levers:
                continue
            try:
                found = await tier.look(question, self._rooms.clock.now_s())
            except Exception as error:  # noqa: BLE001  law 4: the call goes on
                log.error("reuse failed", tier=tier.lever, error=type(error).__name__, at=where_raised(error))
                found = Skip(f"failed with {type(error).__name__}")
            if isinstance(found, Skip):
                asides[tier.lever] = found.reason
                continue
            reply = await self._given(question, found)
            if reply is not None:
                return reply
            asides[tier.lever] = "there is an earlier answer, and it could not be given"
        return None

    async def _waited(self, question: Question, ahead: Flight, until_s: float) -> Ended:
        assert self._flights is not None
        try:
            return await self._flights.wait(ahead, until_s, question.call.left)
        except ClientLeft as error:
            await self._refuse(question, error)

    async def _given(self, question: Question, found: Found) -> WholeReply | None:
        """Book it and give it out; None where that fails: then the call is to be made. Raises LimitExceeded, ClientLeft."""
        assert self._rooms is not None
        rooms, call = self._rooms, question.call
        opened = self._opened(question)
        try:
            spared = forgone(question, found, rooms.knowledge, rooms.upstream, rooms.clock.now_s())
            limits = await self._let_in(question, opened)
            entry = entry_of(question, found, spared, opened, rooms.books())
            reply = reply_of(question, found, entry, limits)
            if call.admission is not None:
                call.admission.settled(entry)
            await rooms.ledger.settle(entry)
        except (LimitExceeded, ClientLeft) as error:
            await self._refuse(question, error, opened)
        except Exception as error:  # noqa: BLE001  law 4: the call is made
            log.error("earlier answer not given", error=type(error).__name__, at=where_raised(error))
            return None
        return reply

    async def _let_in(self, question: Question, opened: Opened) -> Headers:
        """It counts as a request all the same. Raises LimitExceeded and ClientLeft."""
        assert self._rooms is not None
        call = question.call
        if call.admission is None:
            return ()
        caller = Caller(question.key, call.whose, question.request.model, self._rooms.knowledge.provider, question.task)
        await self._rooms.limiting.let_in(call.admission, opened.id, caller, Needs(requests=1, concurrency=1), call.left)
        return call.admission.told()

    async def _refuse(self, question: Question, error: ThriftgateError, opened: Opened | None = None) -> NoReturn:
        """Book a call that is not made, and raise why."""
        assert self._rooms is not None
        opened = opened or self._opened(question)
        error.call_id = opened.id
        await self._rooms.ledger.settle(refused(opened, question.request.model, None, error, self._rooms.books()))
        raise error

    def _opened(self, question: Question) -> Opened:
        assert self._rooms is not None
        rooms, call = self._rooms, question.call
        now_us = int(rooms.clock.now_s() * 1e6)
        return Opened(rooms.new_id(), now_us, question.key, call.dialect.name, call.whose, question.task)

    async def _made(self, way: Way, question: Question, flight: Flight | None) -> Reply:
        """Make the call and hear its answer. Others may be waiting for it: whatever happens, its flight ends."""
        assert self._rooms is not None
        try:
            reply = await way(question.call)
        except BaseException:
            _end(flight)
            raise
        hear = partial(self._hear, question, flight, reply.status, reply.headers)
        if reply.body is not None:
            hear(reply.body)
            return reply
        return ListeningReply(reply, self._bytes_max, whole=hear, broken=partial(_end, flight))

    def _hear(self, question: Question, flight: Flight | None, status: int, headers: Headers, body: bytes | None) -> None:
        assert self._rooms is not None
        self._rooms.tasks.spawn(self._heard(question, flight, status, headers, body))

    async def _heard(
        self, question: Question, flight: Flight | None, status: int, headers: Headers, body: bytes | None
    ) -> None:
        """An answer, to be kept if it may be, and given to those who wait for it."""
        try:
            found = self._worth(question, status, headers, body)
            if isinstance(found, KeptAnswer):
                for tier in self._tiers:
                    if tier.lever in question.policy.levers:
                        await tier.heard(question, found)
                _end(flight, "answered", found)
            elif status in _LOST_ACCESS:
                for tier in self._tiers:
                    await tier.forget(question.tenant)
            else:
                _end(flight, found)
                for tier in self._tiers if status == 200 and found == "unfit" else ():
                    if tier.lever in question.policy.levers:
                        await tier.unfit(question)
        except Exception as error:  # noqa: BLE001  law 4: the client has its answer
            log.error("answer not kept", error=type(error).__name__, at=where_raised(error))
        finally:
            _end(flight)

    def _worth(self, question: Question, status: int, headers: Headers, body: bytes | None) -> KeptAnswer | Ended:
        """The answer as it is kept; "unfit" where calls like it would fare no better, "failed" where they may."""
        assert self._rooms is not None
        if status != 200:
            return "unfit" if status in _ITS_OWN_FAULT else "failed"
        if body is None or header(headers, b"content-encoding") not in ("", "identity"):
            return "unfit"
        if header(headers, b"content-type").startswith("text/event-stream"):
            try:
                body = message_of(body)
            except ValueError:  # it broke off
                return "failed"
        if len(body) > self._bytes_max or unfit_answer(body, may_tool_use=question.rule.may_tool_use):
            return "unfit"
        reading, models = question.call.dialect.read(body), self._rooms.knowledge.models
        others = models[reading.model].id != models[question.request.model].id
        if told_usage(reading) is None or others or SCHEMA_BROKEN in header(headers, b"thriftgate-warning"):
            return "unfit"
        whose = question.call.whose
        return KeptAnswer(
            id=header(headers, b"thriftgate-request-id"),
            at_s=self._rooms.clock.now_s(),
            tenant=question.tenant,
            key=question.key,
            team=whose.team,
            org=whose.org,
            model=reading.model,
            stop_reason=reading.stop_reason,
            body=body,
        )


class _NotFound(NamedTuple):
    """Why no earlier answer serves the call, by lever; `flight` is the call as others may wait for it."""

    asides: tuple[tuple[str, str], ...]
    flight: Flight | None


def _end(flight: Flight | None, how: Ended = "failed", answer: KeptAnswer | None = None) -> None:
    if flight is not None:
        flight.end(how, answer)
