"""`thriftgate eval`: which model is good enough, on items of your own. Each verb is a function here, `eval_<verb>`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for

Results = Annotated[Path, Parameter(help="JSONL that `eval run` wrote.")]


def eval_run(
    items: Annotated[Path, Parameter(name="SET", help="Items to ask: JSONL, CSV, TSV, or stored exchanges (JSONL).")],
    /,
    *,
    models: Annotated[str, Parameter(help="Arms to compare: model[@effort], separated by commas; the best one last.")],
    judge: Annotated[
        str | None,
        Parameter(
            help="For items that name none: exact, regex, schema, fields, numeric[:tolerance], code, "
            "llm:MODEL, function:module:name, or a JSON object."
        ),
    ] = None,
    max_cost: Annotated[Decimal | None, Parameter(help="USD the run may cost at most; 5 without it.")] = None,
    now: Annotated[bool, Parameter(negative="", help="Call at once, at full price, and measure latencies.")] = False,
    out: Annotated[Path | None, Parameter(help="File for the results; beside the set without it.")] = None,
    repeat: Annotated[int, Parameter(help="How often each arm answers each item.")] = 1,
    sample: Annotated[int | None, Parameter(help="Only so many items, of each task its share.")] = None,
    seed: Annotated[int, Parameter(help="Draws the sample.")] = 0,
    verifier: Annotated[
        str | None, Parameter(help="Model that is asked how likely each answer is right, of all arms but the last.")
    ] = None,
    answers: Annotated[Path | None, Parameter(help="File that answers are kept in; beside the ledger without it.")] = None,
    upstream: Annotated[str | None, Parameter(help="Origin of the provider's API.")] = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Ask every arm every item, judge the answers, and write the results that `calibrate --data` reads.

    Written with each answer are the signals that a cascade would have of it; --verifier and --repeat add those that take
    further calls.

    Goes through the provider's batches, at half price, unless --now. The price is told before anything is sent, and is
    refused above --max-cost ($5 without it); nothing is sent either that could take the run above it. Answers are kept: a
    run that was stopped goes on with the same command, and one that is through costs nothing again. No lever that could
    change an answer is on. The key is upstream.api_key or ANTHROPIC_API_KEY. Exits 1 where the price was refused, or too
    many answers could not be judged.
    """
    from thriftgate.cli.eval_run import Asked, run_set  # noqa: PLC0415  --help shall be quick

    settings = settings_for(config, upstream__url=upstream, ledger__path=ledger)
    asked = Asked(items, models, judge, max_cost, now, out, repeat, sample, seed, answers, verifier)
    return run_set(settings, asked, json=json)


def eval_report(results: Results, /, *, json: Json = False) -> int:
    """Quality, cost and latency of each arm, overall and by task, with 95 % intervals.

    Also what judges cost, whether the order of answers swayed them, and whether people agree with them. Exits 1 where too
    many answers could not be judged.
    """
    from thriftgate.cli.eval_show import print_report, report_document  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    document = report_document(results)
    print_json(document) if json else print_report(document)
    return 1 if document["fell_short"] else 0


def eval_compare(
    results: Results,
    a: Annotated[str, Parameter(help="Arm to compare with.")],
    b: Annotated[str, Parameter(help="Arm that is compared.")],
    /,
    *,
    seed: Annotated[int, Parameter(help="Draws of the bootstrap.")] = 0,
    json: Json = False,
) -> int:
    """Two arms on the same items: the difference in quality, cost and latency, with 95 % intervals and a paired test.

    McNemar's exact test for right or wrong, a bootstrap for grades in between. Exits 1 where they share no graded item.
    """
    from thriftgate.cli.eval_show import compare_document, print_compare  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    document = compare_document(results, a, b, seed)
    print_json(document) if json else print_compare(document)
    return 0 if document["items"] else 1


eval = App(name="eval")  # noqa: A001  verbs are called as they are
eval.command(eval_run, name="run")
eval.command(eval_compare, name="compare")
eval.command(eval_report, name="report")
