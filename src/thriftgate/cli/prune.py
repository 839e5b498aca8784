"""`thriftgate prune`: the smallest prompt that keeps the score."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for


def prune(
    prompt: Annotated[Path, Parameter(name="PROMPT", help="The system prompt: a text file, Markdown or plain.")],
    /,
    *,
    eval: Annotated[Path, Parameter(help="Cases with a known answer: a set as of `eval run`.")],  # noqa: A002  as it is called
    model: Annotated[str, Parameter(help="Who answers: model[@effort].")] = "claude-haiku-5-5",
    judge: Annotated[str | None, Parameter(help="For cases that name none, as of `eval run`.")] = None,
    budget: Annotated[Decimal, Parameter(help="USD that may be spent at most.")] = Decimal(5),
    margin: Annotated[float, Parameter(help="How much of the score may be lost, 0.02 for 2 points.")] = 0.02,
    confidence: Annotated[float, Parameter(help="How sure that less is lost.")] = 0.95,
    calls_per_month: Annotated[
        int | None, Parameter(help="Calls that the prompt serves; as many as cases without it.")
    ] = None,
    batch: Annotated[bool, Parameter(negative="", help="Through the provider's batches, at half price.")] = False,
    write: Annotated[bool, Parameter(negative="", help="Write a confirmed prompt to the file, and keep a copy.")] = False,
    seed: Annotated[int, Parameter(help="Draws which cases are held out.")] = 0,
    answers: Annotated[Path | None, Parameter(help="File that answers are kept in; beside the ledger without it.")] = None,
    upstream: Annotated[str | None, Parameter(help="Origin of the provider's API.")] = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Find the smallest prompt that keeps the score: leave sections out, coarse to fine, and see what that does.

    Searches on one part of the cases, and confirms what it found on the others, which the search has never seen: that the
    score falls by less than --margin, with --confidence. Shows a diff, tokens, dollars a month, and what each section was
    worth. Nothing is adopted without --write.

    Nothing is sent that could take the run above --budget. Answers are kept: a run that was stopped goes on with the same
    command, and no prompt is asked the same case twice. Exits 1 where what was found is not confirmed, which includes too
    few cases: then it says how many it takes. Needs thriftgate[eval].
    """
    from thriftgate.cli.prune_asked import Asked  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.prune_run import run_prune  # noqa: PLC0415  --help shall be quick

    settings = settings_for(config, upstream__url=upstream, ledger__path=ledger)
    asked = Asked(prompt, eval, model, judge, budget, margin, confidence, calls_per_month, batch, write, seed, answers)
    return run_prune(settings, asked, json=json)
