"""What recent calls would have cost otherwise: by the real planner, with how sure that is."""

from __future__ import annotations

from typing import Any

from thriftgate.answers.moments import FOREVER_US, micros_from_text
from thriftgate.audit.replay.policies import SAFE_LEVERS
from thriftgate.core.errors import InputError
from thriftgate.core.levers import LEVERS
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.pages.page import Document, Page
from thriftgate.dashboard.recent import latest
from thriftgate.dashboard.rendering import figure
from thriftgate.dashboard.whatif.replayed import Answer
from thriftgate.dashboard.whatif.traffic import Which
from thriftgate.dashboard.whatif.wish import CACHING, CALLS, Wish, wish_of
from thriftgate.drawing.svg import NARROW, WIDE, Axis, Figure, Line, Scale, Size, rect, row_chart, stroke, ticks
from thriftgate.drawing.words import fitting, money, money_short, percent

NOT_JUDGED = tuple(sorted({lever.id for lever in LEVERS} - set(SAFE_LEVERS)))
"""Levers whose worth the books cannot tell: what they do depends on words, and words are not kept."""


async def document(asked: Asked) -> Document:
    """What the wish in the query comes to."""
    sources, wish = asked.sources, wish_of(asked.query)
    if sources.ledger.path == ":memory:":
        raise InputError("these books are kept in memory only: nothing can be replayed from them")
    for model in (wish.model, wish.to):
        if model and model not in sources.models:
            raise InputError(f"there is no model {model[:80]!r} in the capability table")
    newest = await sources.books.ask(lambda connection: latest(connection, asked.look, limit=1))
    since_us, until_us = asked.span
    which = Which(
        path=str(sources.ledger.path),
        since_us=since_us,
        until_us=min(until_us, FOREVER_US),
        calls=wish.calls,
        newest=newest[0].id if newest else "",
        **asked.look.narrowed,
    )
    told = await sources.replayer.answer(which, wish)
    return {
        "wish": {
            "caching": wish.caching,
            "pings": wish.pings,
            "batch_percent": wish.batch,
            "move_percent": wish.move,
            "from": wish.model,
            "to": wish.to,
            "discount_percent": wish.discount,
        },
        **_told(told),
    }


def _told(told: Answer) -> dict[str, Any]:
    return {
        "calls": told.calls,
        "calls_found": told.found,
        "first": text_from_micros(told.first_us) if told.calls else None,
        "last": text_from_micros(told.last_us) if told.calls else None,
        "paid_usd": usd_from_pico(told.paid),
        "would_usd": usd_from_pico(told.would),
        "low_usd": usd_from_pico(told.low),
        "high_usd": usd_from_pico(told.high),
        "saved_usd": usd_from_pico(told.paid - told.would),
        "replay_off_usd": usd_from_pico(told.off),
        "batched_calls": told.batched,
        "moved_calls": told.moved,
        "failed_calls": told.failed,
        "pings": told.pings,
        "pings_usd": usd_from_pico(told.pings_pico),
        "hit_share_was": round(told.hit_was, 4),
        "hit_share_would": round(told.hit_would, 4),
        "models": list(told.models),
    }


def view(doc: Document, asked: Asked) -> dict[str, Any]:
    """The wish for the form, and a bar for each of the two."""
    wish, paid = wish_of(asked.query), pico_from_usd(doc["paid_usd"])
    off = abs(pico_from_usd(doc["replay_off_usd"]))
    return {
        "wish": wish,
        "caching": CACHING,
        "calls_offered": CALLS,
        "from_models": doc["models"],
        "to_models": [row.id for row in asked.sources.models.rows if row.launched >= _RECENT],
        "asks": wish.asks,
        "off": percent(off, paid),
        "not_judged": NOT_JUDGED,
        "bars": figure(_bars(doc, wish)),
        "month": _month(doc),
    }


_RECENT = "2025-09"


def _month(doc: Document) -> str | None:
    """What the saving would be in 30 days of the same, where the calls span at least an hour."""
    if not doc["calls"] or doc["first"] == doc["last"]:
        return None
    first, last = (micros_from_text(doc[end], end) for end in ("first", "last"))
    if last - first < 3_600_000_000:
        return None
    return usd_from_pico(pico_from_usd(doc["saved_usd"]) * 30 * 86_400_000_000 // (last - first))


def _bars(doc: Document, wish: Wish) -> Figure | None:
    paid, would, low, high = (pico_from_usd(doc[f"{name}_usd"]) for name in ("paid", "would", "low", "high"))
    if not paid:
        return None
    label = f"As it was {money(paid)}; what if: {money(would)}, between {money(low)} and {money(high)}"

    def draw(size: Size) -> str:
        marks = ticks(0, max(paid, high), size.ticks - 1)
        lines = [
            Line("As it was", fitting(paid), "", f"As it was: {money(paid)}", lambda place, top, track: rect(
                place(0), top, place(paid), top + track, class_="c6"), strong=False),
            Line("What if", fitting(would), "", f"What if: {money(would)}", lambda place, top, track: _would(
                place, top, track, (would, low, high)), strong=True),
        ]  # fmt: skip
        return row_chart(label, size, lines, Axis(0, marks[-1], marks, money_short))

    return Figure(
        title="Cost of these calls",
        wide=draw(WIDE),
        narrow=draw(NARROW),
        columns=("these calls", "cost", "at least", "at most"),
        rows=(
            ("as it was", money(paid), money(paid), money(paid)),
            ("what if", money(would), money(low), money(high)),
        ),
        caption="The line is the error bar: by how much a replay of the calls as they were misses their bill.",
    )


def _would(place: Scale, top: float, track: float, told: tuple[int, int, int]) -> str:
    would, low, high = told
    y = top + track / 2
    return rect(place(0), top, place(would), top + track, class_="c0") + stroke(place(low), y, place(high), y, "spread")


PAGE = Page("what-if", "What if", "whatif.html.jinja", document, view)
