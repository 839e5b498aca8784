"""What people are told through, one file each."""

from __future__ import annotations

from thriftgate.alerts.sinks.apprise import AppriseSink
from thriftgate.alerts.sinks.log import LogSink
from thriftgate.alerts.sinks.mail import MailSink
from thriftgate.alerts.sinks.posting import SlackSink, WebhookSink
from thriftgate.alerts.sinks.sink import Roads, Sink
from thriftgate.batch.webhooks import secret_of
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.settings import SinkRow


def sink_of(row: SinkRow, roads: Roads) -> Sink:
    """The sink of a row of the settings. Raises ConfigError."""
    url = row.url.get_secret_value()
    if row.kind in ("webhook", "slack"):
        try:
            roads.receivers.check(url)
        except InputError as error:
            raise ConfigError(f"alerts.sinks: {row.name}: url: {error}") from None
    if row.kind == "webhook":
        return WebhookSink(url, secret_of(row.secret.get_secret_value(), f"alerts.sinks: {row.name}: secret"), roads)
    if row.kind == "slack":
        return SlackSink(url, roads)
    if row.kind == "mail":
        return MailSink(url, row.sender, row.to, roads)
    return AppriseSink(url, roads) if row.kind == "apprise" else LogSink()
