"""`thriftgate batch`: verbs about work that can wait. Each is a function here, named `batch_<verb>`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for

Upstream = Annotated[str | None, Parameter(help="Origin of the provider's API.")]
Yes = Annotated[bool, Parameter(negative="", help="Send without asking.")]
MaxCost = Annotated[
    Decimal | None,
    Parameter(
        help="USD the run may cost at most: nothing is sent that could take it above. Agrees to an estimate below it."
    ),
]
RunId = Annotated[str, Parameter(help="The run, as `batch list` names it.")]


def batch_run(
    jobs: Annotated[
        Path, Parameter(help="JSONL of {custom_id, params} or {id, params}; or CSV, TSV, Parquet with --template.")
    ],
    /,
    *,
    out: Annotated[Path, Parameter(help="File for the results, one line a job.")],
    template: Annotated[
        Path | None, Parameter(help="Jinja template of the prompt, or (.json.j2) of the whole params.")
    ] = None,
    map: Annotated[  # noqa: A002  the name of the option
        list[str] | None, Parameter(negative="", help="variable=column of the table; id=COLUMN names the jobs.")
    ] = None,
    model: Annotated[str, Parameter(help="Model of jobs made from a table.")] = "",
    max_tokens: Annotated[int | None, Parameter(help="max_tokens of jobs made from a table.")] = None,
    system: Annotated[Path | None, Parameter(help="File with the system prompt of jobs made from a table.")] = None,
    order: Annotated[Literal["input", "arrival"], Parameter(help="Order of the results.")] = "input",
    deadline: Annotated[
        str | None, Parameter(help="6h, 90m, or an RFC 3339 time: what batches have not done by then is called.")
    ] = None,
    yes: Yes = False,
    max_cost: MaxCost = None,
    skip_bad: Annotated[
        bool, Parameter(negative="", help="Leave out lines that are no jobs; each gets its line of results.")
    ] = False,
    prime: Annotated[bool, Parameter(help="Share prompt prefixes through the provider's cache, in waves.")] = True,
    beta: Annotated[list[str] | None, Parameter(negative="", help="anthropic-beta headers to send.")] = None,
    requests_max: Annotated[int | None, Parameter(help="Requests a batch may have.")] = None,
    queue_jobs: Annotated[int | None, Parameter(help="Jobs that may be in the provider's queue at once.")] = None,
    upstream: Upstream = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Run a file of calls through the provider's batches, at half price; stopped or killed, the same command goes on.

    Every line is checked and priced before anything is sent. Jobs that share a long prompt prefix leave in waves: a few that
    write it into the provider's cache, then the rest, which read it. Results stream into --out as Anthropic's own result
    lines. What the provider failed at is tried again; what is wrong with a job itself is told in its result. The key is
    upstream.api_key or ANTHROPIC_API_KEY. Exits 1 where jobs failed, or nothing was sent.
    """
    from thriftgate.cli.batch_asked import Asked  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.batch_run import run_jobs  # noqa: PLC0415  --help shall be quick

    settings = settings_for(config, upstream__url=upstream, ledger__path=ledger)
    asked = Asked(
        jobs=jobs,
        out=out,
        template=template,
        columns=tuple(map or ()),
        model=model,
        max_tokens=max_tokens,
        system=system,
        order=order,
        deadline=deadline,
        yes=yes,
        max_cost=max_cost,
        skip_bad=skip_bad,
        prime=prime,
        betas=tuple(beta or ()),
        requests_max=requests_max,
        queue_jobs=queue_jobs,
    )
    return run_jobs(settings, asked, json=json)


def batch_resume(
    run: RunId,
    /,
    *,
    yes: Yes = False,
    max_cost: MaxCost = None,
    upstream: Upstream = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Go on with a run that was stopped, by its id: what its own command would do again. Needs the jobs file as it was."""
    from thriftgate.cli.batch_run import resume  # noqa: PLC0415  --help shall be quick

    settings = settings_for(config, upstream__url=upstream, ledger__path=ledger)
    return resume(settings, run, yes=yes, max_cost=max_cost, json=json)


def batch_status(
    run: Annotated[str | None, Parameter(help="The run; the newest without one.")] = None,
    /,
    *,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """How far a run is: jobs, batches, what they cost and saved."""
    from thriftgate.cli.batch_show import print_run, status_document  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    document = status_document(settings_for(config, ledger__path=ledger).ledger.path, run)
    print_json(document) if json else print_run(document)


def batch_list(*, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """All runs of a ledger, the newest first."""
    from thriftgate.cli.batch_show import list_document, print_runs  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    document = list_document(settings_for(config, ledger__path=ledger).ledger.path)
    print_json(document) if json else print_runs(document)


def batch_results(run: RunId, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """Print the results a run has so far, in input order, one line a job: also while it is at work."""
    from thriftgate.cli.batch_show import print_results, results_document  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    path = settings_for(config, ledger__path=ledger).ledger.path
    if json:
        print_json(results_document(path, run))
    else:
        print_results(path, run)


def batch_cancel(
    run: RunId, /, *, upstream: Upstream = None, ledger: LedgerPath = None, json: Json = False, config: Config = None
) -> int:
    """Cancel a run: its batches are asked to stop, what they have answered is booked and kept, the rest is not sent.

    Where a process is at work on the run, that one does it, within a minute; otherwise this one.
    """
    from thriftgate.cli.batch_run import cancel  # noqa: PLC0415  --help shall be quick

    settings = settings_for(config, upstream__url=upstream, ledger__path=ledger)
    return cancel(settings, run, json=json)


batch = App(name="batch")
batch.command(batch_run, name="run")
batch.command(batch_resume, name="resume")
batch.command(batch_status, name="status")
batch.command(batch_list, name="list")
batch.command(batch_results, name="results")
batch.command(batch_cancel, name="cancel")
