"""Streams to be read: taken from the simulator, and written by hand where the API does what the simulator does not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import cache
from random import Random
from typing import Any

import msgspec

from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig
from thriftgate.wire.dialect import Meter
from thriftgate.wire.meter import Reading, StreamMeter

LINE_ENDS = (b"\n", b"\r\n", b"\r")
HEADERS = ((b"x-api-key", b"sk-ant-sim-test-1"), (b"anthropic-version", b"2023-06-01"))
MARK = {"type": "ephemeral"}
LONG = "word " * 2_000

ASKED: dict[str, dict[str, Any]] = {
    "plain": {},
    "long": {"messages": [{"role": "user", "content": "[[sim: out=300]] tell me"}]},
    "cached": {"system": [{"type": "text", "text": LONG, "cache_control": MARK}]},
    "an hour": {"system": [{"type": "text", "text": LONG, "cache_control": MARK | {"ttl": "1h"}}], "cache_control": MARK},
    "thinking": {"thinking": {"type": "adaptive"}, "messages": [{"role": "user", "content": "[[sim: think=40]] why?"}]},
    "tools": {
        "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}],
        "messages": [{"role": "user", "content": "[[sim: tool=look]] look"}],
    },
    "search": {
        "tools": [{"type": "web_search_20250305", "name": "web_search", "cache_control": MARK}],
        "system": LONG,
        "messages": [{"role": "user", "content": "[[sim: search=weather]] find"}],
    },
    "refusal": {"messages": [{"role": "user", "content": "[[sim: refuse=bio]] no"}]},
    "cut short": {"max_tokens": 3},
}


@cache
def simulated(name: str, *, stream: bool) -> bytes:
    """The body of the simulator's answer to one of `ASKED`."""
    asked: dict[str, Any] = {"model": "claude-opus-4-8", "max_tokens": 500, "stream": stream}
    asked["messages"] = [{"role": "user", "content": "hello there"}]

    async def ask() -> bytes:
        simulator = Simulator(SimulatorConfig(clock=SimClock.frozen(), tokenizer="estimate", instance_id="streams"))
        transport = AsgiTransport(simulator)
        body = msgspec.json.encode(asked | ASKED[name])
        incoming = await transport.send(Outgoing("POST", "http://simulator.invalid/v1/messages", HEADERS, body), Timeouts())
        answer = await incoming.read()
        assert incoming.status == 200, answer
        await transport.close()
        return answer

    return asyncio.run(ask())


def event(kind: str, end: bytes = b"\n", **members: Any) -> bytes:
    """One event as the API writes it."""
    data = msgspec.json.encode({"type": kind, **members})
    return b"event: " + kind.encode() + end + b"data: " + data + end + end


def stream(*events: tuple[str, dict[str, Any]], end: bytes = b"\n") -> bytes:
    return b"".join(event(kind, end, **members) for kind, members in events)


def pieces(data: bytes, random: Random) -> Iterable[bytes]:
    """The data cut at random places, empty pieces included."""
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.randint(0, 12)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def metered(chunks: Iterable[bytes], meter: Meter | None = None) -> Reading:
    meter = meter or StreamMeter()
    for chunk in chunks:
        meter.feed(chunk)
    return meter.reading()


def single_bytes(data: bytes) -> Sequence[bytes]:
    return [data[at : at + 1] for at in range(len(data))]
