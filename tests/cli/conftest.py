"""A command line in this process, and small books to ask."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.fixtures import HEADERS, TestClock, call_of, engine_on, message, read_all, simulator
from thriftgate.cli import main
from thriftgate.core.errors import ThriftgateError
from thriftgate.simulator import SimClock

HANDBOOK = "Answer briefly, and only from what the customer has told you. " * 120
MODEL = "claude-opus-5-5"


class Done(NamedTuple):
    """What a command did: exit code, standard output and error."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one JSON document on stdout."""
        return msgspec.json.decode(self.out)


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("report", "--json", stdin=b"")`."""

    def call(*arguments: str, stdin: bytes = b"") -> Done:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        return Done(int(str(ended.value.code)), captured.out, captured.err)

    return call


class Books(NamedTuple):
    """A ledger file, and the ids of its calls in order: written, read, streamed, refused."""

    path: str
    ids: tuple[str, ...]


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """Four calls ten seconds apart from 2026-11-21T12:00:00Z on; the last one refused, by another key."""
    path = tmp_path_factory.mktemp("books") / "ledger.db"
    return Books(str(path), asyncio.run(_four_calls(path)))


async def _four_calls(path: Path) -> tuple[str, ...]:
    provider = simulator(clock=SimClock.frozen())
    assert isinstance(provider.config.clock, SimClock)
    clock = TestClock(provider.config.clock)
    body = message(model=MODEL, system=HANDBOOK)
    async with engine_on(provider, clock=clock, ledger={"path": str(path)}) as engine:
        for stream in (False, False, True):
            await read_all(await engine.messages(call_of(body | {"stream": stream})))
            clock.advance(10)
        other = HEADERS | {"x-api-key": "sk-ant-sim-other-1"}
        with pytest.raises(ThriftgateError):
            await engine.messages(call_of(body, headers=other, cost_limit_pico=1))
        return tuple(entry.id for entry in await engine.ledger.entries())
