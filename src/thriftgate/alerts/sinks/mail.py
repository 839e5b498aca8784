"""Mail, by SMTP: `smtp://` plain, `starttls://` and `smtps://` encrypted; `user:password@` where the server asks for it."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote, urlsplit

from thriftgate.alerts.sinks.sink import Roads, Undelivered
from thriftgate.core.alerting.alert import Message
from thriftgate.core.alerting.message import Text
from thriftgate.core.errors import ConfigError, InputError

PORTS = {"smtp": 25, "starttls": 587, "smtps": 465}
_SOCKET_S = 10.0
_WHOLE_S = 45.0


class MailSink:
    """See `sink.Sink`. Raises ConfigError for a URL that is none of a mail server."""

    def __init__(self, url: str, sender: str, receivers: tuple[str, ...], roads: Roads) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in PORTS or not host:
            raise ConfigError("alerts.sinks: the URL of mail is smtp://, starttls:// or smtps://user:password@host:port")
        self._kind, self._host, self._port = parts.scheme, host, port or PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender = sender
        self._to = receivers
        self._roads = roads

    async def send(self, message: Message, text: Text) -> None:
        mail = EmailMessage()
        mail["Subject"] = text.subject  # one line of printable characters; EmailMessage refuses any other
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._to)
        mail["Date"] = formatdate(self._roads.clock.now_s())
        mail["Message-ID"] = f"<{message.id}@thriftgate>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's robot shall answer
        mail.set_content("\n".join([text.subject, "", *text.lines, "", text.link]).rstrip() + "\n")
        try:
            self._roads.receivers.check_host(self._host)
            found = await self._roads.receivers.find(self._host, self._port)
            async with asyncio.timeout(_WHOLE_S):
                await asyncio.to_thread(self._deliver, mail, found[0][4])
        except InputError:
            raise Undelivered("the mail server may not be sent to: see alerts.allow_hosts") from None
        except TimeoutError:
            raise Undelivered("the mail server does not answer") from None
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise Undelivered(type(error).__name__) from None

    def _deliver(self, mail: EmailMessage, address: tuple[Any, ...]) -> None:
        """In a thread of its own."""
        kind = _TlsFromTheStart if self._kind == "smtps" else _Pinned
        with kind(self._host, self._port, address) as server:
            if self._kind == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self._user:
                server.login(self._user, self._password)
            server.send_message(mail)


class _Pinned(smtplib.SMTP):
    """Connects to one address, whatever the name of the server may lead to by now."""

    def __init__(self, host: str, port: int, address: tuple[Any, ...], **more: Any) -> None:
        self._address = address
        super().__init__(host, port, local_hostname="thriftgate", timeout=_SOCKET_S, **more)

    def _get_socket(self, _host: str, _port: int, timeout: float) -> socket.socket:
        return socket.create_connection(self._address[:2], timeout)


class _TlsFromTheStart(smtplib.SMTP_SSL, _Pinned):  # in this order: TLS is put over the connection that is pinned
    def __init__(self, host: str, port: int, address: tuple[Any, ...]) -> None:
        self._address = address
        smtplib.SMTP_SSL.__init__(
            self, host, port, local_hostname="thriftgate", timeout=_SOCKET_S, context=ssl.create_default_context()
        )
