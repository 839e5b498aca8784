"""Answers that are looked at before the client gets them: one that a cap has cut is asked for again at the full limit, one
that breaks its schema is repaired once.

Every provider call is booked on its own. What was spent on an answer that is not kept is a cost of ours, which stands
against the lever that made the call necessary.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from thriftgate.core.errors import InputError, ThriftgateError
from thriftgate.core.levers.output_cap import OutputCap
from thriftgate.core.levers.output_schema import OutputSchema
from thriftgate.core.splice import Edit, apply
from thriftgate.engine.call import Call, Cut, WholeReply
from thriftgate.engine.reply import reply_headers
from thriftgate.engine.settle import Prepared
from thriftgate.engine.shaping import REFUSED, Wanted
from thriftgate.engine.touch import Purpose, Toucher
from thriftgate.engine.validating import check, repair_body, text_in
from thriftgate.ledger.entries import Entry
from thriftgate.logs import log, where_raised
from thriftgate.providers.transport import Headers
from thriftgate.wire.assemble import Answer, read_answer
from thriftgate.wire.prefilled import with_beginning

CAP, SCHEMA = OutputCap.id, OutputSchema.id
ENDPOINT = "again"
BAD_REQUEST = 400
SCHEMA_BROKEN = "breaks its schema"  # of an answer, in its thriftgate-warning


class Looked(NamedTuple):
    """What came of it: the reply and its entry, or the call to be made instead (`entry` is then of the answer not kept)."""

    entry: Entry
    reply: WholeReply | None = None
    instead: Call | None = None


class Again:
    """One per engine."""

    def __init__(self, toucher: Toucher) -> None:
        self._toucher = toucher

    @staticmethod
    def wanted(prepared: Prepared) -> bool:
        """Whether the answer of this call is to be looked at first. A stream is on its way before that could be done."""
        wanted = prepared.wanted
        if wanted is None or prepared.request.stream or wanted.shaped.until:
            return False
        return wanted.cap is not None or wanted.shaped.repair

    async def run(self, call: Call, prepared: Prepared, wanted: Wanted) -> Looked:
        """Send, look, book. Raises LedgerError, and CancelledError when the client is gone; either way what was sent is
        booked."""
        exchange = await self._toucher.exchange(call, prepared)
        prepared = replace(prepared, standings=exchange.standings)
        answer = read_answer(exchange.body) if exchange.ending.outcome == "answered" else None
        if answer is None:
            untold = Purpose(CAP if wanted.cap is not None else SCHEMA, ENDPOINT, "an attempt that brought no answer")
            entry = await self._toucher.book(prepared, exchange.ending, untold)
            if isinstance(exchange.raised, asyncio.CancelledError):
                raise exchange.raised
            return Looked(entry, instead=otherwise(call, wanted, entry.status) or _unexamined(call, entry))
        if answer.stop_reason == "max_tokens" and wanted.cap is not None:
            why = f"an answer that was cut at {wanted.cap} tokens; it is asked for again at the full limit"
            entry = await self._toucher.book(prepared, exchange.ending, Purpose(CAP, ENDPOINT, why, why))
            cut = Cut(entry.usage.total.output, wanted.cap, wanted.beyond)
            return Looked(entry, instead=replace(call, cut=cut))
        entry = await self._toucher.book(prepared, exchange.ending, None)
        reply = WholeReply(
            exchange.ending.status,
            reply_headers(exchange.headers, prepared, entry),
            with_beginning(exchange.body, wanted.shaped.prefilled),
        )
        try:
            return Looked(entry, await self._held(call, prepared, reply, answer))
        except Exception as error:  # noqa: BLE001  it is paid for: the client gets what came
            log.error("answer not examined", call=prepared.id, error=type(error).__name__, at=where_raised(error))
            return Looked(entry, reply)

    async def _held(self, call: Call, prepared: Prepared, reply: WholeReply, answer: Answer) -> WholeReply:
        """The answer, repaired if it breaks its schema and that can be."""
        assert prepared.wanted is not None
        shaped = prepared.wanted.shaped
        if not shaped.repair or answer.stop_reason not in ("end_turn", "stop_sequence"):
            return reply
        text = text_in(answer.content, prefilled=shaped.prefilled, fences=shaped.fences)
        problem = check(text, shaped.schema)
        if not problem:
            return replace(reply, body=_bare(reply.body)) if shaped.fences else reply
        body = await self._repaired(call, prepared, answer, problem)
        repaired = read_answer(body) if body else None
        if repaired is None:
            return replace(reply, headers=_warned(reply.headers, f"the answer {SCHEMA_BROKEN}, and could not be repaired"))
        left = check(text_in(repaired.content, fences=shaped.fences), shaped.schema)
        told = f"the repaired answer {SCHEMA_BROKEN} as well" if left else ""
        body = _bare(body) if shaped.fences and not left else body
        return WholeReply(reply.status, _warned(reply.headers, told) if told else reply.headers, body)

    async def _repaired(self, call: Call, prepared: Prepared, answer: Answer, problem: str) -> bytes:
        """The repaired message; b"" where there is none."""
        assert prepared.wanted is not None
        shaped = prepared.wanted.shaped
        try:
            body = repair_body(prepared.plan.body, answer.content, problem, prefilled=shaped.prefilled)
            if not body:
                return b""
            if shaped.full_tokens:
                body = apply(body, [Edit(("max_tokens",), b"%d" % shaped.full_tokens)])
            again = replace(call, body=body, parent=prepared.id)
            purpose = Purpose(SCHEMA, ENDPOINT, "an answer that broke its schema, asked for once more")
            touched = await self._toucher.send(again, self._toucher.plan(again, prepared.key), purpose)
        except (ThriftgateError, InputError) as error:
            log.warning("answer not repaired", call=prepared.id, error=type(error).__name__)
            return b""
        return touched.body if touched.entry.outcome == "answered" else b""


def otherwise(call: Call, wanted: Wanted | None, status: int) -> Call | None:
    """How to make a call that the provider has refused in the way in which it was shaped; None where that is not why. It is
    free, and the provider may refuse what no rule foresees (a schema that is "too complex for compilation",
    platform.claude.com/docs/en/build-with-claude/structured-outputs, 2026-10)."""
    if status != BAD_REQUEST or wanted is None or call.plainly:
        return None
    if wanted.unsure and not call.begun:
        return replace(call, begun=True)
    if not wanted.shaped.edits:
        return None
    return replace(call, begun=False, plainly=REFUSED, refused=wanted.rule)


def _unexamined(call: Call, entry: Entry) -> Call:
    return replace(call, unexamined=f"{entry.id} brought no answer")


def _bare(body: bytes) -> bytes:
    """The message with the code fence taken off its one text: the client shall get JSON."""
    answer = read_answer(body)
    texts = [at for at, block in enumerate(answer.content) if block.get("type") == "text"] if answer is not None else []
    if answer is None or len(texts) != 1:
        return body
    text = text_in(answer.content, fences=True)
    if text == answer.content[texts[0]].get("text"):
        return body
    return apply(body, [Edit(("content", texts[0], "text"), msgspec.json.encode(text))])


def _warned(headers: Headers, told: str) -> Headers:
    return (*headers, (b"thriftgate-warning", told.encode()))
