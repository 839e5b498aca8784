"""Server-sent events: rows of the live page, as its template draws them.

Format: html.spec.whatwg.org/multipage/server-sent-events.html, 2026-10.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import msgspec

from thriftgate.core.money import usd_from_pico
from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.feed import Feed, Tick
from thriftgate.dashboard.recent import is_within, under_way
from thriftgate.dashboard.rendering import page
from thriftgate.dashboard.responses import STRICT
from thriftgate.engine.tasks import Tasks
from thriftgate.gateway.asgi import Receive, Send, client_gone

OPEN_MAX = 100
HEADERS = ((b"content-type", b"text/event-stream; charset=utf-8"), *STRICT, (b"x-accel-buffering", b"no"))


async def send_events(feed: Feed, asked: Asked, home: str, receive: Receive, send: Send) -> None:
    """Until the browser goes, or the server."""
    ticks = feed.ticks()
    first = await anext(ticks, None)  # before the answer begins: it may be refused
    await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
    if first is not None:
        await _send_all(first, ticks, lambda tick: event(tick, asked, home), receive, send)
    await send({"type": "http.response.body", "body": b""})


async def _send_all(
    first: Tick, ticks: AsyncGenerator[Tick, None], draw: Callable[[Tick], bytes], receive: Receive, send: Send
) -> None:
    tasks = Tasks()
    gone = tasks.spawn(client_gone(receive))
    waiting: asyncio.Task[Tick | None] | None = None
    tick: Tick | None = first
    try:
        while tick is not None and not gone.done():
            await send({"type": "http.response.body", "body": draw(tick), "more_body": True})
            waiting = tasks.spawn(_next(ticks))
            await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
            tick = waiting.result() if waiting.done() else None
    finally:
        gone.cancel()
        if waiting is not None and not waiting.done():
            waiting.cancel()
        await asyncio.gather(*(one for one in (waiting, gone) if one is not None), return_exceptions=True)
        await ticks.aclose()


async def _next(ticks: AsyncGenerator[Tick, None]) -> Tick | None:
    return await anext(ticks, None)


def event(tick: Tick, asked: Asked, home: str) -> bytes:
    """One tick, for whoever asked."""
    look, now_us = asked.look, int(asked.sources.clock.now_s() * 1e6)
    settled = [one for one in reversed(tick.settled) if is_within(one, look)]
    rows = under_way(tick.holds, look, now_us)
    around = {"home": home, "look": look, "called": asked.called}
    documents = [one.document() for one in settled]
    told = {
        "at": look.moment(now_us).strftime("%H:%M:%S"),
        "settled": page("live_rows.html.jinja", **around, settled_rows=documents) if settled else "",
        "count": len(settled) + tick.more,
        "cost_usd": usd_from_pico(sum(one.paid_pico for one in settled)),
        "open": page("live_rows.html.jinja", **around, open_rows=rows[:OPEN_MAX]) if rows else "",
        "open_count": len(rows),
    }
    return b"event: tick\ndata: " + msgspec.json.encode(told) + b"\n\n"
