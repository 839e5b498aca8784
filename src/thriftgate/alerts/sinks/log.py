"""The log: one line for each message."""

from __future__ import annotations

from thriftgate.core.alerting.alert import Message, rank
from thriftgate.core.alerting.message import Text
from thriftgate.logs import log


class LogSink:
    """See `sink.Sink`."""

    async def send(self, message: Message, text: Text) -> None:
        standing = [one.alert.severity for one in message.notices if one.why != "resolved"]
        tell = log.warning if any(rank(severity) > 0 for severity in standing) else log.info
        tell("alert", id=message.id, told=text.subject, lines=list(text.lines), link=text.link)
