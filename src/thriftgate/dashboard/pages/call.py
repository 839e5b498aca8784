"""One call, line by line: what each lever decided and why, the forecast, the bill, what the cache did not serve."""

from __future__ import annotations

from typing import Any

from thriftgate.answers.explanation import OFF, explain_document
from thriftgate.answers.nearest import nearest_calls
from thriftgate.core.errors import NotThere
from thriftgate.core.money import pico_from_usd
from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.pages.page import Document, Page
from thriftgate.dashboard.rendering import moment
from thriftgate.drawing.words import percent
from thriftgate.ledger.entries import Entry

_KINDS = (
    ("read_tokens", "read from the cache"),
    ("write_5m_tokens", "written for 5 minutes"),
    ("write_1h_tokens", "written for an hour"),
    ("input_tokens", "neither"),
    ("output_tokens", "output"),
)


async def document(asked: Asked) -> Document:
    """What `thriftgate explain ID --json` prints. Raises NotThere."""
    return explain_document(await _entry(asked), asked.sources.book)


async def _entry(asked: Asked) -> Entry:
    books, wanted = asked.sources.books, asked.rest
    entry = await books.entry(wanted)
    if entry is None or (asked.viewer.team and entry.whose.team != asked.viewer.team):
        near = await nearest_calls(books, wanted, asked.sources.clock.now_s()) if not asked.viewer.team else []
        told = f"; there are {', '.join(near)}" if near else ""
        raise NotThere(f"there is no settled call {wanted[:80]!r}; one that is under way can be seen live{told}")
    return entry


def view(doc: Document, asked: Asked) -> dict[str, Any]:
    """Levers that nobody switched on stand apart; how far the forecast was off."""
    forecast, cost = pico_from_usd(doc["forecast_usd"]), pico_from_usd(doc["cost_usd"])
    is_off = {one["lever"] for one in doc["plan"] if one["decision"] == "skipped" and one["reason"] == OFF}
    return {
        "asked_levers": [one for one in doc["plan"] if one["lever"] not in is_off],
        "off": sorted(is_off),
        "off_by": percent(cost - forecast, forecast),
        "usage_rows": [(words, f"{doc['usage'][kind]:,}") for kind, words in _KINDS],
        "facts": [(words, str(value)) for words, value in _facts(doc, asked) if value not in ("", None)],
    }


def _facts(doc: Document, asked: Asked) -> list[tuple[str, object]]:
    return [
        ("model", doc["model"]),
        ("asked for", doc["asked_model"]),
        ("served by", doc["served_model"] if doc["served_model"] != doc["model"] else ""),
        ("provider", doc["provider"]),
        ("mode", f"{doc['mode']}, {doc['geo']}"),
        ("key", asked.called(doc["key"])),
        ("task", doc["task"]),
        ("came in", moment(doc["opened"], asked.look, seconds=True)),
        ("first byte", f"{doc['ttfb_ms']:,} ms"),
        ("end", f"{doc['latency_ms']:,} ms"),
        ("sent as", "a stream" if doc["stream"] else "one piece"),
        ("attempts", doc["attempts"]),
        ("conversation", doc["conversation"]),
        ("experiment", doc["arm"] or ("treated" if doc["conversation"] else "")),
        ("made for", doc["parent"]),
        ("usage", f"{doc['usage']['source']}, by the provider" if doc["usage"]["source"] == "exact" else "estimated"),
        ("message", doc["message_id"]),
        ("provider's id", doc["upstream_request_id"]),
    ]


PAGE = Page("calls", "One call", "call.html.jinja", document, view, takes_rest=True, filtered=False)
