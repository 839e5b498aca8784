"""`route.cascade` at work: the cheap model tries, its answer is judged, and nothing goes to the client before that.

Every provider call is booked on its own. A try that is kept is the client's call, priced against the model that was asked
for; one that is not, and whatever was spent on judging, is a cost of ours that stands against the lever.
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.levers.route_cascade import RouteCascade
from thriftgate.core.routing.artefact import Artefact, split_arm
from thriftgate.core.routing.retarget import Unfit, retarget
from thriftgate.core.routing.signals import (
    AGREEMENT,
    SELF,
    VERIFIER,
    Content,
    says_the_same,
    self_agrees,
    signals_of,
    text_of,
    verifier_body,
    verifier_score,
)
from thriftgate.core.routing.task import asked_text
from thriftgate.core.splice import Edit, apply
from thriftgate.engine.call import Call, WholeReply
from thriftgate.engine.reply import reply_headers
from thriftgate.engine.routes import Routes
from thriftgate.engine.settle import Prepared
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.touch import Exchange, Purpose, Toucher
from thriftgate.ledger.entries import Entry
from thriftgate.logs import log, where_raised
from thriftgate.wire.assemble import Answer, read_answer
from thriftgate.wire.whole_stream import stream_of

ACCOUNT, ENDPOINT = RouteCascade.id, "cascade"


class Cascading:
    """One per engine."""

    def __init__(self, toucher: Toucher, router: Routes, knowledge: Knowledge, clock: Clock) -> None:
        self._toucher = toucher
        self._router = router
        self._knowledge = knowledge
        self._clock = clock

    async def run(self, call: Call, prepared: Prepared) -> tuple[WholeReply | None, Entry, Answer | None]:
        """Try, judge, book. No reply where the strong model is to be asked: the entry's note says why.

        Raises LedgerError, and CancelledError when the client is gone; either way what was sent is booked.
        """
        choice = prepared.plan.route.choice if prepared.plan.route is not None else None
        artefact = self._router.certified(choice.certificate) if choice is not None else None
        assert artefact is not None
        assert artefact.cascade is not None
        exchange = await self._toucher.exchange(call, prepared)
        prepared = replace(prepared, standings=exchange.standings)
        answer = read_answer(exchange.body) if exchange.ending.outcome == "answered" else None
        if answer is None:
            why = f"the try failed: {exchange.ending.outcome}" + (
                f", {exchange.ending.status}" if exchange.ending.status else ""
            )
            entry = await self._toucher.book(prepared, exchange.ending, _cost(why))
            if isinstance(exchange.raised, asyncio.CancelledError):
                raise exchange.raised
            return None, entry, None
        try:
            confidence = await self._confidence(call, prepared, exchange, answer, artefact)
        except BaseException as error:
            why = "the client left before it was judged"
            if isinstance(error, Exception):  # what cannot be judged is not kept
                log.error("try not judged", call=prepared.id, error=type(error).__name__, at=where_raised(error))
                why = f"it could not be judged: {type(error).__name__}"
            entry = await self._toucher.book(prepared, exchange.ending, _cost(why))
            if not isinstance(error, Exception):
                raise
            return None, entry, None
        threshold = artefact.cascade.threshold
        kept = confidence >= threshold
        told = f"confidence {confidence:.3f}, {'kept' if kept else 'not kept'}: certified from {threshold:.3f}"
        self._router.tried(prepared.plan.route.task if prepared.plan.route is not None else "", kept=kept)
        if not kept:
            return None, await self._toucher.book(prepared, exchange.ending, _cost(told)), None
        prepared = _telling(prepared, told)
        entry = await self._toucher.book(prepared, exchange.ending, None)
        return _reply(prepared, exchange, entry), entry, answer

    async def _confidence(
        self, call: Call, prepared: Prepared, exchange: Exchange, answer: Answer, artefact: Artefact
    ) -> float:
        cascade = artefact.cascade
        assert cascade is not None
        reading = exchange.ending.reading
        usage = reading.usage.usage() if reading is not None and reading.usage is not None else None
        output = usage.total.output if usage is not None else 0
        signals = signals_of(answer.content, answer.stop_reason, output, prepared.request)
        asked = {
            SELF: await self._steadiness(call, prepared, answer, cascade.samples - 1),
            f"{AGREEMENT}{cascade.second}": await self._agreement(call, prepared, answer, cascade.second),
            VERIFIER: await self._verified(call, prepared, answer, cascade.verifier),
        }
        return cascade.confidence.of(signals | {name: value for name, value in asked.items() if value is not None})

    async def _steadiness(self, call: Call, prepared: Prepared, answer: Answer, samples: int) -> float | None:
        """The share of so many other answers of the same model that say the same."""
        again = replace(call, body=prepared.plan.body, parent=prepared.id)
        others = [await self._aside(again, prepared.key, "another sample") for _ in range(samples)]
        return self_agrees(answer.content, [other for other in others if other is not None])

    async def _agreement(self, call: Call, prepared: Prepared, answer: Answer, arm: str) -> float | None:
        """Whether a second arm says the same."""
        model, effort = split_arm(arm)
        asked, state = prepared.asked or prepared.request, prepared.snapshot.state
        if not arm or not asked.body:
            return None
        fitted = retarget(asked, state.prefix.turns, self._knowledge.models[model], effort=effort, now_s=self._clock.now_s())
        if isinstance(fitted, Unfit):
            log.warning("cascade signal missing", signal="a second model's answer", reason=fitted.reason)
            return None
        whole = (Edit(("stream",), None),) if "stream" in asked.members else ()
        second = replace(call, body=apply(asked.body, (*fitted.edits, *whole)), parent=prepared.id)
        other = await self._aside(second, prepared.key, "a second model's answer")
        return float(says_the_same(answer.content, other)) if other is not None else None

    async def _verified(self, call: Call, prepared: Prepared, answer: Answer, model: str) -> float | None:
        """What the verifier says of the answer."""
        question = asked_text(prepared.snapshot.state.prefix.turns)
        body = verifier_body(self._knowledge.models[model], question, answer.content) if model else b""
        if not body:
            return None
        reply = await self._aside(replace(call, body=body, parent=prepared.id), prepared.key, "a verifier's score")
        return verifier_score(text_of(reply)) if reply is not None else None

    async def _aside(self, call: Call, key: str, reason: str) -> Content | None:
        """The answer to a call that helps to judge; None where it failed: then its signal is missing."""
        try:
            touched = await self._toucher.send(call, self._toucher.plan(call, key), Purpose(ACCOUNT, ENDPOINT, reason))
        except ThriftgateError as error:
            log.warning("cascade signal missing", signal=reason, error=type(error).__name__)
            return None
        self._router.judged(touched.paid_pico)
        answer = read_answer(touched.body) if touched.entry.outcome == "answered" else None
        return answer.content if answer is not None else None


def _cost(why: str) -> Purpose:
    return Purpose(ACCOUNT, ENDPOINT, f"a try that was not kept; {why}", why)


def _telling(prepared: Prepared, told: str) -> Prepared:
    """The same call, with what was found in its explanation."""
    decisions = tuple(
        replace(one, reason=f"{one.reason}; {told}") if one.lever == ACCOUNT and one.decision == "applied" else one
        for one in prepared.plan.decisions
    )
    return replace(prepared, plan=replace(prepared.plan, decisions=decisions))


def _reply(prepared: Prepared, exchange: Exchange, entry: Entry) -> WholeReply:
    """The answer as the client asked for it."""
    headers, body = exchange.headers, exchange.body
    if prepared.asked is not None and prepared.asked.stream:
        kept = tuple((name, value) for name, value in headers if name not in (b"content-type", b"content-encoding"))
        headers = (*kept, (b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))
        body = stream_of(body)
    return WholeReply(200, reply_headers(headers, prepared, entry), body)
