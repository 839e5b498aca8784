"""`thriftgate serve` as a process of its own: how it starts, how it does not, how it ends. Never a traceback."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.fixtures import HEADERS, PATIENCE_S, Running, assert_sound, books, client, message
from tests.gateway.test_messages import SSE_HEAD, chunk
from tests.scripted import Received, sse_events, upstream

EVENTS = sse_events()
STREAM = msgspec.json.encode(message(stream=True))


def failed(*arguments: str, verb: str = "serve", environ: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and stderr of a start that does not work; stdout stays empty."""
    done = subprocess.run(
        [sys.executable, "-m", "thriftgate", verb, *arguments],
        env={"PATH": "/usr/bin"} | (environ or {}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_port_that_is_taken(taken: int, tmp_path: Path) -> None:
    code, told = failed("--port", str(taken), "--ledger", str(tmp_path / "books.db"))
    assert (code, told) == (2, f"thriftgate: cannot listen on 127.0.0.1:{taken}: Address already in use\n")
    assert not (tmp_path / "books.db").exists()


def test_a_setting_nobody_knows(tmp_path: Path) -> None:
    config = tmp_path / "thriftgate.toml"
    config.write_text("[policy]\ncost_limit = 1")
    code, told = failed("--config", str(config))
    assert (code, told) == (2, "thriftgate: policy.cost_limit: unknown setting; did you mean 'cost_limit_usd'?\n")
    code, told = failed(environ={"THRIFTGATE_POLICY_COST_LIMIT_USD": "1"})
    assert code == 2
    assert "did you mean THRIFTGATE_POLICY__COST_LIMIT_USD?" in told


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--ledger", "/dev/full"), 1, "thriftgate: cannot open the ledger /dev/full: "),
        (
            ("--ledger", "postgresql://127.0.0.1:1/books"),
            1,
            "thriftgate: cannot open the ledger postgresql://127.0.0.1:1/books: ",
        ),
        (("--upstream", "nonsense"), 2, "thriftgate: upstream.url: 'nonsense' is not an http:// or https:// URL"),
        (("--config", "/no/such.toml"), 2, "thriftgate: cannot read the settings file /no/such.toml: No such file"),
        (("--port", "99999"), 2, "thriftgate: server.port: Input should be less than or equal to 65535"),
        (("--workers", "2"), 2, "thriftgate: server.workers: "),
        (("--host", "no-such-host.invalid"), 2, "thriftgate: cannot listen on no-such-host.invalid:0: "),
    ],
)
def test_what_cannot_work(arguments: tuple[str, ...], code: int, words: str) -> None:
    port = () if "--port" in arguments else ("--port", "0")
    got, told = failed(*port, *arguments, environ={"THRIFTGATE_LEDGER__PATH": ":memory:"})
    assert got == code
    assert words in told
    assert len(told.splitlines()) <= 2, told


def test_a_port_that_is_none_for_the_simulator() -> None:
    code, told = failed("--port", "99999", verb="simulate")
    assert code == 2
    assert told.startswith("thriftgate: cannot listen on 127.0.0.1:99999: ")


async def test_books_of_another_kind_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"these are my notes " * 100)
    code, told = await asyncio.to_thread(failed, "--port", "0", "--ledger", str(path))
    assert code == 1
    assert f"cannot open the ledger {path}: file is not a database" in told
    assert path.read_bytes() == b"these are my notes " * 100


async def test_a_second_gateway_on_the_same_books_does_not_take_the_firsts_calls_for_lost(tmp_path: Path) -> None:
    provider = Slow()
    path = tmp_path / "books.db"
    async with upstream(provider) as seen, client() as session:
        gateway = await asyncio.to_thread(serve, seen.url, path)
        try:
            async with session.post(f"{gateway.url}/v1/messages", data=STREAM, headers=HEADERS) as response:
                await provider.begun.wait()
                code, told = await asyncio.to_thread(failed, "--port", "0", "--ledger", str(path))
                provider.go_on.set()
                assert await response.read() == b"".join(EVENTS)
        finally:
            await asyncio.to_thread(gateway.stop)
    assert code == 1
    assert f"thriftgate: the ledger {path} is in use by another thriftgate; name another one" in told
    async with books(path) as ledger:
        assert [entry.outcome for entry in await ledger.entries()] == ["answered"]


class Slow:
    """A provider that streams all but the last event, then waits to be told."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()

    async def __call__(self, _request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE_HEAD + b"".join(chunk(event) for event in EVENTS[:-1]))
        await writer.drain()
        self.begun.set()
        await self.go_on.wait()
        writer.write(chunk(EVENTS[-1]) + b"0\r\n\r\n")


def serve(url: str, path: Path, **settings: str) -> Running:
    environ = {f"THRIFTGATE_{name}": value for name, value in settings.items()}
    return Running("serve", "--port", "0", "--upstream", url, "--ledger", str(path), environ=environ)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_stream_under_way_is_finished_and_booked(how: signal.Signals, tmp_path: Path) -> None:
    provider = Slow()
    async with upstream(provider) as seen, client() as session:
        gateway = await asyncio.to_thread(serve, seen.url, tmp_path / "books.db")
        try:
            async with session.post(f"{gateway.url}/v1/messages", data=STREAM, headers=HEADERS) as response:
                await provider.begun.wait()
                gateway.process.send_signal(how)
                await refused(session, gateway.url)
                provider.go_on.set()
                assert await response.read() == b"".join(EVENTS)
        finally:
            code = await asyncio.to_thread(gateway.stop)  # SIGTERM: a second SIGINT would not wait
    assert code in (-how, -signal.SIGTERM, 0, 130)
    assert "Traceback" not in gateway.stderr
    async with books(tmp_path / "books.db") as ledger:
        (entry,) = await ledger.entries()
        await assert_sound(ledger)
    assert (entry.outcome, entry.usage_source) == ("answered", "exact")


async def refused(session: aiohttp.ClientSession, url: str) -> None:
    """Wait until no new connection is taken."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with session.get(f"{url}/healthz"):
                    await asyncio.sleep(0.01)
            except aiohttp.ClientError:
                return


async def test_a_stream_that_does_not_end_is_cut_off_and_booked(tmp_path: Path) -> None:
    provider = Slow()
    limits = {"SERVER__SHUTDOWN_S": "0.2", "SERVER__DRAIN_S": "60"}
    async with upstream(provider) as seen, client() as session:
        gateway = await asyncio.to_thread(lambda: serve(seen.url, tmp_path / "books.db", **limits))
        try:
            async with session.post(f"{gateway.url}/v1/messages", data=STREAM, headers=HEADERS) as response:
                await provider.begun.wait()
                await asyncio.to_thread(gateway.stop)
                told = await response.read()
        finally:
            await asyncio.to_thread(gateway.stop, signal.SIGKILL)
    async with books(tmp_path / "books.db") as ledger:
        (entry,) = await ledger.entries()
        await assert_sound(ledger)
    assert told.startswith(b"".join(EVENTS[:-1]) + b"event: error\ndata: ")
    assert (entry.outcome, entry.usage_source) == ("left", "estimated")
    assert "Traceback" not in gateway.stderr
