"""`thriftgate route`: verbs about which model serves which calls. Each is a function here, named `route_<verb>`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for


def route_explain(
    file: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="File with a Messages request body (JSON); - reads standard input.")
    ],
    /,
    *,
    task: Annotated[str, Parameter(help="As the thriftgate-task header would say it.")] = "",
    tenant: Annotated[str, Parameter(help="As the thriftgate-tenant header would say it.")] = "",
    key: Annotated[str, Parameter(help="The key, by the name that the reports use (key_…).")] = "",
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Which model would serve this call, were it to come in now as the first of its conversation, and why. Sends nothing.

    Exits with 0 where another model than the one it names would serve it, with 1 where that one would.
    """
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.reading import read_input  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.route_explain import explained, print_explanation  # noqa: PLC0415  --help shall be quick

    told = ((b"thriftgate-task", task), (b"thriftgate-tenant", tenant))
    headers = tuple((name, value.encode()) for name, value in told if value)
    document = explained(settings_for(config, ledger__path=ledger), read_input(file), headers, key)
    if json:
        print_json(document)
    else:
        print_explanation(document)
    return 0 if document["served"] != document["asked"] else 1


def route_tasks(
    *,
    since: Annotated[str | None, Parameter(help="From this day or RFC 3339 time on (a day starts at midnight UTC).")] = None,
    until: Annotated[str | None, Parameter(help="Before this day or RFC 3339 time.")] = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """The tasks that calls were for, the dearest first: where a cheaper model would save most.

    A task without a name is told by the fingerprint of its call site; `[[routing.tasks]]` gives it one.
    """
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.route_tasks import print_tasks, report_on_tasks  # noqa: PLC0415  --help shall be quick

    document = report_on_tasks(settings_for(config, ledger__path=ledger).ledger.path, since, until)
    if json:
        print_json(document)
    else:
        print_tasks(document)


route = App(name="route")
route.command(route_explain, name="explain")
route.command(route_tasks, name="tasks")
