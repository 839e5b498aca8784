"""What `thriftgate cache report` says."""

from __future__ import annotations

from typing import Any

from thriftgate.answers.cache import cache_document, cache_figures
from thriftgate.answers.moments import span_from_text
from thriftgate.cli.books import ask_books
from thriftgate.cli.output import dollars, note, percent, print_table, say
from thriftgate.core.money import pico_from_usd
from thriftgate.core.prices import PriceBook


def report_on_cache(path: str, book: PriceBook, since: str | None, until: str | None) -> dict[str, Any]:
    """The document. Raises InputError for a time that is none."""
    span = span_from_text(since, until)
    found = ask_books(path, lambda books: cache_figures(books, book, span))
    return cache_document(found, book, span[0] if since else None, span[1] if until else None)


def print_report(document: dict[str, Any]) -> None:
    """The report as tables."""
    columns = ("", "calls", "prompt", "read", "written", "plain", "hit", "missed")
    print_table(columns, [_row({"all": "all calls", **document}, "all")])
    for name in ("model", "key"):
        if document[f"by_{name}"]:
            print_table(columns, [_row(one, name) for one in document[f"by_{name}"]], title=f"\nby {name}")
    facts = [
        ("saved by caching", _dollars(document["saved_usd"])),
        ("missed, cold calls aside", _dollars(document["missed_usd"])),
    ]
    print_table(("", ""), [*facts, ("of it avoidable", _dollars(document["avoidable_usd"]))], title="\nmoney")
    misses = [
        (one["cause"], f"{one['calls']:,}", f"{one['tokens']:,}", _dollars(one["cost_usd"]), _dollars(one["avoidable_usd"]))
        for one in document["misses"]
    ]
    if misses:
        print_table(("cause", "calls", "tokens", "cost", "avoidable"), misses, title="\nmisses")
        say("\nwhat to do")
        for one in document["misses"]:
            if one["avoidable"]:
                say(f"{one['cause']}: {one['advice']}")
    if document["unpriced_prompt_tokens"]:
        note(f"{document['unpriced_prompt_tokens']:,} prompt tokens have no price here and are left out of what was saved")


def _row(one: dict[str, Any], name: str) -> tuple[str, ...]:
    written = one["write_5m_tokens"] + one["write_1h_tokens"]
    return (
        one[name] or "-",
        f"{one['calls']:,}",
        f"{one['prompt_tokens']:,}",
        f"{one['read_tokens']:,}",
        f"{written:,}",
        f"{one['plain_tokens']:,}",
        percent(one["read_tokens"], one["prompt_tokens"]),
        _dollars(one["missed_usd"]),
    )


def _dollars(usd: str) -> str:
    return dollars(pico_from_usd(usd))
