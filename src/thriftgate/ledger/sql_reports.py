"""The reports of the ledger, from its roll-ups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from thriftgate.core.usage import Tokens
from thriftgate.ledger import queries
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import CacheReport, Group, MissSum, PricedAlike, PromptSum, Report
from thriftgate.ledger.rollup_columns import PROMPT_COLUMNS, SERVED, STEP_TOKENS
from thriftgate.ledger.rollup_spans import DAY_US
from thriftgate.ledger.sql_cells import Source, Sums, Totals, add_up, chosen
from thriftgate.ledger.sql_spend import CACHE, Asked, misses, remarks, savings

_BOOKED = chosen("calls", "estimated", "baseline_high", "baseline_low", "paid_high", "paid_low")


def report(connection: Connection, span: tuple[int, int]) -> Report:
    """See `entries.Ledger.report`."""
    booked = add_up(connection, _BOOKED, span, ("model", "key"))
    by_outcome = add_up(connection, _BOOKED, span, ("outcome",))
    saved = sorted(savings(connection, Asked(*span)), key=lambda cell: cell.lever)
    return Report(
        calls=sum(one["calls"] for one in booked.values()),
        estimated=sum(one["estimated"] for one in booked.values()),
        open_holds=connection.execute(queries.OPEN_HOLDS_COUNT).fetchone()[0],
        baseline_pico=sum(one.money("baseline") for one in booked.values()),
        paid_pico=sum(one.money("paid") for one in booked.values()),
        levers={cell.lever: cell.saved_pico for cell in saved},
        by_model=_largest_first(_grouped(booked, 0)),
        by_key=_largest_first(_grouped(booked, 1)),
        by_outcome=_largest_first(_grouped(by_outcome, 0)),
        remarks=remarks(connection, Asked(*span)),
    )


def _grouped(booked: Totals, at: int) -> Iterable[Group]:
    found: dict[str, list[int]] = {}
    for (_, names), one in booked.items():
        had = found.setdefault(names[at], [0, 0, 0])
        had[0] += one["calls"]
        had[1] += one.money("baseline")
        had[2] += one.money("paid")
    return (Group(name, *sums) for name, sums in found.items())


def _largest_first(groups: Iterable[Group]) -> tuple[Group, ...]:
    return tuple(sorted(groups, key=lambda group: (-group.baseline_pico, group.name)))


def cache_report(connection: Connection, price_steps: Sequence[int], span: tuple[int, int]) -> CacheReport:
    """See `entries.Ledger.cache_report`."""
    cached = add_up(connection, CACHE, span, ("model", "key"))
    total, by_model, by_key = (_prompts(cached, at) for at in (None, 0, 1))
    return CacheReport(
        total=total[0] if total else PromptSum("", 0, 0, 0, 0, 0, 0),
        misses=tuple(
            MissSum(cell.cause, cell.calls, cell.tokens, cell.pico, cell.avoidable_pico)
            for cell in misses(connection, Asked(*span))
        ),
        by_model=by_model,
        by_key=by_key,
        priced_alike=tuple(_priced_alike(connection, price_steps, span)),
    )


def _prompts(cached: Totals, at: int | None) -> tuple[PromptSum, ...]:
    """The most first, by one of their names or in all."""
    found: dict[str, Sums] = {}
    for (_, names), one in cached.items():
        had = found.setdefault("" if at is None else names[at], Sums(dict.fromkeys(one, 0)))
        for column, value in one.items():
            had[column] += value
    sums = [
        PromptSum(
            name, one["used"], one["read"], one["write_5m"], one["write_1h"], one["input"], miss_pico=one.money("missed")
        )
        for name, one in found.items()
        if one["used"]
    ]
    return tuple(sorted(sums, key=lambda one: (-one.prompt, one.name)))


def _priced_alike(connection: Connection, price_steps: Sequence[int], span: tuple[int, int]) -> Iterable[PricedAlike]:
    entries_step = queries.price_step(price_steps)
    if any(step % STEP_TOKENS for step in price_steps):  # a step of somebody's own, which the roll-ups do not tell apart
        question = queries.PRICED_ALIKE.format(entries_step)
        for model, mode, geo, day, above, *counts in connection.execute(question, span):
            yield PricedAlike(model, mode, geo, day, above, Tokens(*counts))
        return
    source = Source(
        "rollup_prompts",
        {name: f"c.{name}" for name in PROMPT_COLUMNS},
        PROMPT_COLUMNS,
        ("c.served", "c.mode", "c.geo", queries.stepped(price_steps, "c.above", ">=")),
        (SERVED, "e.mode", "e.geo", entries_step),
        entries_where="e.usage_source <> 'none'",
        has_dims=False,
    )
    for (start, (model, mode, geo, above)), sums in sorted(add_up(connection, source, span, step="day").items()):
        yield PricedAlike(model, mode, geo, start // DAY_US, int(above), Tokens(*sums.values()))
