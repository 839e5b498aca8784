"""Whatever else Apprise knows: Teams, Telegram, PagerDuty, ntfy and a hundred more, by its URLs.

Apprise connects by itself: its host is looked at before each message, but the address is not held on to, and it follows
redirects. Where a service can be spoken to by a webhook, or as Slack is, those sinks are the safer ones.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from thriftgate.alerts.sinks.sink import Roads, Undelivered
from thriftgate.core.alerting.alert import Message, rank
from thriftgate.core.alerting.message import Text
from thriftgate.core.errors import ConfigError, InputError

_WHOLE_S = 45.0
_TYPES = ("info", "warning", "failure")  # by severity
_HOSTS = ("host", "smtp_host")  # where plug-ins keep the server that a URL names


class AppriseSink:
    """See `sink.Sink`. Raises ConfigError where Apprise is not installed, or does not know the URL."""

    def __init__(self, url: str, roads: Roads) -> None:
        try:
            from apprise import Apprise, AppriseAsset  # noqa: PLC0415  an extra; heavy, and needed by few
            from apprise.logger import logger  # noqa: PLC0415
        except ImportError:
            raise ConfigError("alerts.sinks: apprise is not installed; install thriftgate[alerts]") from None
        logger.disabled = True  # it tells URLs, which hold secrets
        asset = AppriseAsset(app_id="thriftgate", app_desc="thriftgate", app_url="", async_mode=False, plugin_paths=[])
        self._plugin: Any = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if self._plugin is None:
            raise ConfigError("alerts.sinks: apprise does not know this URL")
        self._notifier = Apprise(asset=asset)
        self._notifier.add(self._plugin)
        self._roads = roads
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="apprise")
        self._running: Future[Any] | None = None

    async def send(self, message: Message, text: Text) -> None:
        if self._running is not None and not self._running.done():
            raise Undelivered("the message before has not ended yet")
        await self._look()
        worst = max((rank(one.alert.severity) for one in message.notices if one.why != "resolved"), default=0)
        body = "\n".join((*text.lines, *([text.link] if text.link else []))) or text.subject
        self._running = self._thread.submit(
            self._notifier.notify,
            body=body,
            title=text.subject,
            notify_type=_TYPES[worst],
            body_format="text",
            interpret_escapes=False,
        )
        try:
            async with asyncio.timeout(_WHOLE_S):
                taken = await asyncio.shield(asyncio.wrap_future(self._running))
        except TimeoutError:
            raise Undelivered(f"no answer within {_WHOLE_S:g} s") from None
        except Exception as error:  # noqa: BLE001  whatever a plug-in raises; its words can hold the URL
            raise Undelivered(type(error).__name__) from None
        if not taken:
            raise Undelivered("apprise could not deliver it")

    async def _look(self) -> None:
        """Whether its server may be sent to, where the URL names one."""
        template = getattr(type(self._plugin), "template_tokens", {})
        for name in _HOSTS:
            host = getattr(self._plugin, name, None)
            if not host or not isinstance(host, str) or (name == "host" and "host" not in template):
                continue
            try:
                self._roads.receivers.check_host(host)
                await self._roads.receivers.find(host, int(getattr(self._plugin, "port", 0) or 443))
            except InputError:
                raise Undelivered("its host may not be sent to: see alerts.allow_hosts") from None
            except OSError as error:
                raise Undelivered(type(error).__name__) from None
