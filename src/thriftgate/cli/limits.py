"""`thriftgate limits`: how much callers may ask for in a short time, or at once. Each verb is a function here,
`limits_<verb>`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from cyclopts import App, Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for

Name = Annotated[str, Parameter(help="Name or id of the limit.")]


def limits_set(
    name: Name,
    /,
    *,
    metric: Annotated[
        str | None,
        Parameter(
            help="What is counted: requests, input_tokens, output_tokens, tokens, usd, or calls at once (concurrency)."
        ),
    ] = None,
    amount: Annotated[Decimal | None, Parameter(help="How much of it; in USD for usd.")] = None,
    per: Annotated[str | None, Parameter(help="In which time: second, minute or hour. New: minute.")] = None,
    burst: Annotated[Decimal | None, Parameter(help="How much may come at once. New, or 0: the amount.")] = None,
    scope: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            help="Which calls count: kind=value of org, team, user, key, tag, task, model, tier or provider; key=* is one "
            "limit for each key. Repeated, all must hold; without any, all calls count.",
        ),
    ] = (),
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Make a limit, or change the amount and burst of one. A gateway that is running keeps to it within two seconds of
    calls."""
    from thriftgate.cli.limits_told import at_the_desk, tell  # noqa: PLC0415  --help shall be quick
    from thriftgate.ledger.limit_desk import WantedLimit  # noqa: PLC0415  --help shall be quick

    texts = [None if one is None else format(one.normalize(), "f") for one in (amount, burst)]
    wanted = WantedLimit(name, metric, texts[0], per, texts[1], scope)
    path = settings_for(config, ledger__path=ledger).ledger.path
    tell(at_the_desk(path, lambda desk, now_us: desk.put(wanted, now_us)), json=json)


def limits_list(*, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """All limits that stand, those of the settings among them."""
    from thriftgate.cli.limits_told import at_the_desk, tell_all  # noqa: PLC0415  --help shall be quick
    from thriftgate.settings import caller_limits  # noqa: PLC0415  --help shall be quick

    settings = settings_for(config, ledger__path=ledger)
    kept = at_the_desk(settings.ledger.path, lambda desk, _: desk.all())
    tell_all(kept, caller_limits(settings.limits), json=json)


def limits_show(name: Name, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """One limit that is kept in the ledger."""
    from thriftgate.cli.limits_told import at_the_desk, tell  # noqa: PLC0415  --help shall be quick

    path = settings_for(config, ledger__path=ledger).ledger.path
    tell(at_the_desk(path, lambda desk, _: desk.show(name)), json=json)


def limits_end(name: Name, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """End a limit."""
    from thriftgate.cli.limits_told import at_the_desk, tell  # noqa: PLC0415  --help shall be quick

    path = settings_for(config, ledger__path=ledger).ledger.path
    tell(at_the_desk(path, lambda desk, now_us: desk.end(name, now_us)), json=json)


limits = App(name="limits")
for _verb in (limits_set, limits_list, limits_show, limits_end):
    limits.command(_verb, name=_verb.__name__.removeprefix("limits_"))
