"""Whatever else Apprise knows, with the real library."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.alerts.receiving import NEAR, message, roads, texts
from tests.core.alerting.test_message import notice
from tests.scripted import Received, answering, raw_answer, upstream
from thriftgate.alerts.sinks import apprise
from thriftgate.alerts.sinks.apprise import AppriseSink
from thriftgate.alerts.sinks.sink import Undelivered
from thriftgate.core.errors import ConfigError

# Plug-ins of Apprise that nobody asked for import modules that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def near(url: str, path: str = "/hush") -> str:
    return f"json://127.0.0.1:{url.rpartition(':')[2]}{path}"


async def test_a_message_arrives() -> None:
    async with upstream(answering(b"{}")) as seen, roads(*NEAR) as there:
        sent = message()
        await AppriseSink(near(seen.url), there).send(sent, texts(sent))
        over = message(notice(why="resolved"))
        await AppriseSink(near(seen.url), there).send(over, texts(over))
    first, second = (msgspec.json.decode(one.body) for one in seen.requests)
    assert first["title"].startswith("[critical] a run has made 90 calls")
    assert first["type"] == "failure"
    assert "money: $12.50 an hour" in first["message"]
    assert second["type"] == "info"


async def test_what_is_not_taken_tells_no_url(capsys: pytest.CaptureFixture[str]) -> None:
    async with upstream(answering(b"{}", status=500)) as seen, roads(*NEAR) as there:
        sent = message()
        with pytest.raises(Undelivered, match="could not deliver") as error:
            await AppriseSink(near(seen.url), there).send(sent, texts(sent))
    assert "hush" not in "".join((str(error.value), *capsys.readouterr()))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "169.254.169.254"])
async def test_the_own_network_is_not_sent_to(host: str) -> None:
    async with upstream(answering(b"{}")) as seen, roads() as there:
        sent = message()
        sink = AppriseSink(f"json://{host}:{seen.url.rpartition(':')[2]}/", there)
        with pytest.raises(Undelivered):
            await sink.send(sent, texts(sent))
        assert seen.connections == 0


async def test_a_receiver_that_is_slow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise, "_WHOLE_S", 0.2)
    gate = asyncio.Event()

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(raw_answer(b"{}"))

    async with upstream(script) as seen, roads(*NEAR) as there:
        sent = message()
        sink = AppriseSink(near(seen.url), there)
        with pytest.raises(Undelivered, match="no answer within"):
            await sink.send(sent, texts(sent))
        with pytest.raises(Undelivered, match="has not ended yet"):
            await sink.send(sent, texts(sent))
        gate.set()
        running: Any = sink._running
        await asyncio.wait_for(asyncio.wrap_future(running), 10)
        await sink.send(sent, texts(sent))
        assert len(seen.requests) == 2


async def test_urls_that_apprise_does_not_know() -> None:
    async with roads() as there:
        with pytest.raises(ConfigError, match="does not know this URL") as error:
            AppriseSink("nonsense://hush", there)
        assert "hush" not in str(error.value)


async def test_services_with_a_host_of_their_own_are_not_looked_at() -> None:
    """What Telegram's URL has in the place of a host is a bot's number."""
    async with roads() as there:
        await AppriseSink("tgram://123456789:abcdefg_hijklmnop/12315544/", there)._look()
        with pytest.raises(Undelivered):
            await AppriseSink("mailto://u:p@example.org?smtp=127.0.0.1&to=a@example.org", there)._look()
