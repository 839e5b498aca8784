"""`thriftgate doctor`: is everything in order here?"""

from __future__ import annotations

import asyncio
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for
from thriftgate.cli.output import dollars, note, print_json, print_table
from thriftgate.clock import SystemClock
from thriftgate.core.beliefs import DEFAULTS, readable_s
from thriftgate.core.errors import ConfigError, LedgerError

if TYPE_CHECKING:
    from thriftgate.cli.checks import Check
    from thriftgate.cli.trial import Done, Trial
    from thriftgate.settings import Settings

CHEAP_MODEL = "claude-haiku-5-5"


def doctor(
    *,
    live: Annotated[
        bool,
        Parameter(negative="", help="Also ask the upstream, and find out how its cache works: costs money, asks first."),
    ] = False,
    model: Annotated[str, Parameter(help="With --live: the model to try the cache of.")] = CHEAP_MODEL,
    only: Annotated[list[str] | None, Parameter(negative="", help="With --live: these experiments only, as V1,V3.")] = None,
    yes: Annotated[bool, Parameter(negative="", help="With --live: spend without asking.")] = False,
    gateway: Annotated[
        str | None, Parameter(help="Check a running gateway from here instead, as its clients reach it: its URL.")
    ] = None,
    key: Annotated[str | None, Parameter(help="With --gateway: the key to show; ANTHROPIC_API_KEY otherwise.")] = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Check the installation, the settings, the ledger, the machine and the servers that the settings name; or a gateway.

    With --gateway it looks from the client's side: name, connection, TLS, health, a free call, a stream, headers, latency.
    Nothing of that costs anything, and no settings are read.

    Else it touches no network but PostgreSQL and Redis where the settings name them, unless --live is given. Then it lists
    the upstream's models, which is free, with the key from upstream.api_key or ANTHROPIC_API_KEY, and runs eight
    experiments on the prompt cache, which are not free: it tells the most they can cost and asks, or wants --yes where
    nobody can be asked. They take about eleven minutes, up to forty where the batch of V6 is slow, and need the ledger for
    themselves: stop the gateway on it first. What they find is stored in the ledger for the gateway. Exits 1 when a check
    fails or the experiments were refused.
    """
    settings, checks = (None, _from_outside(gateway, key)) if gateway else _checked(config, ledger, live=live)
    ok = all(check.ok for check in checks)
    document: dict[str, Any] = {"ok": ok, "checks": [check.document() for check in checks]}
    if not json:
        rows = [("ok" if check.ok else "FAILS", check.name, check.detail + _advice(check)) for check in checks]
        print_table(("", "", ""), rows, left=3)
    if live and not gateway:
        ran = _experiment(settings, model, only or [], yes=yes) if ok and settings is not None else []
        document |= _live_document(ran)
        document["ok"] = ok = ok and bool(ran)
        if ran and not json:
            _show(ran)
    if json:
        print_json(document)
    return 0 if ok else 1


def _checked(config: Path | None, ledger: str | None, *, live: bool) -> tuple[Settings | None, list[Check]]:
    from thriftgate.cli.checks import Check, check_all, fine  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.checks_machine import machine_checks  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.checks_servers import server_checks  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.live import live_checks  # noqa: PLC0415  --help shall be quick
    from thriftgate.pricing.load import load_book  # noqa: PLC0415  --help shall be quick

    try:
        settings = settings_for(config, ledger__path=ledger)
    except ConfigError as error:
        fix = "correct the settings file, the THRIFTGATE_ variables or the flags"
        return None, [*check_all(None), Check("settings", ok=False, detail=str(error), fix=fix)]
    checks = [*check_all(settings), fine("settings", f"valid; levers: {', '.join(settings.policy.levers) or 'none'}")]
    named = config or os.environ.get("THRIFTGATE_CONFIG")
    checks += machine_checks(settings, Path(named) if named else None, SystemClock().now_s())
    checks += server_checks(settings, SystemClock())
    if live:
        checks += live_checks(settings.upstream, _key(settings), load_book(settings.prices))
    return settings, checks


def _from_outside(url: str, key: str | None) -> list[Check]:
    from thriftgate.cli.checks_gateway import gateway_checks  # noqa: PLC0415  --help shall be quick

    return gateway_checks(url, os.environ.get("ANTHROPIC_API_KEY", "") if key is None else key, SystemClock())


def _key(settings: Settings) -> str:
    return settings.upstream.first_key or os.environ.get("ANTHROPIC_API_KEY", "")


def _advice(check: Check) -> str:
    return f"\n-> {check.fix}" if check.fix else ""


# --- the experiments of --live -------------------------------------------------------------------------------------------


def _experiment(settings: Settings, model: str, only: list[str], *, yes: bool) -> list[Done]:
    """Estimate, ask, run, store. Nothing where the answer was no."""
    from thriftgate.cli.trial import Trial, chosen, cost_limit_pico  # noqa: PLC0415  --help shall be quick
    from thriftgate.pricing.load import load_book, load_models  # noqa: PLC0415  --help shall be quick

    clock = SystemClock()
    capability = load_models()[model]
    trial = Trial(chosen(only), capability, _key(settings))
    limit = cost_limit_pico(trial, load_book(settings.prices), clock.now_s())
    names = ", ".join(one.id for one in trial.experiments)
    batch = " and what a batch takes" if any(ask.batch for one in trial.experiments for ask in one.asks) else ""
    note(
        f"{names} on {capability.id} at {settings.upstream.url}: at most about {dollars(limit)}, "
        f"{math.ceil(trial.seconds / 60)} min{batch}"
    )
    if not yes and not _agreed():
        return []
    return asyncio.run(_run(settings, trial, clock))


def _agreed() -> bool:
    if not sys.stdin.isatty():
        note("nothing was sent: nobody can be asked here; --yes agrees to the cost")
        return False
    note("Spend it? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


async def _run(settings: Settings, trial: Trial, clock: SystemClock) -> list[Done]:
    from thriftgate.cli.experiments import believed  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.trial import run_trial, store  # noqa: PLC0415  --help shall be quick
    from thriftgate.ledger.sql import SqlLedger  # noqa: PLC0415  --help shall be quick

    ran = await run_trial(settings, trial, clock, note)
    found = believed([done.result for done in ran], clock.now_s())
    books = SqlLedger.open(settings.ledger.path)
    try:
        await store(found, settings.upstream.provider, trial.capability.id, books)
    except LedgerError as error:
        note(f"what was found is not stored: {error}")
    finally:
        await books.close()
    return ran


def _live_document(ran: list[Done]) -> dict[str, Any]:
    from thriftgate.cli.experiments import believed  # noqa: PLC0415  --help shall be quick
    from thriftgate.core.money import usd_from_pico  # noqa: PLC0415  --help shall be quick

    found = believed([done.result for done in ran], 0.0)
    return {
        "experiments": [
            {
                "id": done.experiment.id,
                "question": done.experiment.question,
                "verdict": done.result.outcome,
                "detail": done.result.detail,
                "cost_usd": usd_from_pico(done.cost_pico),
            }
            for done in ran
        ],
        "cost_usd": usd_from_pico(sum(done.cost_pico for done in ran)),
        "beliefs": {topic: found.of(topic).verdict for topic in DEFAULTS} | {"readable_s": readable_s(found)},
    }


def _show(ran: list[Done]) -> None:
    rows = [
        (
            done.experiment.id,
            done.result.outcome,
            f"{done.experiment.question}\n{done.result.detail}",
            dollars(done.cost_pico),
        )
        for done in ran
    ]
    total = dollars(sum(done.cost_pico for done in ran))
    print_table(("", "", "experiment", "cost"), rows, left=3, footer=("", "", "", total))
