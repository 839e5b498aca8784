"""`thriftgate budget`: what may be spent, by whom, and how much of it is. Each verb is a function here, `budget_<verb>`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from cyclopts import App, Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for

Name = Annotated[str, Parameter(help="Name or id of the budget.")]
Limit = Annotated[Decimal | None, Parameter(help="What may be spent in the window, in USD.")]
Stages = Annotated[
    tuple[str, ...] | None,
    Parameter(
        name="--stage",
        negative="",
        help="What happens from a percentage on: 80, 80:no_fast, 80:cheaper:MODEL, 95:batch, 100:refuse. May be repeated.",
    ),
]
Kind = Annotated[
    bool | None, Parameter(name="--hard", negative="--soft", help="Hard is never overspent; soft only warns. New: hard.")
]


def budget_set(
    name: Name,
    /,
    *,
    limit: Limit = None,
    scope: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            help="Which calls count: kind=value of org, team, user, key, tag, task, model, tier or provider; key=* is one "
            "budget for each key. Repeated, all must hold; without any, all calls count.",
        ),
    ] = (),
    window: Annotated[
        str | None, Parameter(help="hour, day, week, month, total, or such as 'rolling 24h'. New: month.")
    ] = None,
    zone: Annotated[str | None, Parameter(help="Time zone of the window, such as Europe/Zurich. New: UTC.")] = None,
    hard: Kind = None,
    stage: Stages = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Make a budget, or change the limit, kind and stages of one. What was spent in its window before counts. A gateway that
    is running keeps to it from the next call on."""
    from thriftgate.cli.budgets import at_the_desk, tell  # noqa: PLC0415  --help shall be quick
    from thriftgate.ledger.budget_desk import Wanted  # noqa: PLC0415  --help shall be quick

    wanted = Wanted(name, None if limit is None else str(limit), scope, window, zone, hard, stage)
    path = settings_for(config, ledger__path=ledger).ledger.path
    tell(at_the_desk(path, lambda desk, now_us: desk.put(wanted, now_us)), json=json)


def budget_list(*, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> int:
    """How all budgets stand. Exits with 1 where one is used up."""
    from thriftgate.cli.budgets import at_the_desk, tell_all  # noqa: PLC0415  --help shall be quick

    path = settings_for(config, ledger__path=ledger).ledger.path
    return tell_all(at_the_desk(path, lambda desk, now_us: desk.all(now_us)), json=json)


def budget_show(name: Name, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """One budget: how it and each of its members stand, and what was spent in the windows before."""
    from thriftgate.cli.budgets import at_the_desk, tell  # noqa: PLC0415  --help shall be quick

    path = settings_for(config, ledger__path=ledger).ledger.path
    tell(at_the_desk(path, lambda desk, now_us: desk.show(name, now_us)), json=json)


def budget_end(name: Name, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """End a budget. What was spent of it stays known."""
    from thriftgate.cli.budgets import at_the_desk, tell  # noqa: PLC0415  --help shall be quick

    path = settings_for(config, ledger__path=ledger).ledger.path
    tell(at_the_desk(path, lambda desk, now_us: desk.end(name, now_us)), json=json)


def budget_clear(
    name: Name,
    /,
    *,
    member: Annotated[str, Parameter(help="Of a budget with one for each: which, such as key=key_1.")] = "",
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Free what is in doubt: money of calls whose process was killed, once the provider's report shows what they cost."""
    from thriftgate.cli.budgets import at_the_desk, tell  # noqa: PLC0415  --help shall be quick

    path = settings_for(config, ledger__path=ledger).ledger.path
    tell(at_the_desk(path, lambda desk, now_us: desk.clear(name, member, now_us)), json=json)


budget = App(name="budget")
for _verb in (budget_set, budget_list, budget_show, budget_end, budget_clear):
    budget.command(_verb, name=_verb.__name__.removeprefix("budget_"))
