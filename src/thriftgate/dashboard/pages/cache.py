"""How prompts were cached, what was not read though it had been sent before, why, what that cost, and what to do."""

from __future__ import annotations

from typing import Any

from thriftgate.answers.cache import cache_document, cache_figures
from thriftgate.audit.findings import MissSum
from thriftgate.audit.report.plots import miss_plot
from thriftgate.audit.report.timeline import HIT_RATE
from thriftgate.audit.report.wording import CAUSES
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.look import Look
from thriftgate.dashboard.pages.page import Document, Page
from thriftgate.dashboard.rendering import figure
from thriftgate.dashboard.sums import columns_of, columns_told, placed, question, step_of
from thriftgate.drawing.timeline import rate
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import CacheReport, PromptSum
from thriftgate.ledger.entries import MissSum as CauseSum
from thriftgate.ledger.sql_spend import By, cache, misses

NAMES: tuple[By, ...] = ("", "model", "key")


async def document(asked: Asked) -> Document:
    """`report` is what `thriftgate cache report --json` prints."""
    sources, span = asked.sources, asked.span
    if asked.look.narrowed:
        found = await sources.books.ask(lambda connection: _narrowed(connection, asked.look))
    else:
        found = await cache_figures(sources.books, sources.book, span)
    report = cache_document(found, sources.book, *asked.look.told_us)
    if asked.look.narrowed:
        report["saved_usd"] = report["unpriced_prompt_tokens"] = None
    return {"report": report, "over_time": await sources.books.ask(lambda connection: _over_time(connection, asked.look))}


def _narrowed(connection: Connection, look: Look) -> CacheReport:
    """The report of some calls; what they are priced alike by is not told of some."""
    total, by_model, by_key = (
        tuple(
            PromptSum(one.name, one.calls, one.read, one.write_5m, one.write_1h, one.plain, one.miss_pico)
            for one in cache(connection, question(look, by))
        )
        for by in NAMES
    )
    missed = tuple(
        CauseSum(one.cause, one.calls, one.tokens, one.pico, one.avoidable_pico)
        for one in misses(connection, question(look))
    )
    return CacheReport(total[0] if total else PromptSum("", 0, 0, 0, 0, 0, 0), missed, by_model, by_key, ())


def _over_time(connection: Connection, look: Look) -> dict[str, Any]:
    steps = columns_of(connection, look)
    columns = [[0, 0, 0, 0] for _ in range(steps.count)]
    for cell in cache(connection, question(look, step=step_of(steps))):
        column = columns[placed(steps, cell.start_us)]
        for at, more in enumerate((cell.calls, cell.prompt, cell.read, cell.miss_pico)):
            column[at] += more
    told = [
        {
            "start": text_from_micros(start),
            "calls": calls,
            "prompt_tokens": prompt,
            "read_tokens": read,
            "missed_usd": usd_from_pico(missed),
        }
        for start, (calls, prompt, read, missed) in zip(steps.edges, columns, strict=False)
    ]
    return {"unit": steps.unit, "zone": steps.zone, "steps": told}


def view(doc: Document, asked: Asked) -> dict[str, Any]:
    """The charts, and what to do about what could have been avoided, the dearest first."""
    missed, told = doc["report"]["misses"], doc["over_time"]["steps"]
    read, prompt = [one["read_tokens"] for one in told], [one["prompt_tokens"] for one in told]
    hit = rate("Cache hit rate", columns_told(doc["over_time"], asked.look), read, prompt, HIT_RATE) if any(prompt) else None
    drawn = miss_plot(
        [
            MissSum(
                one["cause"],
                one["calls"],
                one["tokens"],
                pico_from_usd(one["cost_usd"]),
                pico_from_usd(one["avoidable_usd"]),
                one["advice"],
            )
            for one in missed
        ],
        "what to do",
    )
    return {
        "over_time": figure(hit),
        "misses": figure(drawn),
        "todo": [one | {"words": CAUSES[one["cause"]]} for one in missed if one["avoidable"]],
        "groups": [("model", doc["report"]["by_model"]), ("key", doc["report"]["by_key"])],
    }


PAGE = Page("cache", "Cache", "cache.html.jinja", document, view)
