"""What `thriftgate ledger check` does: the books against themselves."""

from __future__ import annotations

import asyncio
from typing import Any

from thriftgate.cli.books import ask_books
from thriftgate.cli.output import note, print_table, say
from thriftgate.core.errors import LedgerError
from thriftgate.core.moments import text_from_micros
from thriftgate.ledger.rollup_columns import HOUR_US
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_cells import kept_from
from thriftgate.ledger.sql_rollups_made import Difference, check_books, make


def checked(path: str, *, rebuild: bool) -> dict[str, Any]:
    """As `--json` prints it. Raises ConfigError, and LedgerError: also where they are to be made anew while a gateway
    serves."""
    return ask_books(path, lambda books: _told(books, rebuild=rebuild))


async def _told(books: SqlLedger, *, rebuild: bool) -> dict[str, Any]:
    found = await asyncio.to_thread(check_books, books.path)  # they are open, and so up to date
    unbalanced = list(await books.unbalanced())
    rebuilt = rebuild and found.differing > 0
    if rebuilt:
        if not books.try_lead():
            raise LedgerError(f"the ledger {books.path} is in use by another thriftgate: stop it first")
        await books.transact(make)
    since_us = await books.ask(kept_from)
    return {
        "ok": not unbalanced and (rebuilt or not found.differing),
        "unbalanced": unbalanced,
        "kept_from": text_from_micros(since_us) if since_us else None,
        "cells": found.cells,
        "differing": found.differing,
        "differences": [_difference(one) for one in found.shown],
        "rebuilt": rebuilt,
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "table": one.table,
        "start": text_from_micros(one.slot * one.hours * HOUR_US),
        "hours": one.hours,
        "names": list(one.names),
        "columns": {name: {"kept": kept, "entries": wanted} for name, (kept, wanted) in one.columns.items()},
    }


def print_checked(document: dict[str, Any]) -> None:
    """For people."""
    if document["unbalanced"]:
        say(f"{len(document['unbalanced'])} entries do not sum to zero, such as {document['unbalanced'][0]}")
        note("the file was changed by something else; restore it from a backup")
    else:
        say("each entry sums to zero")
    if document["kept_from"]:
        say(f"single calls are there from {document['kept_from']} on; before, roll-ups alone tell")
    say(f"{document['cells']:,} cells of roll-ups compared with the entries, {document['differing']:,} differ")
    rows = [
        (
            one["table"],
            one["start"],
            str(one["hours"]),
            " ".join(filter(None, one["names"])),
            name,
            f"{kept:,}",
            f"{wanted:,}",
        )
        for one in document["differences"]
        for name, (kept, wanted) in ((name, both.values()) for name, both in one["columns"].items())
    ]
    if rows:
        print_table(("table", "from", "hours", "what", "column", "kept", "entries"), rows, left=5)
    if document["rebuilt"]:
        note("the roll-ups were made anew")
    elif document["differing"]:
        note("make them anew with --rebuild")
