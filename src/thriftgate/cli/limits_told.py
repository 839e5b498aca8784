"""How the verbs of `thriftgate limits` open the books, and tell what they found."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from thriftgate.cli.books import ask_books
from thriftgate.cli.output import note, print_json, print_table, say
from thriftgate.clock import SystemClock
from thriftgate.core.control.limit_words import limit_document
from thriftgate.core.control.limits import Limit
from thriftgate.ledger.limit_desk import LimitDesk
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_limits import SqlLimitBook
from thriftgate.ledger.sql_tenants import SqlTenants


def at_the_desk(path: str, work: Callable[[LimitDesk, int], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Do something with the limits of the ledger at `path`; the work is handed the time, too (microseconds)."""
    now_us = int(SystemClock().now_s() * 1e6)

    def asked(ledger: SqlLedger) -> Awaitable[dict[str, Any]]:
        book, tenants = SqlLimitBook(ledger), SqlTenants(ledger)
        return work(LimitDesk(book, tenants, lambda: f"lim_{secrets.token_hex(6)}"), now_us)

    return ask_books(path, asked)


def tell(document: dict[str, Any], *, json: bool) -> None:
    """One limit."""
    if json:
        print_json(document)
        return
    say(f"{document['name']} ({document['id']})")
    say(f"{_amount(document)}, of {_scope(document)}")
    if document["ended"]:
        say(f"ended {document['ended']}")


def tell_all(document: dict[str, Any], rules: Sequence[Limit], *, json: bool) -> None:
    """All of them, and the rules of the settings."""
    found = [limit_document(one) for one in rules] + document["limits"]
    if json:
        print_json({"limits": found})
    elif found:
        rows = [(one["name"], _amount(one), _scope(one), "settings" if not one["created"] else "ledger") for one in found]
        print_table(("limit", "calls may use", "calls", "of the"), rows, left=4)
    else:
        note("there are no limits; make one with: thriftgate limits set NAME --metric requests --amount 60")


def _amount(document: dict[str, Any]) -> str:
    metric = document["metric"]
    money = metric == "usd"
    amount, burst = (f"${document[f'{name}_usd']}" if money else document[name] for name in ("amount", "burst"))
    if metric == "concurrency":
        return f"{amount} calls at once"
    told = f"{amount}{'' if money else ' ' + metric.replace('_', ' ')} a {document['per']}"
    return told if burst == amount else f"{told}, {burst} at once"


def _scope(document: dict[str, Any]) -> str:
    return " ".join(document.get("scope_names", document["scope"])) or "all calls"
