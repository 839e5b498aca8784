"""Webhooks and Slack, to real receivers: signed, never led astray, and no name does more than be shown."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import msgspec
import pytest

from tests.alerts.receiving import HOSTILE, NEAR, message, roads, texts, verified
from tests.core.alerting.test_message import notice
from tests.scripted import Received, answering, raw_answer, upstream
from thriftgate.alerts.sinks import posting
from thriftgate.alerts.sinks.posting import ALERTS_MAX, SlackSink, WebhookSink
from thriftgate.alerts.sinks.sink import Undelivered

SECRET = b"a secret of some length"


async def test_a_receiver_can_check_who_tells_it_and_what() -> None:
    async with upstream(answering(b"{}")) as seen, roads(*NEAR) as there:
        sent = message()
        await WebhookSink(f"{seen.url}/hooks/7?x=1", SECRET, there).send(sent, texts(sent))
    (request,) = seen.requests
    assert request.line == "POST /hooks/7?x=1 HTTP/1.1"
    data = verified(request, SECRET)
    assert data["subject"].startswith("[critical] a run has made 90 calls")
    assert data["link"] == "https://gate.example/thriftgate/dashboard/alerts"
    (alert,) = data["alerts"]
    assert alert["usd_per_h"] == "12.5"
    assert alert["labels"] == ["key=key_1", "team=search"]
    assert alert["since"] == "2026-11-21T12:00:00.000Z"
    with pytest.raises(AssertionError):
        verified(request, b"another")


async def test_a_digest_is_bounded() -> None:
    async with upstream(answering(b"{}")) as seen, roads(*NEAR) as there:
        many = message(*(notice(n) for n in range(1000)))
        await WebhookSink(seen.url, SECRET, there).send(many, texts(many))
    data = verified(seen.requests[0], SECRET)
    assert (data["count"], len(data["alerts"])) == (1000, ALERTS_MAX)


async def test_slack_shows_names_and_does_nothing_with_them() -> None:
    async with upstream(answering(b"ok")) as seen, roads(*NEAR) as there:
        sent = message(notice(sentence=HOSTILE, labels=(f"team={HOSTILE}",), rule=HOSTILE, evidence=(HOSTILE,)))
        await SlackSink(f"{seen.url}/services/T/B/x", there).send(sent, texts(sent))
    payload = msgspec.json.decode(seen.requests[0].body)
    assert not any(one in payload["text"] for one in ("<", ">"))
    assert (payload["mrkdwn"], payload["unfurl_links"], payload["unfurl_media"]) == (False, False, False)
    for block in payload["blocks"]:
        assert block["text"]["type"] == "plain_text"
        assert not block["text"]["emoji"]
    assert all(one.isprintable() for one in payload["text"])
    assert all(line.isprintable() for line in payload["blocks"][1]["text"]["text"].split("\n"))


async def test_slack_takes_no_more_than_so_much() -> None:
    async with upstream(answering(b"ok")) as seen, roads(*NEAR) as there:
        sent = message(*(notice(n, sentence="x" * 400) for n in range(50)))
        await SlackSink(seen.url, there).send(sent, texts(sent))
    header, section = msgspec.json.decode(seen.requests[0].body)["blocks"]
    assert len(header["text"]["text"]) <= 150
    assert len(section["text"]["text"]) <= 3000


@pytest.mark.parametrize("status", [400, 404, 429, 500])
async def test_what_is_not_taken(status: int) -> None:
    async with upstream(answering(b"{}", status=status)) as seen, roads(*NEAR) as there:
        sent = message()
        with pytest.raises(Undelivered, match=f"status {status}"):
            await WebhookSink(seen.url, SECRET, there).send(sent, texts(sent))


async def test_a_redirect_is_not_followed() -> None:
    async with upstream(answering(b"{}")) as elsewhere:
        script = answering(b"{}", status=307, headers=(f"location: {elsewhere.url}/x",))
        async with upstream(script) as seen, roads(*NEAR) as there:
            sent = message()
            with pytest.raises(Undelivered, match="status 307"):
                await SlackSink(seen.url, there).send(sent, texts(sent))
        assert len(seen.requests) == 1
        assert not elsewhere.requests


async def test_the_own_network_is_not_sent_to() -> None:
    async with upstream(answering(b"{}")) as inside, roads() as there:
        port = inside.url.rpartition(":")[2]
        sent = message()
        for url in (inside.url, f"https://localhost:{port}/", f"https://127.0.0.1:{port}/", f"https://0x7f.1:{port}/",
                    "https://169.254.169.254/latest/meta-data/iam/"):  # fmt: skip
            with pytest.raises(Undelivered):
                await WebhookSink(url, SECRET, there).send(sent, texts(sent))
        assert inside.connections == 0


async def test_one_whom_nobody_reaches() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with roads(*NEAR) as there:
            sent = message()
            with pytest.raises(Undelivered, match="Unreachable"):
                await SlackSink(f"http://127.0.0.1:{nobody.getsockname()[1]}/secret", there).send(sent, texts(sent))


async def test_a_receiver_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "_WHOLE_S", 0.2)

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(100):
            writer.write(b"x-more: y\r\n")
            await asyncio.sleep(0.02)

    async with upstream(script) as seen, roads(*NEAR) as there:
        sent = message()
        with pytest.raises(Undelivered, match="no answer within"):
            await SlackSink(seen.url, there).send(sent, texts(sent))


async def test_an_answer_without_end_is_not_read() -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_answer(b"", headers=("transfer-encoding: chunked",)).replace(b"content-length: 0\r\n", b""))
        while not writer.is_closing():
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0)

    async with upstream(script) as seen, roads(*NEAR) as there:
        sent = message()
        async with asyncio.timeout(5):
            await SlackSink(seen.url, there).send(sent, texts(sent))


async def test_errors_tell_no_url(capsys: pytest.CaptureFixture[str]) -> None:
    async with roads(*NEAR) as there:
        sent = message()
        urls: list[Any] = ["https://127.0.0.1:9/T/B/hush", "http://10.1.2.3/hush", "https://hook.invalid/hush", "hush"]
        for url in urls:
            with pytest.raises(Undelivered) as error:
                await WebhookSink(url, SECRET, there).send(sent, texts(sent))
            assert "hush" not in str(error.value)
    assert "hush" not in "".join(capsys.readouterr())
