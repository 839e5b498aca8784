"""`thriftgate report`: what was spent and saved, from the ledger."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from thriftgate.answers.moments import span_from_text
from thriftgate.answers.report import figures, remarks_document, report_document
from thriftgate.cli.books import ask_books
from thriftgate.cli.options import Config, Json, LedgerPath, settings_for
from thriftgate.cli.output import dollars, note, percent, print_json, print_table
from thriftgate.cli.report_by import ReportBy, note_remarks, print_csv, print_rows, rows_by
from thriftgate.core.errors import InputError
from thriftgate.ledger.entries import Group, Report
from thriftgate.ledger.sql_spend import Asked
from thriftgate.quality.savings import Savings


def report(
    *,
    since: Annotated[str | None, Parameter(help="From this day or RFC 3339 time on (a day starts at midnight UTC).")] = None,
    until: Annotated[str | None, Parameter(help="Before this day or RFC 3339 time.")] = None,
    by: Annotated[ReportBy | None, Parameter(help="Apart by this, instead of the usual.")] = None,
    zone: Annotated[str, Parameter(help="Time zone of `--by day`, such as Europe/Berlin.")] = "UTC",
    csv: Annotated[bool, Parameter(negative="", help="Print the rows of --by as CSV.")] = False,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """What was spent and saved, from the ledger: in all, by lever, by model, by key, by outcome; or by one thing in full.

    A call counts by the time it came in. `--since 2026-11-01 --until 2026-12-01` is November. What was saved is net of what
    thriftgate's own calls cost; `thriftgate savings` tells both apart. `--by task` shows for each task beside its cost how
    often it is answered, how soon, and how often a cheaper model's answer came to the same.
    """
    since_us, until_us = span_from_text(since, until)
    path = settings_for(config, ledger__path=ledger).ledger.path
    asked = Asked(since_us, until_us, zone=zone)
    if csv and (json or by is None):
        raise InputError("--csv prints the rows of --by, and does so instead of --json")
    found, saved = ask_books(path, lambda books: figures(books, (since_us, until_us)))
    document = report_document(found, saved, since_us if since else None, until_us if until else None)
    said = found.remarks
    if by is not None:
        rows, said = ask_books(path, lambda books: rows_by(books, asked, by))
        document |= {"by": by, "rows": rows} | remarks_document(said)
        if csv:
            print_csv(by, rows)
        elif by == "task":
            from thriftgate.cli.report_tasks import print_tasks, task_figures, tasks_document  # noqa: PLC0415  seldom asked

            told = ask_books(path, lambda books: task_figures(books, (since_us, until_us)))
            document["by_task"] = tasks_document(*told)
            if not json:
                print_tasks(*told)
        elif not json:
            print_rows(by, rows)
    elif not json:
        _print(found, saved)
    if json:
        print_json(document)
    note_remarks(said)


def _print(found: Report, saved: Savings) -> None:
    net = saved.net_pico
    columns = ("", "calls", "baseline", "paid", "saved", "")
    total = Group("all calls", found.calls, found.baseline_pico, found.paid_pico)
    print_table(columns, [_row(total)])
    for title, groups in (("by model", found.by_model), ("by key", found.by_key), ("by outcome", found.by_outcome)):
        if groups:
            print_table(columns, [_row(group) for group in groups], title=f"\n{title}")
    if found.levers:
        rows = [(lever, dollars(pico), percent(pico, found.baseline_pico)) for lever, pico in found.levers.items()]
        share = percent(net, found.baseline_pico)
        print_table(("", "saved", ""), rows, title="\nby lever", footer=("all", dollars(net), share))
    if saved.own_pico:
        note(f"{dollars(saved.own_pico)} of what was paid went to thriftgate's own calls: see thriftgate savings")
    if found.estimated:
        note(f"{found.estimated} of the calls broke off: their usage is an estimate")
    if found.open_holds:
        note(f"{found.open_holds} calls are open: under way now, or to be closed when the gateway starts next")


def _row(group: Group) -> tuple[str, ...]:
    saved = group.baseline_pico - group.paid_pico
    return (
        group.name,
        f"{group.calls:,}",
        dollars(group.baseline_pico),
        dollars(group.paid_pico),
        dollars(saved),
        percent(saved, group.baseline_pico),
    )
