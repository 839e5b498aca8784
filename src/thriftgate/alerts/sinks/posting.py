"""Sinks over HTTP: signed webhooks, and Slack's incoming webhooks with all that speak the same.

Only the status of an answer is read, a redirect is not followed, and a connection is made to an address that was looked at
(`providers/receivers.py`).
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from thriftgate.alerts.sinks.sink import Roads, Undelivered
from thriftgate.batch.webhooks import signature
from thriftgate.core.alerting.alert import Message, Notice
from thriftgate.core.alerting.message import Text, link_to
from thriftgate.core.errors import ConfigError, InputError, UpstreamError
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import usd_from_pico
from thriftgate.providers.transport import Headers, Outgoing, Timeouts

ALERTS_MAX = 50  # in one webhook
_TIMEOUTS = Timeouts(5.0, 15.0)
_WHOLE_S = 30.0
_SLACK_HEADER_MAX, _SLACK_TEXT_MAX = 150, 2_900  # 3,000 in a section (docs.slack.dev/reference/block-kit, 2026-11)


class WebhookSink:
    """See `sink.Sink`. Signed as webhooks about jobs are; `webhook-id` is the same however often it is tried."""

    def __init__(self, url: str, secret: bytes, roads: Roads) -> None:
        self._url = url
        self._secret = secret
        self._roads = roads

    async def send(self, message: Message, text: Text) -> None:
        now_s = self._roads.clock.now_s()
        payload = msgspec.json.encode(
            {
                "type": "thriftgate.alert",
                "timestamp": text_from_micros(int(now_s * 1e6)),
                "data": {
                    "id": message.id,
                    "subject": text.subject,
                    "lines": text.lines,
                    "link": text.link,
                    "count": len(message.notices),
                    "alerts": [_document(one, self._roads.public_url) for one in message.notices[:ALERTS_MAX]],
                },
            }
        )
        headers = (
            (b"webhook-id", message.id.encode()),
            (b"webhook-timestamp", str(int(now_s)).encode()),
            (b"webhook-signature", signature(self._secret, message.id, int(now_s), payload)),
        )
        await _post(self._roads, self._url, headers, payload)


class SlackSink:
    """See `sink.Sink`. Names are shown, never read: text is plain, and what could call people or lead away is escaped
    (docs.slack.dev/messaging/formatting-message-text, 2026-11)."""

    def __init__(self, url: str, roads: Roads) -> None:
        self._url = url
        self._roads = roads

    async def send(self, message: Message, text: Text) -> None:
        whole = "\n".join((*text.lines, *([text.link] if text.link else [])))
        payload = msgspec.json.encode(
            {
                "text": _escaped(text.subject),
                "mrkdwn": False,
                "unfurl_links": False,
                "unfurl_media": False,
                "blocks": [
                    {"type": "header", "text": _plain_text(text.subject, _SLACK_HEADER_MAX)},
                    {"type": "section", "text": _plain_text(whole or "-", _SLACK_TEXT_MAX)},
                ],
            }
        )
        await _post(self._roads, self._url, (), payload)


async def _post(roads: Roads, url: str, headers: Headers, payload: bytes) -> None:
    outgoing = Outgoing("POST", url, ((b"content-type", b"application/json"), *headers), payload)
    try:
        roads.receivers.check(url)
        async with asyncio.timeout(_WHOLE_S):
            incoming = await roads.transport.send(outgoing, _TIMEOUTS)
    except InputError:
        raise Undelivered("the URL may not be sent to: see alerts.allow_hosts") from None
    except TimeoutError:
        raise Undelivered(f"no answer within {_WHOLE_S:g} s") from None
    except (UpstreamError, ConfigError) as error:
        raise Undelivered(type(error).__name__) from None
    incoming.close()
    if not 200 <= incoming.status < 300:
        raise Undelivered(f"answered with status {incoming.status}")


def _document(notice: Notice, public_url: str) -> dict[str, Any]:
    alert = notice.alert
    return {
        "id": alert.id,
        "why": notice.why,
        "kind": alert.kind,
        "severity": alert.severity,
        "sentence": alert.sentence,
        "rule": alert.rule,
        "labels": alert.labels,
        "evidence": alert.evidence,
        "action": alert.action,
        "usd_per_h": usd_from_pico(alert.pico_per_h),
        "since": text_from_micros(alert.since_us),
        "opened": text_from_micros(alert.opened_us),
        "count": alert.count,
        "link": link_to(alert, public_url),
    }


def _plain_text(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": text if len(text) <= most else f"{text[: most - 1]}…", "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
