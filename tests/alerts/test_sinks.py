"""Sinks, from the rows of the settings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.alerts.receiving import roads
from thriftgate.alerts.sinks import sink_of
from thriftgate.core.errors import ConfigError
from thriftgate.settings import SinkRow

ROWS: list[tuple[dict[str, Any], str]] = [
    ({"kind": "log"}, "LogSink"),
    ({"kind": "webhook", "url": "https://hooks.example/x", "secret": "whsec_c2VjcmV0"}, "WebhookSink"),
    ({"kind": "slack", "url": "https://hooks.example/x"}, "SlackSink"),
    ({"kind": "mail", "url": "smtps://mail.example", "to": ("a@b.example",), "sender": "c@b.example"}, "MailSink"),
    ({"kind": "apprise", "url": "json://hooks.example"}, "AppriseSink"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # plug-ins of Apprise that nobody asked for
@pytest.mark.parametrize(("row", "name"), ROWS, ids=[name for _, name in ROWS])
async def test_each_kind(row: dict[str, Any], name: str) -> None:
    async with roads() as there:
        assert type(sink_of(SinkRow(name="ops", **row), there)).__name__ == name


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"kind": "slack", "url": "http://hooks.example/hush"}, "alerts.sinks: ops: url: hooks.example: only https"),
        ({"kind": "slack", "url": "hooks.example/hush"}, "alerts.sinks: ops: url: not a plain http"),
        ({"kind": "webhook", "url": "https://10.0.0.1/hush", "secret": "x"}, "url: 10.0.0.1: not a public address"),
        ({"kind": "webhook", "url": "https://h.example", "secret": "whsec_!hush"}, "secret: what stands behind whsec_"),
    ],
)
async def test_rows_that_cannot_be_used(row: dict[str, Any], complaint: str) -> None:
    async with roads() as there:
        with pytest.raises(ConfigError, match=complaint) as error:
            sink_of(SinkRow(name="ops", **row), there)
        assert "hush" not in str(error.value)
