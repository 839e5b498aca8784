"""Receivers for alerts: a web server that notes what it is sent, a mail server, a sink that does as it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from tests.batch.test_webhooks import verified as checked
from tests.core.alerting.test_message import notice
from tests.fixtures import TestClock
from tests.scripted import Received
from thriftgate.alerts.sinks.sink import Roads, Undelivered
from thriftgate.core.alerting.alert import Message, Notice, Sighting
from thriftgate.core.alerting.message import Text, text_of
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.receivers import Receivers

NEAR = ("127.0.0.1",)
HOSTILE = "evil\r\nBcc: all@corp.example\r\n\r\n<!channel> <https://evil.example|click> @here &amp; *b* \x1b[31m\u202e"


@contextlib.asynccontextmanager
async def roads(*allowed: str) -> AsyncIterator[Roads]:
    receivers = Receivers(allowed)
    transport = Http1Transport(find=receivers.find)
    try:
        yield Roads(transport, receivers, TestClock(), "https://gate.example")
    finally:
        await transport.close()


def message(*notices: Notice, tries: int = 1) -> Message:
    return Message("tga_1_1", "ops", notices or (notice(),), tries)


def texts(one: Message) -> Text:
    return text_of(one, "https://gate.example")


def sighting(name: str = "s", **members: Any) -> Sighting:
    values: dict[str, Any] = {"signature": name, "kind": "loop", "sentence": f"about {name}", "level": 1.0}
    return Sighting(**values | members)


def verified(request: Received, secret: bytes) -> dict[str, Any]:
    """What a webhook tells, checked as the specification tells receivers to."""
    data: dict[str, Any] = checked(request, secret)
    assert data["id"] == request.header("webhook-id")
    return data


class Sheet:
    """A sink that notes what it is sent, and fails as often as it is told."""

    def __init__(self, *, fails: int = 0) -> None:
        self.fails = fails
        self.sent: list[tuple[Message, Text]] = []
        self.tried = 0

    async def send(self, message: Message, text: Text) -> None:
        self.tried += 1
        if self.fails:
            self.fails -= 1
            raise Undelivered("told to fail")
        self.sent.append((message, text))


@dataclass
class Post:
    """What a mail server took."""

    port: int = 0
    mails: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def post_office(*, refuse: bool = False) -> AsyncIterator[Post]:
    """A mail server: enough of RFC 5321 to take a mail."""
    post = Post()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(*lines: str) -> None:
            writer.write("".join(f"{line}\r\n" for line in lines).encode())

        say("220 post office")
        while line := (await reader.readline()).decode().strip():
            post.commands.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                say("250-post", "250-AUTH PLAIN", "250 SIZE 1000000")
            elif verb == "AUTH":
                say("235 welcome")
            elif verb == "DATA":
                say("354 go on")
                lines = []
                while (text := await reader.readline()) != b".\r\n":
                    lines.append(text)
                post.mails.append(b"".join(lines))
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                break
            elif verb == "RCPT" and refuse:
                say("550 nobody here")
            else:
                say("250 ok")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()
