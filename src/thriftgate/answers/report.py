"""What was spent and saved: in all, by lever, by model, by key, by outcome; gross, net, and against a hold-out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import usd_from_pico
from thriftgate.core.sequential.intervals import Interval
from thriftgate.ledger.entries import Group, Remarks, Report
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_savings import conversations, own_costs
from thriftgate.quality.holdout import HoldoutResult
from thriftgate.quality.savings import Savings, savings_of


async def figures(books: SqlLedger, span: tuple[int, int]) -> tuple[Report, Savings]:
    """What the books say of a span of time (microseconds since 1970). Raises LedgerError."""
    found = await books.report(since_us=span[0], until_us=span[1])
    own = await books.ask(lambda connection: own_costs(connection, span))
    drawn = await books.ask(lambda connection: conversations(connection, span))
    return found, savings_of(found, own, drawn)


def report_document(
    found: Report, saved: Savings, since_us: int | None = None, until_us: int | None = None
) -> dict[str, Any]:
    """The report as `--json` prints it.

    `saved_usd` is all that was saved, baseline minus paid: `net_usd` is the same. `gross_usd` leaves out what thriftgate
    itself spent. `holdout` is empty where no conversation could be held out.
    """
    return {
        "since": None if since_us is None else text_from_micros(since_us),
        "until": None if until_us is None else text_from_micros(until_us),
        "calls": found.calls,
        "baseline_usd": usd_from_pico(found.baseline_pico),
        "paid_usd": usd_from_pico(found.paid_pico),
        "saved_usd": usd_from_pico(saved.net_pico),
        "levers": {lever: usd_from_pico(pico) for lever, pico in found.levers.items()},
        "by_model": _groups("model", found.by_model),
        "by_key": _groups("key", found.by_key),
        "by_outcome": _groups("outcome", found.by_outcome),
        "gross_usd": usd_from_pico(saved.gross_pico),
        "net_usd": usd_from_pico(saved.net_pico),
        "holdout": _holdout(saved.holdout),
        "trial": _holdout(saved.trial),
        "estimated_calls": found.estimated,
        "open_holds": found.open_holds,
        **remarks_document(found.remarks),
    }


def _holdout(result: HoldoutResult | None) -> dict[str, Any]:
    """Shares of cost; an interval that cannot be told yet is null."""
    if result is None:
        return {}
    return {
        "conversations": {"treated": result.treated, "holdout": result.holdout},
        "saving": result.saving,
        "low": result.low,
        "high": result.high,
        "books_gross": result.gross,
        "books_net": result.net,
        "lot_is_fair": result.sample_ratio_ok,
        "baseline_shift": _interval(result.books_shift),
        "calls_shift": _interval(result.calls_shift),
    }


def _interval(one: Interval | None) -> dict[str, float] | None:
    return None if one is None else {"low": one.low, "high": one.high}


def _groups(name: str, groups: Iterable[Group]) -> list[dict[str, Any]]:
    return [
        {
            name: group.name,
            "calls": group.calls,
            "baseline_usd": usd_from_pico(group.baseline_pico),
            "paid_usd": usd_from_pico(group.paid_pico),
            "saved_usd": usd_from_pico(group.baseline_pico - group.paid_pico),
        }
        for group in groups
    ]


def remarks_document(said: Remarks) -> dict[str, Any]:
    """What stands beside the rows."""
    return {
        "kept_from": text_from_micros(said.kept_from_us) if said.kept_from_us else None,
        "whole_hours": said.whole_hours,
        "others": said.others,
    }


def savings_document(
    found: Report, saved: Savings, since_us: int | None = None, until_us: int | None = None
) -> dict[str, Any]:
    """As `--json` prints it: the report, and what thriftgate itself spent."""
    return report_document(found, saved, since_us, until_us) | {
        "own_usd": usd_from_pico(saved.own_pico),
        "own": [
            {"endpoint": one.endpoint, "calls": one.calls, "paid_usd": usd_from_pico(one.paid_pico)} for one in saved.own
        ],
    }
