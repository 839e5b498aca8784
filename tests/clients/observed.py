"""Gateway and simulator on loopback, in this process: on one clock that a test moves, and with all that passes through kept.

The client's side and the provider's side of the gateway are recorded byte for byte, so that what a client sent can be laid
beside what left.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.clients.stack import Books, check_books, read_books
from tests.fixtures import TestClock, serving, settings_of
from thriftgate.clock import Clock
from thriftgate.engine.build import build_engine
from thriftgate.gateway.app import Gateway
from thriftgate.settings import Settings
from thriftgate.simulator import CacheRules, Simulator, SimulatorConfig

MESSAGES = "/v1/messages"
SEED = 1
FIRST_BYTE_S = 4.0  # simulated seconds from a call to the first byte of its answer
# Without levers every body leaves as it came; parallel calls on a cold prefix still wait for the first of them, which makes
# the comparison repeatable and passing through no dearer than it is.
PASS_THROUGH: dict[str, dict[str, Any]] = {"policy": {"levers": ()}}
MARK = re.compile(rb',?"cache_control":\{[^{}]*\}')
TTL = re.compile(rb',?"ttl":"(?:5m|1h)"')


@dataclass
class Exchange:
    """One request, `asked` its headers, and its answer."""

    method: str
    path: str
    asked: dict[str, str]
    body: bytes = b""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""

    @property
    def is_call(self) -> bool:
        return (self.method, self.path) == ("POST", MESSAGES)

    def document(self) -> dict[str, Any]:
        """The request's body."""
        document: dict[str, Any] = msgspec.json.decode(self.body)
        return document


def _text(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


class Recorder:
    """An ASGI layer that changes nothing and keeps everything. `begins` is called before a call's answer begins."""

    def __init__(self, app: Any, begins: Callable[[], object] = lambda: None) -> None:
        self.exchanges: list[Exchange] = []
        self._app = app
        self._begins = begins

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope["method"], scope["path"], _text(scope["headers"]))
        self.exchanges.append(exchange)

        async def received() -> Any:
            message = await receive()
            exchange.body += message.get("body", b"")
            return message

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                if exchange.is_call:
                    self._begins()
                exchange.status = message["status"]
                exchange.headers = _text(message["headers"])
            else:
                exchange.answer += message.get("body", b"")
            await send(message)

        await self._app(scope, received, sent)


class ClockedGateway:
    """The gateway on a clock that is not the machine's. Its engine is built in the loop it will live in."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._gateway: Gateway | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self._gateway = Gateway(self._settings, await build_engine(self._settings, clock=self._clock))
        assert self._gateway is not None
        await self._gateway(scope, receive, send)


class Passed(NamedTuple):
    """A call as the client made it and as it left the gateway, both with their answers."""

    sent: Exchange
    left: Exchange


class Observed:
    """Both servers, up; after the block, what came of it."""

    def __init__(self, url: str, clock: TestClock, simulator: Simulator, face: Recorder, provider: Recorder) -> None:
        self.url = url
        self.clock = clock
        self._simulator = simulator
        self._face = face
        self._provider = provider
        self.books = Books([], [], [])

    @property
    def cost(self) -> Decimal:
        """USD, by the simulator's own bill."""
        return self._simulator.bill.total

    def bill(self) -> dict[str, Any]:
        return self._simulator.bill.document()

    def tokens(self) -> dict[str, int]:
        """The bill's tokens, by what they were billed as."""
        kinds = ("input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens", "output_tokens")
        usages = [call["usage"] for call in self.bill()["calls"]]
        return {kind.removesuffix("_tokens"): sum(usage[kind] for usage in usages) for kind in kinds}

    def left(self) -> list[Exchange]:
        """All calls as the provider got them, in their order."""
        return [one for one in self._provider.exchanges if one.is_call]

    def passed(self) -> list[Passed]:
        """All calls in the order they were made; the two sides of one bear the same id of the provider."""
        sides = [[one for one in side.exchanges if one.is_call] for side in (self._face, self._provider)]
        left = {one.headers["request-id"]: one for one in sides[1]}
        assert len(sides[0]) == len(sides[1]) == len(left)
        return [Passed(one, left[one.headers["request-id"]]) for one in sides[0]]


