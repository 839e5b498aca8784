"""Message Batches: a file of results, joined on `custom_id` with the requests that lie beside it.

Results (`{"custom_id", "result": {"type", "message"}}`, in any order) tell no time. It is taken from a batch object
(`{"type": "message_batch", "created_at", "ended_at", …}`) beside them, or else from the date of the file. Requests
(`{"custom_id", "params"}`, one a line or under "requests") are no calls by themselves
(platform.claude.com/docs/en/build-with-claude/batch-processing, 2026-08).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import zstandard
from msgspec import Raw, Struct

from thriftgate.audit.importers.anthropic_answers import NULL, record_of
from thriftgate.audit.importers.anthropic_terms import NO_TIME
from thriftgate.audit.importers.tally import UNREADABLE
from thriftgate.audit.layout import Piece
from thriftgate.audit.moments import micros
from thriftgate.audit.records import MALFORMED, NOT_A_CALL, NOT_BILLED, Depth, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError

_BROKEN = (OSError, EOFError, zlib.error, zstandard.ZstdError)
_UNBILLED = {
    "errored": "the item of the batch ended with an error",
    "canceled": "the item of the batch was canceled",
    "expired": "the item of the batch expired",
}


class _Result(Struct):
    type: str = ""
    message: Raw = Raw(NULL)


class _Line(Struct):
    """A result or a request, or several requests as they were posted."""

    custom_id: str | None = None
    result: _Result | None = None
    params: Raw = Raw(NULL)
    requests: list[Raw] | None = None
    created_at: Any = None
    ended_at: Any = None


class _Id(Struct):
    custom_id: str | None = None


class _Batch(Struct):
    id: str = ""
    created_at: Any = None
    ended_at: Any = None
    data: list[Raw] | None = None


class _Times(NamedTuple):
    """When the items of a batch ran, as far as it is known (microseconds since 1970; 0: not known)."""

    created_us: int
    ended_us: int


_LINE = msgspec.json.Decoder(_Line)
_ID = msgspec.json.Decoder(_Id)
_BATCH = msgspec.json.Decoder(_Batch)


class AnthropicBatches:
    """See `contract.Importer`."""

    id = "anthropic-batches"
    title = "Message Batches results and requests (JSONL)"
    depth: Depth = "body"
    input_includes_cache: bool | None = False
    cannot_know = (
        "when each call of a batch ran: all carry the time of the batch, or of the file where no batch lies beside it",
        "which requests belong to which results, where several beside them use the same ids: the name decides",
        "the prompts, where no file of requests lies beside the results",
    )

    def sniff(self, head: Head) -> bool:
        return _holds_results(head) or _holds_requests(head) or _holds_batch(head)

    def read(self, source: Source) -> Iterator[Record | Issue]:
        bodies: dict[str, bytes] = {}
        times = _Times(0, 0)
        if source.path is not None and _holds_results(source.head):
            requests, batches = _beside(source)
            bodies = _bodies(source, requests)
            times = _times(source, batches)
        for piece in source.values():
            where = source.where(piece.position)
            try:
                line = _LINE.decode(piece.data) if piece.whole else None
            except UNREADABLE:
                line = None
            if line is None:
                yield Issue(MALFORMED, where, "no JSON object, or one with fields of the wrong type")
            elif line.result is not None:
                yield _record(source, piece.position, line, bodies.get(line.custom_id or "", b""), times)
            else:
                for _ in line.requests or (None,):
                    yield Issue(NOT_A_CALL, where, "a request of a batch, or the batch itself: its results tell the usage")


def _holds_results(head: Head) -> bool:
    return {"custom_id", "result"} <= head.keys


def _holds_requests(head: Head) -> bool:
    posted = "requests" in head.keys and {"custom_id", "params"} <= head.inner_keys
    return posted or ({"custom_id", "params"} <= head.keys and "result" not in head.keys)


def _holds_batch(head: Head) -> bool:
    parts = {"processing_status", "request_counts"}
    return parts <= head.keys or ("data" in head.keys and parts <= head.inner_keys)


def _record(source: Source, position: int, line: _Line, body: bytes, times: _Times) -> Record | Issue:
    where = source.where(position)
    result = line.result or _Result()
    if result.type in _UNBILLED:
        return Issue(NOT_BILLED, where, _UNBILLED[result.type])
    if result.type != "succeeded":
        return Issue(MALFORMED, where, "an unknown kind of result")
    created = _moment(line.created_at) or times.created_us
    ended = _moment(line.ended_at) or times.ended_us
    base = Record(
        source=source.name,
        position=position,
        at_us=created or ended,
        ended_us=ended if ended >= created else 0,
        at_is_end=not created,
        model="",
        mode="batch",
        body=body,
    )
    found = record_of(base, bytes(result.message), where)
    if isinstance(found, Record) and not found.at_us:
        return Issue(NO_TIME, where, "neither the result nor anything beside it tells when the batch ran")
    return found


def _moment(value: object) -> int:
    try:
        return micros(value) if value is not None else 0
    except InputError:
        return 0


def _bodies(source: Source, beside: Sequence[Source]) -> dict[str, bytes]:
    """The request of each result. The first file that holds all of them is taken, most similar name first; where none does,
    what each of them holds."""
    if not beside:
        return {}
    wanted = {identity for identity in (_identity(piece.data) for piece in source.values()) if identity}
    name = Path(source.name).name
    bodies: dict[str, bytes] = {}
    for other in sorted(beside, key=lambda one: -SequenceMatcher(None, name, Path(one.name).name).ratio()):
        found = {identity: body for identity, body in _requests(other) if identity in wanted}
        if len(found) == len(wanted):
            return found
        bodies = found | bodies
    return bodies


def _requests(source: Source) -> Iterator[tuple[str, bytes]]:
    """Ids and bodies of a file of requests; what cannot be read is counted where the file itself is read."""
    for piece in _values(source):
        try:
            line = _LINE.decode(piece.data)
            items = [line] if line.requests is None else [_LINE.decode(raw) for raw in line.requests]
        except UNREADABLE:
            continue
        for item in items:
            if item.custom_id and bytes(item.params) != NULL:
                yield item.custom_id, bytes(item.params)


def _values(source: Source) -> Iterator[Piece]:
    """The values of a file beside the results, as far as it can be read."""
    try:
        yield from source.values()
    except _BROKEN:
        return


def _identity(data: bytes) -> str | None:
    try:
        return _ID.decode(data).custom_id
    except UNREADABLE:
        return None


def _times(source: Source, beside: Sequence[Source]) -> _Times:
    """From the batch object beside the results: the one whose id is in the name of the file, or the only one there is;
    else the date of the file, when the results were at the latest written."""
    found = [batch for other in beside for batch in _batches(other)]
    named = [batch for batch in found if batch.id and batch.id in source.name]
    chosen = named or (found if len(found) == 1 else [])
    if chosen:
        times = _Times(_moment(chosen[0].created_at), _moment(chosen[0].ended_at))
        if any(times):
            return times
    return _Times(0, source.path.stat().st_mtime_ns // 1000 if source.path is not None else 0)


def _batches(source: Source) -> Iterator[_Batch]:
    for piece in _values(source):
        try:
            batch = _BATCH.decode(piece.data)
            yield from [batch] if batch.data is None else [_BATCH.decode(raw) for raw in batch.data]
        except UNREADABLE:
            continue


def _beside(source: Source) -> tuple[list[Source], list[Source]]:
    """The files of requests and of batch objects in the same folder."""
    kinds: dict[str, list[Source]] = {"requests": [], "batch": [], "": []}
    for other in source.beside():
        if other.path is not None:
            kinds[_kind(other.path, other.path.stat().st_mtime_ns)].append(other)
    return kinds["requests"], kinds["batch"]


@lru_cache(maxsize=4096)
def _kind(path: Path, changed_ns: int) -> Literal["requests", "batch", ""]:
    """What a file beside results is, found out once while it does not change; "" where it cannot be read."""
    try:
        head = Source(path).head
    except _BROKEN:
        return ""
    if _holds_requests(head):
        return "requests"
    return "batch" if _holds_batch(head) else ""
