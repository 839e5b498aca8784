"""`thriftgate reconcile`: does the bill agree with our books, and if not, why?"""

from __future__ import annotations

import asyncio
import os
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import Parameter

from thriftgate.cli.options import Config, Json, settings_for
from thriftgate.cli.output import dollars, note, print_json, print_table, say
from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd

if TYPE_CHECKING:
    from thriftgate.audit.reconcile.books import Books
    from thriftgate.audit.reconcile.pull import Pulled

ADMIN_URL = "https://api.anthropic.com"
SHOWN_MAX = 20


def reconcile(
    *paths: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="A ledger or logs: files, folders, patterns, or - for stdin.")
    ],
    report: Annotated[
        list[str] | None, Parameter(negative="", help="The provider's cost report: Admin API JSON or Console CSV.")
    ] = None,
    usage: Annotated[
        list[str] | None, Parameter(negative="", help="Its usage report of the same days: tells calls from prices.")
    ] = None,
    pull: Annotated[
        bool, Parameter(negative="", help="Fetch both from the Admin API, with the key in THRIFTGATE_ADMIN_KEY.")
    ] = False,
    since: Annotated[str | None, Parameter(help="From this day on (UTC), as 2026-11-01.")] = None,
    until: Annotated[str | None, Parameter(help="Before this day (UTC).")] = None,
    tolerance_usd: Annotated[str, Parameter(help="How much may stay unexplained, in dollars.")] = "0.01",
    admin_url: Annotated[str, Parameter(help="Where the Admin API is.")] = ADMIN_URL,
    json: Json = False,
    config: Config = None,
) -> int:
    """Compare a ledger or logs with the provider's own cost report, and name the cause of each difference.

    Every call is priced by the price book and summed by UTC day, model, workspace, tier, geography and kind of token, as the
    report has it. `--pull` wants --since and --until, and costs nothing. Exits 0 when known causes explain all but
    --tolerance-usd, 1 when more is left.
    """
    if wrong := [path for path in paths if path.startswith("-") and path != "-"]:
        raise InputError(f"unknown option: {wrong[0]}")
    if not paths:
        raise InputError("name a ledger or logs to compare: thriftgate reconcile PATH --report FILE")
    if bool(report) == pull:
        raise InputError("give the provider's cost report with --report FILE, or fetch it with --pull")
    if usage and pull:
        raise InputError("--pull fetches the usage report itself: leave --usage out")
    since_day, until_day = _day(since, "--since"), _day(until, "--until")
    if pull and not (since_day and until_day):
        raise InputError("--pull wants the days to fetch: --since 2026-11-01 --until 2026-12-01")
    if since_day and until_day and since_day >= until_day:
        raise InputError(f"--since {since} must lie before --until {until}")
    tolerance = pico_from_usd(tolerance_usd)
    if tolerance < 0:
        raise InputError("--tolerance-usd must not be negative")
    with TemporaryDirectory(prefix="thriftgate-reconcile-") as folder:
        if pull and since_day and until_day:
            pulled = asyncio.run(_pulled(admin_url, since_day.isoformat(), until_day.isoformat()))
            report, usage = _kept(pulled, Path(folder))
        books = _books(_Files(list(paths), report or [], usage or [], config, Path(folder)))
        document = _compared(books, since_day, until_day, tolerance)
    if json:
        print_json(document)
    else:
        _print(document)
    return 0 if document["reconciled"] else 1


