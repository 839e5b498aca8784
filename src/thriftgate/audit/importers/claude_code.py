"""Claude Code's session logs: `projects/<folder>/<session>.jsonl`, with sub-agents in files of their own.

One call is one to many lines, one per content block, each with the whole usage; early ones may hold a placeholder for the
output. Lines that follow each other with one message id are put together here; copies in other places or files (forks,
resumed sessions, side questions) by `audit/merge.py`. A tool result repeats the usage of a sub-agent's last call
(`toolUseResult.usage`), as a `progress` line does: they are not read. Shapes: Claude Code 1.0.17 and 2.1.197, 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from thriftgate.audit.importers.answers import claimed_pico
from thriftgate.audit.importers.tally import UNREADABLE, Tally
from thriftgate.audit.moments import micros
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import (
    API_ERROR,
    DUPLICATE,
    MALFORMED,
    NO_USAGE,
    NOT_A_CALL,
    OTHER_PROVIDER,
    SYNTHETIC,
    Depth,
    Issue,
    Platform,
    Record,
)
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError
from thriftgate.core.moments import EPOCH
from thriftgate.wire.usage import ApiUsage

PLACEHOLDER_MAX = 9  # output tokens that an unfinished line may hold
BYTES_PER_TOKEN = 2  # of a text, at least: for the most an answer can have been
_EMPTY_BYTES = len('[{"type":"text","text":""}]')
_MICROSECOND = timedelta(microseconds=1)
_NO_CONTENT = Raw(b"")
_SYNTHETIC = "<synthetic>"
_CLOUDS: dict[str, Platform] = {"msg_bdrk_": "bedrock", "msg_vrtx_": "vertex"}  # how the ids of their answers begin


class _MissReason(Struct):
    type: str | None = None
    cache_missed_input_tokens: int | None = None


class _Diagnostics(Struct):
    cache_miss_reason: _MissReason | None = None


class _StopDetails(Struct):
    category: str | None = None


class _Message(Struct):
    id: str | None = None
    model: str | None = None
    usage: ApiUsage | None = None
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    diagnostics: _Diagnostics | None = None
    content: Raw = _NO_CONTENT


class _Line(Struct):
    type: str | None = None
    timestamp: str | None = None
    message: _Message | None = None
    session: str | None = msgspec.field(name="sessionId", default=None)
    request_id: str | None = msgspec.field(name="requestId", default=None)
    side: bool | None = msgspec.field(name="isSidechain", default=None)
    agent: str | None = msgspec.field(name="agentId", default=None)
    cwd: str | None = None
    cost: float | str | None = msgspec.field(name="costUSD", default=None)
    failed: bool | None = msgspec.field(name="isApiErrorMessage", default=None)


class _OtherLine(Struct):
    """What every line must be, where it is not the shape of a call."""

    type: str | None = None


_LINE = msgspec.json.Decoder(_Line)
_OTHER = msgspec.json.Decoder(_OtherLine)


class ClaudeCode:
    """See the module."""

    id = "claude-code"
    title = "Claude Code session logs"
    depth: Depth = "call"
    input_includes_cache = False
    cannot_know = (
        "calls without a usage line (/compact, titles, side questions): telemetry events or the cost report have them",
        "the final output of calls whose last line was never written, and of versions that left thinking out (early 2026)",
        "the system prompt and the tools, so what changed in them",
        "sessions older than Claude Code keeps them (30 days by default)",
    )

    def sniff(self, head: Head) -> bool:
        keys = head.keys
        if keys & {"id", "traceId"}:
            return False
        if "type" in keys and keys & {"sessionId", "leafUuid", "snapshot", "parentUuid"}:
            return True
        return head.has('"sessionId"', '"parentUuid"', '"uuid"')

    def read(self, source: Source) -> Iterator[Record | Issue]:
        yield from _Reader(source).read()


class _Reader:
    """One file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tally = Tally(source)
        path = (source.path or Path("stdin")).absolute()
        stem = path.name.split(".", 1)[0]
        below = path.parent.name == "subagents" and len(path.parents) > 3
        self._session = path.parents[1].name if below else stem
        self._folder = path.parents[2].name if below else path.parent.name if source.path is not None else ""
        self._agent = stem if stem.startswith("agent-") else ""
        self._asked: dict[bool, str | None] = {}
        self._copies: list[_Line] = []
        self._position = 0
        self._sent: str | None = None

    def read(self) -> Iterator[Record | Issue]:
        decode, skip = _LINE.decode, self._tally.add
        asked, copies = self._asked, self._copies
        others = again = 0  # of the two most frequent kinds of line only the number is kept here
        for position, data, whole in self._source.values():
            try:
                line = decode(data)
            except UNREADABLE:
                skip(self._unreadable(data, whole=whole), position)
                continue
            message = line.message
            if line.type != "assistant" or message is None:
                if line.type == "user":
                    asked[bool(line.side)] = line.timestamp
                if not others:
                    skip(NOT_A_CALL, position)
                others += 1
                continue
            if message.usage is None or message.model == _SYNTHETIC or line.failed:
                skip(API_ERROR if line.failed else SYNTHETIC if message.model == _SYNTHETIC else NO_USAGE, position)
                continue
            if copies:
                known = copies[0]
                if message.id and message.id == _id(known) and line.request_id == known.request_id:
                    copies.append(line)
                    if not again:
                        skip(DUPLICATE, position)
                    again += 1
                    continue
                if (record := self._record()) is not None:
                    yield record
                copies.clear()
            copies.append(line)
            self._position, self._sent = position, asked.pop(bool(line.side), None)
        if copies and (record := self._record()) is not None:
            yield record
        self._tally.more(NOT_A_CALL, others - 1)
        self._tally.more(DUPLICATE, again - 1)
        yield from self._tally.issues()

    def _unreadable(self, data: bytes, *, whole: bool) -> str:
        """A line of another kind may use our names for other things; only one that claims to be a call is broken."""
        try:
            return MALFORMED if not whole or _OTHER.decode(data).type == "assistant" else NOT_A_CALL
        except UNREADABLE:
            return MALFORMED

    def _record(self) -> Record | None:
        """The call these lines are copies of; None where the tally took it."""
        copies, position = self._copies, self._position
        first, best = copies[0], _best(copies)
        message = best.message or _Message()
        usage = message.usage or ApiUsage()
        model, call_id = message.model or "", message.id or ""
        if model and not is_claude(model):
            self._tally.add(OTHER_PROVIDER, position)
            return None
        ended_us = _micros(copies[-1].timestamp)
        if not ended_us:
            self._tally.add(MALFORMED, position, "the line tells no time")
            return None
        at_us = _micros(self._sent)
        known_start = 0 < at_us <= ended_us
        written = usage.cache_creation_input_tokens or 0
        split = usage.cache_creation
        hour = (split.ephemeral_1h_input_tokens or 0) if split is not None else 0
        five = (split.ephemeral_5m_input_tokens or 0) if split is not None else 0
        output = usage.output_tokens or 0
        server, parts = usage.server_tool_use, usage.output_tokens_details
        details = message.stop_details
        diagnosis = message.diagnostics.cache_miss_reason if message.diagnostics is not None else None
        high = _most(copies) if message.stop_reason is None and output <= PLACEHOLDER_MAX else 0
        return Record(
            source=self._source.name,
            position=position,
            at_us=at_us if known_start else ended_us,
            model=model,
            call_id=call_id,
            request_id=first.request_id or "",
            ended_us=ended_us,
            at_is_end=not known_start,
            session=first.session or self._session,
            agent=first.agent or self._agent,
            side=bool(first.side),
            project=first.cwd or self._folder,
            platform=_CLOUDS.get(call_id[:9], "api"),
            mode=usage.mode(),
            geo=usage.inference_geo or "",
            input=usage.input_tokens or 0,
            write_5m=max(five, written - hour) if split is not None else 0,
            write_1h=hour,
            write_unsplit=written if split is None else 0,
            read=usage.cache_read_input_tokens or 0,
            output=output,
            thinking=min(output, (parts.thinking_tokens or 0) if parts is not None else 0),
            web_searches=(server.web_search_requests or 0) if server is not None else 0,
            iterations=usage.usage().iterations if usage.iterations else (),
            streamed=True,
            stop_reason=message.stop_reason or "",
            stop_category=(details.category or "") if details is not None else "",
            miss_reason=(diagnosis.type or "") if diagnosis is not None else "",
            miss_tokens=(diagnosis.cache_missed_input_tokens or 0) if diagnosis is not None else 0,
            reported_pico=None if best.cost is None else claimed_pico(best.cost),
            output_is_floor=high > output,
            output_high=high if high > output else 0,
        )


