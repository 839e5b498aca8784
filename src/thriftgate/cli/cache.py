"""`thriftgate cache`: verbs about the prompt cache. Each is a function here, named `cache_<verb>`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for


def cache_doctor(
    file: Annotated[
        str | None,
        Parameter(allow_leading_hyphen=True, help="File with one request body a line (JSONL); - reads standard input."),
    ] = None,
    /,
    *,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """What breaks prompt prefixes, what it costs, and what to do about it: in the traffic of the gateway, or in a file.

    Without a file it says what the gateway saw clients send and put down in the ledger: every five minutes, and at its end.

    Each line of a file is a Messages request body, in the order in which they were sent, or an object that holds one as
    `request`, `params` or `body`, with the application's name as `key` where there are several. Nothing of a prompt is
    printed. The tokens are estimates, and leave out how long cache entries live.
    """
    from thriftgate.cli.cache_doctor import examine, print_findings, remembered  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick
    from thriftgate.core.errors import InputError  # noqa: PLC0415  --help shall be quick

    if file is not None and ledger is not None:
        raise InputError(f"{file} or the ledger: name one of them")
    document = examine(file) if file is not None else remembered(settings_for(config, ledger__path=ledger).ledger.path)
    if json:
        print_json(document)
    else:
        print_findings(document)


cache = App(name="cache")
cache.command(cache_doctor, name="doctor")


@cache.command(name="report")
def cache_report(
    *,
    since: Annotated[str | None, Parameter(help="From this day or RFC 3339 time on (a day starts at midnight UTC).")] = None,
    until: Annotated[str | None, Parameter(help="Before this day or RFC 3339 time.")] = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """How prompts were cached, what was not read though it had been sent before, why, and what that cost.

    A miss costs what its tokens cost above the price of reading them. Calls by the time they came in; those of before
    thriftgate told misses count as tokens only.
    """
    from thriftgate.cli.cache_report import print_report, report_on_cache  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick
    from thriftgate.pricing.load import load_book  # noqa: PLC0415  --help shall be quick

    settings = settings_for(config, ledger__path=ledger)
    document = report_on_cache(settings.ledger.path, load_book(settings.prices), since, until)
    if json:
        print_json(document)
    else:
        print_report(document)
