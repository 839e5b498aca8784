"""The log tells on one line."""

from __future__ import annotations

import msgspec
import pytest

from tests.alerts.receiving import HOSTILE, message, texts
from tests.core.alerting.test_message import notice
from thriftgate.alerts.sinks.log import LogSink


async def test_one_line_for_each_message(capsys: pytest.CaptureFixture[str]) -> None:
    sent = message(notice(sentence=HOSTILE, labels=(f"key={HOSTILE}",)))
    await LogSink().send(sent, texts(sent))
    over = message(notice(why="resolved"))
    await LogSink().send(over, texts(over))
    first, second = capsys.readouterr().err.splitlines()
    told = msgspec.json.decode(first)
    assert (told["level"], told["event"], told["id"]) == ("warning", "alert", "tga_1_1")
    assert "\x1b" not in told["told"]
    assert msgspec.json.decode(second)["level"] == "info"
