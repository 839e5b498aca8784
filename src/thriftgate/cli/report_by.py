"""What `thriftgate report --by` says: the same figures, apart by a name, a lever, a day or an hour."""

from __future__ import annotations

import csv
import sys
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from thriftgate.cli.output import dollars, note, percent, print_table
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.ledger.entries import Remarks
from thriftgate.ledger.rollup_columns import OTHER
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_spend import Asked, By, SavingCell, SpendCell, remarks, savings, spend

ReportBy = Literal[
    "key", "user", "team", "org", "model", "tier", "task", "tag", "provider", "upstream", "endpoint", "mode", "outcome",
    "lever", "day", "hour",
]  # fmt: skip

Rows = list[dict[str, Any]]


async def rows_by(books: SqlLedger, asked: Asked, by: ReportBy) -> tuple[Rows, Remarks]:
    """The rows, as `--json` and `--csv` print them, and what is to be said with them. Raises InputError and LedgerError."""
    if by == "day" or by == "hour":  # noqa: PLR1714  mypy narrows this one
        asked = replace(asked, step=by)
    elif by != "lever":
        asked = replace(asked, by=msgspec.convert(by, By))
    said = await books.ask(lambda connection: remarks(connection, asked))
    if by == "lever":
        return [_lever(cell) for cell in await books.ask(lambda connection: savings(connection, asked))], said
    return [_spent(by, cell) for cell in await books.ask(lambda connection: spend(connection, asked))], said


def _lever(cell: SavingCell) -> dict[str, Any]:
    return {"lever": cell.lever, "calls": cell.calls, "saved_usd": usd_from_pico(cell.saved_pico)}


def _spent(by: str, cell: SpendCell) -> dict[str, Any]:
    name = text_from_micros(cell.start_us) if by in ("day", "hour") else cell.name
    tokens = msgspec.structs.asdict(cell.tokens)
    return {
        by: name,
        "calls": cell.calls,
        "errors": cell.errors,
        "estimated_calls": cell.estimated,
        "baseline_usd": usd_from_pico(cell.baseline_pico),
        "paid_usd": usd_from_pico(cell.paid_pico),
        "saved_usd": usd_from_pico(cell.saved_pico),
        "own_usd": usd_from_pico(cell.own_pico),
        **{f"{kind}_tokens": count for kind, count in tokens.items()},
        "web_searches": cell.web_searches,
    }


def print_csv(by: str, rows: Rows) -> None:
    """One line of names, and one for each row; nothing in it begins like a formula."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(rows[0] if rows else [by])
    writer.writerows([_harmless(value) for value in row.values()] for row in rows)


def _harmless(value: object) -> object:
    """A task may be named by anybody, and a spreadsheet would run `=…` (owasp.org/www-community/attacks/CSV_Injection)."""
    text = isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} and not _is_number(value)
    return f"'{value}" if text else value


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdecimal()


def print_rows(by: str, rows: Rows) -> None:
    """For people."""
    printed = []
    for row in rows:
        baseline, paid = (pico_from_usd(row.get(name, "0")) for name in ("baseline_usd", "paid_usd"))
        saved = pico_from_usd(row["saved_usd"])
        amounts = () if by == "lever" else (dollars(baseline), dollars(paid))
        share = () if by == "lever" else (percent(saved, baseline),)
        printed.append((str(row[by]), f"{row['calls']:,}", *amounts, dollars(saved), *share))
    columns = ("", "calls", "saved") if by == "lever" else ("", "calls", "baseline", "paid", "saved", "")
    print_table(columns, printed, title=f"by {by}")


def note_remarks(said: Remarks) -> None:
    """What a reader must know of the figures."""
    if said.kept_from_us:
        note(f"single calls are kept from {text_from_micros(said.kept_from_us)} on; before, roll-ups alone tell")
    if said.whole_hours:
        note("where the span begins or ends before that, it does so at the beginning of the hour")
    if said.others:
        note(f"{OTHER} are names beyond those that a key may have on one day")
