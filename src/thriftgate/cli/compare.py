"""`thriftgate compare`: the same items at several targets and of several models."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for


def compare(
    items: Annotated[Path, Parameter(name="SET", help="Items to ask: JSONL, CSV, TSV, or stored exchanges (JSONL).")],
    /,
    *,
    models: Annotated[str, Parameter(help="Arms to compare: model[@effort], separated by commas.")],
    targets: Annotated[str, Parameter(help="Targets to ask, by name, separated by commas; all without it.")] = "",
    judge: Annotated[
        str | None,
        Parameter(help="For items that name none: exact, regex, schema, fields, numeric[:tolerance], code, llm:MODEL, …"),
    ] = None,
    max_cost: Annotated[Decimal | None, Parameter(help="USD that all of it may cost at most; 5 without it.")] = None,
    out: Annotated[Path | None, Parameter(help="Folder for the results, a file for each target; beside the set.")] = None,
    repeat: Annotated[int, Parameter(help="How often each arm answers each item.")] = 1,
    sample: Annotated[int | None, Parameter(help="Only so many items, of each task its share.")] = None,
    seed: Annotated[int, Parameter(help="Draws the sample.")] = 0,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Ask the same items of the same models at each target, and tell quality, cost and latency.

    Calls are made at once, at full price, each at its target and nowhere else. The price is told before anything is sent,
    and is refused above --max-cost. Answers are kept: the same command goes on where it was stopped. What each target's
    results file holds, `thriftgate eval report` and `eval compare` read. Exits 1 where the price was refused, or too many
    answers could not be judged.
    """
    from thriftgate.cli.compare_run import compare_targets  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.eval_run import Asked  # noqa: PLC0415

    settings = settings_for(config, ledger__path=ledger)
    asked = Asked(items, models, judge, max_cost, True, None, repeat, sample, seed)
    names = [name.strip() for name in targets.split(",") if name.strip()]
    return compare_targets(settings, asked, names, out or items.parent, json=json)
