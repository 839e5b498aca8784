"""One free question to each target, with its own credentials: is it there, and how long does it take?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from thriftgate.clock import Clock, SystemClock
from thriftgate.core.errors import ThriftgateError, UpstreamError
from thriftgate.core.governing.refusals import error_in
from thriftgate.core.health.faults import fault_in, fault_of
from thriftgate.engine.build import transport_of
from thriftgate.engine.targets import Target
from thriftgate.pricing.load import load_models
from thriftgate.providers.finishing import FinishingTransport
from thriftgate.providers.transport import Headers, Outgoing, Timeouts, Transport
from thriftgate.settings import Settings

CHEAP_MODEL = "claude-haiku-5-5"
MODELS = "/v1/models"
READ_S = 30.0
TOLD_MAX = 300
_HEADERS: Headers = ((b"anthropic-version", b"2023-06-01"), (b"content-type", b"application/json"))


class Heard(Struct, frozen=True):
    """What came of the question. `kind` is what is wrong, in the words of health; `detail` what the target says of it."""

    ok: bool
    latency_ms: int
    asked: str
    status: int = 0
    kind: str = ""
    detail: str = ""


async def ask_all(targets: Sequence[Target], settings: Settings) -> dict[str, Heard]:
    """What each of them answers, by name; all are asked at once."""
    clock = SystemClock()
    transport = FinishingTransport(transport_of(settings.upstream), clock)
    timeouts = Timeouts(settings.upstream.connect_timeout_s, READ_S)
    try:
        heard = await asyncio.gather(*(_ask(target, transport, timeouts, clock) for target in targets))
    finally:
        await transport.close()
    return {target.name: one for target, one in zip(targets, heard, strict=True)}


async def _ask(target: Target, transport: Transport, timeouts: Timeouts, clock: Clock) -> Heard:
    path = target.provider.count_path or MODELS
    began_s = clock.monotonic_s()

    def since_ms() -> int:
        return round((clock.monotonic_s() - began_s) * 1000)

    try:
        incoming = await transport.send(question(target), timeouts)
        try:
            body = await incoming.read()
        finally:
            incoming.close()
    except ThriftgateError as error:
        fault = fault_in(error) if isinstance(error, UpstreamError) else None
        return Heard(False, since_ms(), path, kind=fault.kind if fault is not None else "", detail=str(error)[:TOLD_MAX])
    if incoming.status == 200:
        return Heard(True, since_ms(), path, 200)
    fault = fault_of(incoming.status, body)
    said = error_in(body).message or body[:TOLD_MAX].decode("utf-8", "replace")
    return Heard(False, since_ms(), path, incoming.status, fault.kind if fault is not None else "", said[:TOLD_MAX])


def question(target: Target) -> Outgoing:
    """Counting where that is free, else a list of models."""
    provider = target.provider
    if not provider.count_path:
        return provider.prepare("GET", MODELS, "", _HEADERS, b"")
    known = [row.id for row in load_models().rows if target.has(row.id)]
    model = CHEAP_MODEL if target.has(CHEAP_MODEL) else next(iter(target.serves or known), CHEAP_MODEL)
    body = msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": "hello there"}]})
    return provider.prepare("POST", provider.count_path, "", _HEADERS, body)
