"""Mail, to a real server."""

from __future__ import annotations

import base64
from email import message_from_bytes, policy

import pytest

from tests.alerts.receiving import HOSTILE, NEAR, message, post_office, roads, texts
from tests.core.alerting.test_message import notice
from thriftgate.alerts.sinks.mail import MailSink
from thriftgate.alerts.sinks.sink import Undelivered
from thriftgate.core.errors import ConfigError

TO = ("ops@corp.example", "on-call@corp.example")


async def test_a_mail_arrives() -> None:
    async with post_office() as post, roads(*NEAR) as there:
        sink = MailSink(f"smtp://127.0.0.1:{post.port}", "thriftgate@corp.example", TO, there)
        sent = message()
        await sink.send(sent, texts(sent))
    mail = message_from_bytes(post.mails[0], policy=policy.default)
    assert mail["Subject"] == "[critical] a run has made 90 calls in a row (key=key_1, team=search)"
    assert mail["To"] == "ops@corp.example, on-call@corp.example"
    assert mail["Message-ID"] == "<tga_1_1@thriftgate>"
    assert mail["Auto-Submitted"] == "auto-generated"
    body = mail.get_content()
    assert "money: $12.50 an hour" in body
    assert "https://gate.example/thriftgate/dashboard/alerts" in body
    assert [one.lower() for one in post.commands if one.lower().startswith("rcpt")] == [
        "rcpt to:<ops@corp.example>",
        "rcpt to:<on-call@corp.example>",
    ]


async def test_it_logs_in_where_it_is_told_to() -> None:
    async with post_office() as post, roads(*NEAR) as there:
        sent = message()
        url = f"smtp://me%40corp:p%2Fw@127.0.0.1:{post.port}"
        await MailSink(url, "a@b.example", TO, there).send(sent, texts(sent))
    (said,) = [one for one in post.commands if one.startswith("AUTH PLAIN")]
    assert base64.b64decode(said.split()[-1]) == b"\0me@corp\0p/w"


async def test_names_write_no_headers() -> None:
    async with post_office() as post, roads(*NEAR) as there:
        sent = message(notice(sentence=HOSTILE, labels=(f"team={HOSTILE}",), rule=HOSTILE, evidence=(f".\r\n{HOSTILE}",)))
        await MailSink(f"smtp://127.0.0.1:{post.port}", "a@b.example", TO, there).send(sent, texts(sent))
    mail = message_from_bytes(post.mails[0], policy=policy.default)
    assert mail["Bcc"] is None
    assert set(mail.keys()) == {
        "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version",
    }  # fmt: skip
    assert len(post.mails) == 1
    assert not [one for one in post.commands if "<all@" in one]


async def test_a_server_that_refuses_and_one_that_is_not_there() -> None:
    sent = message()
    async with post_office(refuse=True) as post, roads(*NEAR) as there:
        url = f"smtp://u:hush@127.0.0.1:{post.port}"
        with pytest.raises(Undelivered, match="SMTPRecipientsRefused") as error:
            await MailSink(url, "a@b.example", TO, there).send(sent, texts(sent))
        assert "hush" not in str(error.value)
    async with roads(*NEAR) as there:
        with pytest.raises(Undelivered, match="ConnectionRefusedError"):
            await MailSink(url, "a@b.example", TO, there).send(sent, texts(sent))


async def test_the_own_network_is_not_sent_to() -> None:
    sent = message()
    async with post_office() as post, roads() as there:
        for host in ("127.0.0.1", "localhost", "2130706433"):
            with pytest.raises(Undelivered):
                await MailSink(f"smtp://{host}:{post.port}", "a@b.example", TO, there).send(sent, texts(sent))
        assert not post.commands


async def test_a_server_that_speaks_no_tls_is_told_nothing() -> None:
    sent = message()
    async with post_office() as post, roads(*NEAR) as there:
        for kind in ("starttls", "smtps"):
            with pytest.raises(Undelivered):
                await MailSink(f"{kind}://u:p@127.0.0.1:{post.port}", "a@b.example", TO, there).send(sent, texts(sent))
        assert not [one for one in post.commands if one.startswith(("AUTH", "mail"))]


@pytest.mark.parametrize("url", ["https://mail.example", "mail.example:25", "smtp://", "smtp://[::1", "smtp://h:99999"])
async def test_urls_of_no_mail_server(url: str) -> None:
    async with roads() as there:
        with pytest.raises(ConfigError, match="the URL of mail is"):
            MailSink(url, "a@b.example", TO, there)
