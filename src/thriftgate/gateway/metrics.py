"""`GET /thriftgate/metrics`: totals since the start, in the text format of Prometheus or OpenMetrics. Only sums: no key, no
prompt, no id.

Formats: prometheus.io/docs/instrumenting/exposition_formats and /specs/om/open_metrics_spec, 2026-10.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from thriftgate.core.errors import LedgerError
from thriftgate.gateway.asgi import Receive, Scope, Send, send_whole
from thriftgate.gateway.pacing import governor_families
from thriftgate.gateway.rooms import Rooms
from thriftgate.providers.transport import header
from thriftgate.telemetry.page import page_text


async def metrics(rooms: Rooms, scope: Scope, _receive: Receive, send: Send) -> None:
    """The page. Where calls need a key, so does this: one with the scope admin:read. Budgets are read anew, or told as they
    were; it is written in a thread: with many labels that takes tens of milliseconds, and answers are streaming."""
    await rooms.access.caller(scope, "admin:read")
    with suppress(LedgerError):
        await rooms.engine.budgeting.refresh()
    families = rooms.observer.page.families()
    if rooms.engine.governor is not None:
        spent = len(rooms.engine.upstreams.spent_until_s())
        families = (*families, *governor_families(rooms.engine.governor.view(), spent))
    content_type, page = await asyncio.to_thread(page_text, families, header(tuple(scope["headers"]), b"accept"))
    await send_whole(send, 200, ((b"content-type", content_type.encode()),), page)
