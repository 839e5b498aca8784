"""Is it still good: which model serves which task, what experiments measured, what audited calls said."""

from __future__ import annotations

from typing import Any

import msgspec

from thriftgate.answers.report import figures, savings_document
from thriftgate.answers.tasks import tasks_document
from thriftgate.core.moments import text_from_micros
from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.pages.page import Document, Page
from thriftgate.ledger.sql_savings import tasks
from thriftgate.quality.proof import MEMORY, rolled_back, verdicts


async def document(asked: Asked) -> Document:
    """`tasks` are those of `thriftgate route tasks --json`, `holdout` and `trial` those of `thriftgate savings --json`;
    `audits` is what second calls have shown, by artefact and task, since each artefact came into service."""
    span, books = asked.span, asked.sources.books
    found, saved = await figures(books, span)
    told = savings_document(found, saved)
    listed = await books.ask(lambda connection: tasks(connection, span))
    kept = await books.kept(MEMORY)
    return {
        "since": text_from_micros(span[0]) if span[0] else None,
        **tasks_document(listed),
        "holdout": told["holdout"],
        "trial": told["trial"],
        **_audits(kept),
    }


def _audits(kept: bytes | None) -> dict[str, Any]:
    """Nothing where nothing was kept, or by another version."""
    nothing: dict[str, Any] = {"audits": [], "out_of_service": []}
    if not kept:
        return nothing
    try:
        suspended, pinned = rolled_back(kept)
        told = verdicts(kept)
    except msgspec.MsgspecError:
        return nothing
    return {
        "audits": [
            {
                "artefact": artefact,
                "task": task,
                "audits": tally.audits,
                "same": tally.same,
                "different": tally.different,
                "cheap_better": tally.cheap_better,
                "strong_better": tally.strong_better,
            }
            for artefact, tallies in told.items()
            for task, tally in tallies.items()
        ],
        "out_of_service": [
            *({"artefact": artefact, "task": "", "evidence": why} for artefact, why in suspended.items()),
            *(
                {"artefact": artefact, "task": task, "evidence": why}
                for artefact, found in pinned.items()
                for task, why in found.items()
            ),
        ],
    }


def view(doc: Document, asked: Asked) -> dict[str, Any]:
    """Tasks that another model serves first: that is what has to be watched."""
    routed = [one for one in doc["tasks"] if one["served"] != one["asked"]]
    rest = [one for one in doc["tasks"] if one["served"] == one["asked"]]
    return {"ranked": [*routed, *rest][:200], "routed": sum(one["calls"] for one in routed)}


PAGE = Page("quality", "Quality", "quality.html.jinja", document, view, of_all=True)
