"""`thriftgate savings`: gross, net and hold-out-based saving side by side."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from thriftgate.answers.moments import span_from_text
from thriftgate.answers.report import figures, savings_document
from thriftgate.cli.books import ask_books
from thriftgate.cli.options import Config, Json, LedgerPath, settings_for
from thriftgate.cli.output import dollars, note, percent, print_json, print_table
from thriftgate.ledger.entries import Report
from thriftgate.quality.holdout import LEAST_UNITS, HoldoutResult
from thriftgate.quality.savings import Savings


def savings(
    *,
    since: Annotated[str | None, Parameter(help="From this day or RFC 3339 time on (a day starts at midnight UTC).")] = None,
    until: Annotated[str | None, Parameter(help="Before this day or RFC 3339 time.")] = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """What was saved: gross by the books, net of what thriftgate itself spent, and against conversations that were held out.

    The last is no estimate of ours but an experiment: `[experiment] holdout = 0.05` leaves one conversation in twenty alone.
    """
    since_us, until_us = span_from_text(since, until)
    path = settings_for(config, ledger__path=ledger).ledger.path
    found, saved = ask_books(path, lambda books: figures(books, (since_us, until_us)))
    if json:
        print_json(savings_document(found, saved, since_us if since else None, until_us if until else None))
        return
    _print(found, saved)


def _print(found: Report, saved: Savings) -> None:
    rows = [
        ("gross, by the books", dollars(saved.gross_pico), percent(saved.gross_pico, found.baseline_pico)),
        ("spent by thriftgate itself", dollars(-saved.own_pico), percent(-saved.own_pico, found.baseline_pico)),
        ("net", dollars(saved.net_pico), percent(saved.net_pico, found.baseline_pico)),
    ]
    print_table(("", "saved", ""), rows, title=f"{found.calls:,} calls, baseline {dollars(found.baseline_pico)}")
    if saved.own:
        own = [(one.endpoint, f"{one.calls:,}", dollars(one.paid_pico)) for one in saved.own]
        print_table(("", "calls", "paid"), own, title="\nspent by thriftgate itself")
    if saved.trial is not None and saved.trial.saving is not None:
        told = saved.trial
        note(
            f"the levers under trial: {told.saving:.1%} saved, between {told.low:.1%} and {told.high:.1%} "
            f"({told.treated} conversations with them, {told.holdout} without)"
        )
    if saved.holdout is None:
        note("no hold-out ran: set experiment.holdout to measure the saving instead of reckoning it")
    else:
        _print_holdout(saved.holdout)


def _print_holdout(held: HoldoutResult) -> None:
    count = f"{held.treated} conversations treated, {held.holdout} held out"
    if not held.sample_ratio_ok:
        note("the arms are not as large as the lot should have made them: do not trust what follows")
    if held.saving is None or held.low is None or held.high is None:
        note(f"against the hold-out: too little to tell yet ({count}; it takes {LEAST_UNITS} of each)")
        return
    note(f"against the hold-out: {held.saving:.1%} saved, between {held.low:.1%} and {held.high:.1%} ({count})")
    if held.net is not None:
        note(f"the books say of the same conversations: {held.net:.1%} saved")
    shift = held.books_shift
    if shift is not None and not shift.low <= 0 <= shift.high:
        note(
            f"the levers change what conversations would have cost by {shift.low:+.1%} to {shift.high:+.1%}: "
            "what the books say is not what was saved"
        )
