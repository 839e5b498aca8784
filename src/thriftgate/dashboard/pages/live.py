"""Calls as they come. Of a call its names, tokens and money are told, never what was said."""

from __future__ import annotations

from typing import Any

from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.pages.page import Document, Page
from thriftgate.dashboard.recent import latest, under_way

RECENT = 50


async def document(asked: Asked) -> Document:
    """Those under way, and the last ones that were settled."""
    books, look = asked.sources.books, asked.look
    holds = await books.open_holds()
    after = f"tg_{look.span_us[0]:014x}" if look.narrowed else ""  # of few among many: those of the span at most
    found = await books.ask(lambda connection: latest(connection, look, after=after, limit=RECENT))
    return {
        "under_way": under_way(holds, look, look.now_us),
        "recent": [one.document() for one in found],
    }


def view(doc: Document, asked: Asked) -> dict[str, Any]:
    """Where the page listens."""
    return {"stream": f"live/events{asked.look.query()}"}


PAGE = Page("live", "Live calls", "live.html.jinja", document, view)
