"""Calls that wait for the provider's batches: what is in flight, what became of the rest."""

from __future__ import annotations

from typing import Any

from thriftgate.answers.batches import runs_document
from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.pages.page import Document, Page
from thriftgate.ledger.jobs import OPEN_BATCHES
from thriftgate.ledger.sql_jobs import SqlJobs

SHOWN = 100


async def document(asked: Asked) -> Document:
    """What `thriftgate batch list --json` prints."""
    return await runs_document(SqlJobs(asked.sources.books))


def view(doc: Document, asked: Asked) -> dict[str, Any]:
    """What is open first, then the latest that came back."""
    batches = doc["batches"]
    flying = [one for one in batches if one["state"] in OPEN_BATCHES]
    ended = sorted((one for one in batches if one["state"] not in OPEN_BATCHES), key=lambda one: one["ended"], reverse=True)
    left = sum(sum(run["left"].values()) for run in doc["runs"])
    return {"flying": flying, "ended": ended[:SHOWN], "more": max(0, len(ended) - SHOWN), "left": left}


PAGE = Page("batches", "Batches", "batches.html.jinja", document, view, filtered=False, of_all=True)
