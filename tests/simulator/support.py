"""Helpers of the simulator's tests: a simulator with a frozen clock, and an in-process ASGI client."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from thriftgate.simulator import SimClock, Simulator, SimulatorConfig
from thriftgate.simulator.errors import BINDING_CONTROLS
from thriftgate.simulator.identity import Caller

KEY = "sk-ant-sim-test-1"
CALLER = Caller("sim", "test", "k")
VERSION = "2023-06-01"
BINDING = {"x-api-key": KEY, "anthropic-version": VERSION, "anthropic-beta": BINDING_CONTROLS}
OPUS = "claude-opus-5-5"
MODEL = "claude-opus-4-8"  # thinks only when asked: short, plain answers
WORDS = "alpha beta gamma delta "


def simulator(**settings: Any) -> Simulator:
    """A simulator with a frozen clock, the estimator, and fixed ids."""
    values: dict[str, Any] = {"seed": 1, "clock": SimClock.frozen(), "tokenizer": "estimate", "instance_id": "test"}
    return Simulator(SimulatorConfig(**values | settings))


def exact(text: str, family: str) -> int:
    """A tokenizer for examples with round figures: one token per character."""
    del family
    return len(text)


def body(**members: Any) -> dict[str, Any]:
    """A small valid Messages body."""
    base: dict[str, Any] = {"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": "hello there"}]}
    return base | members


def text(value: str, ttl: str | None = None) -> dict[str, Any]:
    """A text block, with a breakpoint if `ttl` is given."""
    block: dict[str, Any] = {"type": "text", "text": value}
    if ttl:
        block["cache_control"] = {"type": "ephemeral", "ttl": ttl}
    return block


@dataclass
class Answer:
    """What came back over ASGI."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    broke: Exception | None = None

    @property
    def raw(self) -> bytes:
        """The body."""
        return b"".join(self.chunks)

    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.raw)

    def events(self) -> list[dict[str, Any]]:
        """The payloads of the SSE events."""
        parts = [part for part in self.raw.decode().split("\n\n") if part]
        return [msgspec.json.decode(part.split("\ndata: ", 1)[1]) for part in parts]


async def call(
    app: Simulator,
    method: str,
    path: str,
    content: Any = None,
    *,
    headers: dict[str, str] | None = None,
    leave_after: int | None = None,
) -> Answer:
    """One request. `headers` None means key and version; `leave_after` = chunks after which the client disconnects."""
    sent = {"x-api-key": KEY, "anthropic-version": VERSION} if headers is None else headers
    raw = content if isinstance(content, bytes) else (b"" if content is None else msgspec.json.encode(content))
    url = urlsplit(path)
    answer = Answer()
    gone = asyncio.Event()
    inbox: list[dict[str, Any]] = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if inbox:
            return inbox.pop(0)
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.chunks.append(message["body"])
            if leave_after is not None and len(answer.chunks) >= leave_after:
                gone.set()
                await asyncio.sleep(0)

    scope = {
        "type": "http",
        "method": method,
        "path": url.path,
        "query_string": url.query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
    }
    try:
        await app(scope, receive, send)
    except Exception as problem:  # noqa: BLE001  the test looks at it
        answer.broke = problem
    return answer


BATCHES = "/v1/messages/batches"


async def post_batch(app: Simulator, requests: list[dict[str, Any]]) -> dict[str, Any]:
    """Creates a batch and gives its MessageBatch."""
    reply = await call(app, "POST", BATCHES, {"requests": requests})
    assert reply.status == 200, reply.raw
    shown: dict[str, Any] = reply.json()
    return shown


def items(count: int, **members: Any) -> list[dict[str, Any]]:
    """The requests of a batch of small items."""
    return [
        {
            "custom_id": f"job-{number}",
            "params": body(**({"messages": [{"role": "user", "content": f"item {number}"}]} | members)),
        }
        for number in range(count)
    ]


async def ask(app: Simulator, content: dict[str, Any], **more: Any) -> Answer:
    """POST /v1/messages."""
    return await call(app, "POST", "/v1/messages", content, **more)


def advance(app: Simulator, seconds: float) -> None:
    """Moves the simulator's clock."""
    clock = app.config.clock
    assert isinstance(clock, SimClock)
    clock.advance(seconds)
