"""How verbs print: one JSON document on stdout with `--json`, tables for people otherwise; all else goes to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from thriftgate.core.money import usd_from_pico


def print_json(document: object) -> None:
    """Exactly one JSON document and a newline."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")


def note(text: str) -> None:
    """A remark for people, out of the way of `--json`."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)


def say(text: str) -> None:
    """A line for people on stdout."""
    print(text)  # noqa: T201


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    footer: Sequence[str] = (),
    left: int = 1,
) -> None:
    """A table whose first `left` columns are text and whose others are numbers. Nothing in it is read as markup."""
    if title:
        say(title)
    table = Table(show_header=any(columns), show_footer=bool(footer), pad_edge=False, box=None)
    for at, name in enumerate(columns):
        end = Text(footer[at]) if footer else ""
        table.add_column(Text(name), end, justify="left" if at < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)


def dollars(pico: int) -> str:
    """Rounded for people: cents for large amounts, six digits for small ones. `--json` has the exact figure."""
    usd = Decimal(usd_from_pico(abs(pico)))
    return f"{'-' * (pico < 0)}${usd:,.2f}" if usd >= 100 else f"{'-' * (pico < 0)}${usd:,.6f}"


def dollars_short(pico: int) -> str:
    """Rounded to few characters, for where there is little room."""
    usd = Decimal(usd_from_pico(abs(pico)))
    digits = 4 if usd < 1 else 2 if usd < 1000 else 0
    return f"{'-' * (pico < 0)}${usd:,.{digits}f}"


def dollars_exact(pico: int) -> str:
    """To the last digit."""
    return f"{'-' * (pico < 0)}${usd_from_pico(abs(pico))}"


def percent(part: int, whole: int) -> str:
    """`-` where there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else "-"
