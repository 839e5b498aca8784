"""How calls of an evaluation are made: what a sender is, and what it brings back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.quality.answers import Stored

Keep = Callable[[Sequence[Stored]], None]
"""Takes answers that have come; they are safe when it returns."""


class Sender(Protocol):
    """One way to make calls. Both verbs hand answers to `keep` before they return, and return why others have none, by key.
    They raise ThriftgateError where something must be mended first; the same command then goes on."""

    async def left_over(self, keep: Keep, limit_pico: int | None) -> Mapping[str, str]:
        """Go on with what an earlier process has begun to send, and bring home what it has paid for."""

    async def send(self, bodies: Mapping[str, bytes], keep: Keep, limit_pico: int | None) -> Mapping[str, str]:
        """Make these calls, by key. With a limit nothing is sent that could cost more than that in all."""


class _Error(Struct):
    type: str = ""
    message: str = ""


class _Refusal(Struct):
    error: _Error = msgspec.field(default_factory=_Error)


def stored(key: str, message: bytes, entry: Entry | None) -> Stored:
    """An answer as it is kept. Of a batch no latency is known: it ended when all of it had."""
    if entry is None:  # the books hold it under a name that was not told
        return Stored(key, message)
    return Stored(
        key,
        message,
        entry.mode,
        entry.id,
        -entry.posted(UPSTREAM),
        entry.posted(BASELINE),
        0 if entry.mode == "batch" else entry.latency_ms,
        entry.settled_us,
    )


def why_refused(body: bytes | Raw, otherwise: str) -> str:
    """What the provider says in the body of an error."""
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return otherwise
    return f"{error.type}: {error.message}" if error.type else otherwise
