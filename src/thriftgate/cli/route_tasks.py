"""What `thriftgate route tasks` prints."""

from __future__ import annotations

from typing import Any

from thriftgate.answers.moments import span_from_text
from thriftgate.answers.tasks import tasks_document
from thriftgate.cli.books import ask_books
from thriftgate.cli.output import dollars_short, print_table
from thriftgate.core.money import pico_from_usd
from thriftgate.ledger.sql_savings import tasks


def report_on_tasks(path: str, since: str | None, until: str | None) -> dict[str, Any]:
    """The tasks of a span of time, as `--json` prints them."""
    span = span_from_text(since, until)
    found = ask_books(path, lambda books: books.ask(lambda connection: tasks(connection, span)))
    return tasks_document(found)


def print_tasks(document: dict[str, Any]) -> None:
    """As a table, narrow enough that fingerprints stay whole."""
    rows = [
        (
            one["task"] or "(not told)",
            one["asked"],
            one["served"] if one["served"] != one["asked"] else "",
            f"{one['calls']:,}",
            dollars_short(pico_from_usd(one["baseline_usd"])),
            dollars_short(pico_from_usd(one["paid_usd"])),
        )
        for one in document["tasks"]
    ]
    print_table(("task", "asked for", "served by", "calls", "baseline", "paid"), rows, left=3)
