"""How the verbs of `thriftgate budget` open the books, and tell what they found."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from thriftgate.cli.books import ask_books
from thriftgate.cli.output import note, print_json, print_table, say
from thriftgate.clock import SystemClock
from thriftgate.ledger.budget_desk import BudgetDesk
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook
from thriftgate.ledger.sql_tenants import SqlTenants
from thriftgate.pricing.load import load_models


def at_the_desk(path: str, work: Callable[[BudgetDesk, int], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Do something with the budgets of the ledger at `path`; the work is handed the time, too (microseconds)."""
    now_us = int(SystemClock().now_s() * 1e6)
    models = [row.id for row in load_models().rows]

    def asked(ledger: SqlLedger) -> Awaitable[dict[str, Any]]:
        book, tenants = SqlBudgetBook(ledger), SqlTenants(ledger)
        return work(BudgetDesk(book, tenants, models, lambda: f"bud_{secrets.token_hex(6)}"), now_us)

    return ask_books(path, asked)


def tell(document: dict[str, Any], *, json: bool) -> None:
    """One budget."""
    if json:
        print_json(document)
        return
    say(f"{document['name']} ({document['id']})")
    hard = "hard" if document["hard"] else "soft"
    say(f"${document['limit_usd']} a {document['window']} ({document['zone']}), {hard}, of {_scope(document)}")
    if document["stages"]:
        say(f"stages: {', '.join(document['stages'])}")
    if document["ended"]:
        say(f"ended {document['ended']}")
    if "freed_usd" in document:
        say(f"freed: ${document['freed_usd']}")
    if document.get("standings"):
        _table(document["standings"])
    if document.get("past"):
        rows = [(one["since"], one["member"], f"${one['spent_usd']}") for one in document["past"]]
        print_table(("from", "member", "spent"), rows, title="windows so far", left=2)


def tell_all(document: dict[str, Any], *, json: bool) -> int:
    """All of them. Returns 1 where one has nothing left."""
    standings = document["budgets"]
    if json:
        print_json(document)
    elif standings:
        _table(standings)
    else:
        note("there are no budgets; make one with: thriftgate budget set NAME --limit USD")
    return int(any(one["percent"] >= 100 for one in standings))


def _table(standings: list[dict[str, Any]]) -> None:
    rows = [
        (
            one["name"] + (f" ({one['member_name']})" if one["member"] else ""),
            _scope(one),
            f"${one['limit_usd']}",
            f"${one['spent_usd']}",
            f"${one['held_usd']}",
            f"${one['in_doubt_usd']}",
            f"{one['percent']:.1f} %",
            f"${one['pace_usd']}" if one["pace_usd"] else "-",
            one["until"] or "-",
        )
        for one in standings
    ]
    columns = ("budget", "calls", "limit", "spent", "held", "in doubt", "used", "at this pace", "until")
    print_table(columns, rows, left=2)


def _scope(document: dict[str, Any]) -> str:
    return " ".join(document["scope_names"]) or "all calls"