def _id(line: _Line) -> str | None:
    return line.message.id if line.message is not None else None


def _best(copies: list[_Line]) -> _Line:
    """The copy with the most output; whether the call ended is told by any of them."""
    if len(copies) == 1:
        return copies[0]
    best = max(copies, key=_output)
    if best.message is not None and best.message.stop_reason is None:
        stops = (line.message.stop_reason for line in copies if line.message is not None)
        best.message.stop_reason = next((stop for stop in stops if stop is not None), None)
    return best


def _output(line: _Line) -> int:
    usage = line.message.usage if line.message is not None else None
    return (usage.output_tokens or 0) if usage is not None else 0


def _most(copies: list[_Line]) -> int:
    """How many tokens the text of an answer can be, at the most."""
    sizes = (len(bytes(line.message.content)) - _EMPTY_BYTES for line in copies if line.message is not None)
    return sum(size for size in sizes if size > 0) // BYTES_PER_TOKEN


def _micros(text: str | None) -> int:
    """Microseconds since 1970; 0 for what is no moment. As `moments.micros`, in a third of its time for the usual form."""
    if text is None:
        return 0
    try:
        moment = datetime.fromisoformat(text)
        return micros(text) if moment.tzinfo is None else (moment - EPOCH) // _MICROSECOND
    except (ValueError, InputError):
        return 0