@contextlib.contextmanager
def observed(folder: Path, *, rules: CacheRules | None = None, **tables: dict[str, Any]) -> Iterator[Observed]:
    """Serve until the end of the block; then the books are read and held against the bill. `tables` are settings."""
    clock = TestClock()
    simulator = Simulator(SimulatorConfig(seed=SEED, clock=clock.time, rules=rules or CacheRules()))
    provider = Recorder(simulator, lambda: clock.advance(FIRST_BYTE_S))
    path = folder / "books.db"
    with serving(provider) as upstream_url:
        settings = settings_of(**{"upstream": {"url": upstream_url}, "ledger": {"path": str(path)}} | tables)
        face = Recorder(ClockedGateway(settings, clock))
        with serving(face) as url:
            seen = Observed(url, clock, simulator, face, provider)
            yield seen
    seen.books = asyncio.run(read_books(path))
    check_books(seen.books, seen.bill())


async def straight(exchange: Exchange) -> Exchange:
    """The client's own bytes to another simulator, with no gateway between. It has the same seed, so it can read what the
    first one signed."""
    record = Recorder(Simulator(SimulatorConfig(seed=SEED, clock=TestClock().time)))
    headers = [(name.encode(), value.encode()) for name, value in exchange.asked.items()]

    async def receive() -> Any:
        return {"type": "http.request", "body": exchange.body, "more_body": False}

    async def send(_message: Any) -> None:
        return

    scope = {"type": "http", "method": exchange.method, "path": exchange.path, "query_string": b"", "headers": headers}
    await record(scope, receive, send)
    return record.exchanges[0]


# --- what may differ between the two sides -------------------------------------------------------------------------------


def without_lives(body: bytes) -> bytes:
    """The body without the lives of its breakpoints; all the rest byte for byte."""
    return MARK.sub(lambda found: TTL.sub(b"", found.group()), body)


def without_marks(document: dict[str, Any]) -> dict[str, Any]:
    """Everything but breakpoints. A plain string and the one text block it stands for are the same."""
    bare: dict[str, Any] = _bare(document)
    for message in bare["messages"]:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    return bare


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bare(member) for name, member in value.items() if name != "cache_control"}
    return [_bare(member) for member in value] if isinstance(value, list) else value


def lives(document: dict[str, Any]) -> list[str]:
    """The lives of all breakpoints, in the order in which the provider reads them."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, list):
            for member in value:
                look(member)
        elif isinstance(value, dict):
            look(value.get("content"))
            if isinstance(mark := value.get("cache_control"), dict):
                found.append(mark.get("ttl", "5m"))

    for section in ("tools", "system", "messages"):
        look(document.get(section))
    look({name: document[name] for name in ("cache_control",) if name in document})
    return found


def member(body: bytes, name: str) -> bytes:
    """A member of a document, as its bytes stand there."""
    return bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])[name])


def check_untouched(passed: Passed, *, mode: str) -> None:
    """What no mode may touch: `system` and `tools` but for breakpoints, every message, the rest of the body, the answer; and
    what the provider asks of breakpoints. Beyond that, `ttl-only` changes lives alone, and no mode (`""`) not one byte."""
    sent, left = passed
    before, after = sent.document(), left.document()
    assert list(before) == list(after)
    assert msgspec.json.encode(without_marks(after)) == msgspec.json.encode(without_marks(before))
    found = lives(after)
    assert len(found) <= 4
    assert found == sorted(found), "1h stands before 5m"
    if not mode:
        assert left.body == sent.body
    if mode == "ttl-only":
        assert without_lives(left.body) == without_lives(sent.body)
    for name in ("system", "tools"):
        assert MARK.sub(b"", member(left.body, name)) == MARK.sub(b"", member(sent.body, name))
    assert (left.status, left.answer) == (sent.status, sent.answer)