def _day(text: str | None, flag: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InputError(f"{flag}: {text!r} is no day; write it like 2026-11-30") from None


async def _pulled(url: str, since: str, until: str) -> Pulled:
    from thriftgate.audit.reconcile.pull import AdminApi, pull  # noqa: PLC0415  --help shall be quick
    from thriftgate.clock import SystemClock  # noqa: PLC0415  --help shall be quick
    from thriftgate.providers.http1_transport import Http1Transport  # noqa: PLC0415  --help shall be quick

    transport = Http1Transport()
    try:
        api = AdminApi(url, os.environ.get("THRIFTGATE_ADMIN_KEY", ""))
        return await pull(api, since, until, transport, SystemClock())
    finally:
        await transport.close()


def _kept(pulled: Pulled, folder: Path) -> tuple[list[str], list[str]]:
    cost, usage = folder / "cost_report.jsonl", folder / "usage_report.jsonl"
    cost.write_bytes(pulled.cost)
    usage.write_bytes(pulled.usage)
    return [str(cost)], [str(usage)]


class _Files(NamedTuple):
    """What is read, and a folder for scratch files."""

    paths: list[str]
    report: list[str]
    usage: list[str]
    config: Path | None
    folder: Path


def _books(files: _Files) -> Books:
    """Both sides, read."""
    from thriftgate.audit.reconcile.books import Books  # noqa: PLC0415  --help shall be quick
    from thriftgate.audit.reconcile.cards import Cards  # noqa: PLC0415  --help shall be quick
    from thriftgate.audit.reconcile.reading import (  # noqa: PLC0415  --help shall be quick
        COST_REPORTS,
        USAGE_REPORTS,
        our_records,
        report_records,
    )
    from thriftgate.pricing.load import load_book  # noqa: PLC0415  --help shall be quick

    books = Books(Cards(load_book(settings_for(files.config).prices)))
    books.take_billed(report_records(files.report, COST_REPORTS, books.notes))
    if files.usage:
        books.take_reported(report_records(files.usage, USAGE_REPORTS, books.notes))
    books.take_ours(our_records(files.paths, files.folder))
    return books


def _compared(books: Books, since: date | None, until: date | None, tolerance: int) -> dict[str, Any]:
    from thriftgate.audit.reconcile.document import reconcile_document  # noqa: PLC0415  --help shall be quick
    from thriftgate.audit.reconcile.match import match  # noqa: PLC0415  --help shall be quick

    first, last = (None if day is None else (day - date(1970, 1, 1)).days for day in (since, until))
    books.close(first, last)
    return reconcile_document(books, match(books), tolerance)


def _print(document: dict[str, Any]) -> None:
    totals = [
        ("by our prices", _dollars(document["ours_usd"])),
        ("billed", _dollars(document["billed_usd"])),
        ("difference", _dollars(document["difference_usd"])),
        ("explained", _dollars(document["explained_usd"])),
        ("unexplained", _dollars(document["unexplained_usd"])),
    ]
    days = document["days"]
    title = f"{days[0]['day']} to {days[-1]['day']}" if days else ""
    print_table(("", ""), totals, title=title)
    if document["causes"]:
        causes = [(one["cause"], str(one["rows"]), _dollars(one["usd"])) for one in document["causes"]]
        print_table(("cause", "rows", "billed less ours"), causes, title="\nwhy")
        say("")
        for one in document["causes"]:
            say(f"{one['cause']}: {one['text']}")
    if left := document["unexplained"]:
        rows = [(one["day"], _row(one), one["text"], _dollars(one["usd"])) for one in left[:SHOWN_MAX]]
        print_table(("day", "row", "", "unexplained"), rows, title="\nno cause found", left=3)
        if len(left) > SHOWN_MAX:
            note(f"{len(left) - SHOWN_MAX} more rows: --json has them all")
    for one in document["unpriced"]:
        note(f"{one['calls']:,} calls are not priced: {one['reason']}")
    if document["outside"]["days"]:
        outside = document["outside"]
        note(f"{len(outside['days'])} days of the log ({_dollars(outside['ours_usd'])}) are not in the report: left out")
    for text in document["notes"]:
        note(text)


def _row(one: dict[str, Any]) -> str:
    """The model, the kind of token, and the terms where they are special."""
    terms = [one["mode"] if one["mode"] != "standard" else "", one["geo"] if one["geo"] != "global" else ""]
    return " ".join(word for word in (one["model"], one["workspace"], *terms, one["token_type"]) if word) or "all"


def _dollars(usd: str) -> str:
    return dollars(pico_from_usd(usd))
