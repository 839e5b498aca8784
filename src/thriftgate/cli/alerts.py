"""`thriftgate alerts`: verbs about what people are told of. Each is a function here, named `alerts_<verb>`."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for

AlertId = Annotated[int, Parameter(help="The alert, as `alerts list` numbers it.")]
By = Annotated[str | None, Parameter(help="Who says so; by default the user of this machine.")]


def alerts_list(
    *,
    over: Annotated[bool, Parameter(name="--all", negative="", help="Those that are over, too.")] = False,
    limit: Annotated[int, Parameter(help="How many, the newest first.")] = 100,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Alerts that stand, silences that last, and messages that could not be delivered."""
    from thriftgate.cli.alerts_show import listed, print_list  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    document = listed(settings_for(config, ledger__path=ledger), over=over, limit=limit)
    if json:
        print_json(document)
    else:
        print_list(document)


def alerts_show(alert: AlertId, /, *, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """One alert: what, whose, since when, the evidence, what to do, and what was told of it."""
    from thriftgate.cli.alerts_show import print_shown, shown  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    document = shown(settings_for(config, ledger__path=ledger), alert)
    if json:
        print_json(document)
    else:
        print_shown(document)


def alerts_ack(
    alert: AlertId, /, *, by: By = None, ledger: LedgerPath = None, json: Json = False, config: Config = None
) -> None:
    """Acknowledge an alert: it is told again only when it gets worse, or is over."""
    from thriftgate.cli.alerts_show import acknowledged  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json, say  # noqa: PLC0415  --help shall be quick

    document = acknowledged(settings_for(config, ledger__path=ledger), alert, by or getpass.getuser())
    if json:
        print_json(document)
    else:
        say(f"alert {alert} is acknowledged by {document['acknowledged_by']}")


def alerts_silence(
    *matchers: Annotated[
        str,
        Parameter(help="What is to be silent, all of it: key=…, team=…, rule=…, kind=… and the like; values may hold *."),
    ],
    why: Annotated[str, Parameter(help="The reason, for those who wonder.")],
    for_: Annotated[str, Parameter(name="--for", help="How long: 90m, 6h, 2d.")] = "4h",
    by: By = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Tell nothing of some alerts for a while. They are listed all the same."""
    from thriftgate.cli.alerts_show import silenced  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json, say  # noqa: PLC0415  --help shall be quick

    settings = settings_for(config, ledger__path=ledger)
    document = silenced(settings, matchers, for_, by=by or getpass.getuser(), why=why)
    if json:
        print_json(document)
    else:
        say(f"silence {document['id']} until {document['until']}: {', '.join(document['matchers'])}")


def alerts_unsilence(
    silence: Annotated[int, Parameter(help="The silence, as `alerts list` numbers it.")],
    /,
    *,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """End a silence now."""
    from thriftgate.cli.alerts_show import unsilenced  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json, say  # noqa: PLC0415  --help shall be quick

    document = unsilenced(settings_for(config, ledger__path=ledger), silence)
    if json:
        print_json(document)
    else:
        say(f"silence {silence} is ended")


def alerts_test(
    sink: Annotated[str | None, Parameter(help="Only this one, by its name in the settings.")] = None,
    /,
    *,
    json: Json = False,
    config: Config = None,
) -> int:
    """Send a message through every sink of the settings, to see that it arrives. Exits 1 where one did not take it."""
    from thriftgate.cli.alerts_tried import print_tested, tested  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    document = tested(settings_for(config), sink)
    if json:
        print_json(document)
    else:
        print_tested(document)
    return 0 if document["ok"] else 1


def alerts_rules(
    *,
    put: Annotated[Path | None, Parameter(help="Make or change the rules of this TOML file, written as [[rules]].")] = None,
    remove: Annotated[str | None, Parameter(help="Remove the rule of this name.")] = None,
    by: By = None,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """All rules, of the settings and made at run time, and what each says now of the calls in the ledger."""
    from thriftgate.cli.alerts_rules import changed, print_rules, ruled  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    settings = settings_for(config, ledger__path=ledger)
    changed(settings, put, remove, by=by or getpass.getuser())
    document = ruled(settings)
    if json:
        print_json(document)
    else:
        print_rules(document)


alerts = App(name="alerts")
for _verb, _function in (
    ("list", alerts_list),
    ("show", alerts_show),
    ("ack", alerts_ack),
    ("silence", alerts_silence),
    ("unsilence", alerts_unsilence),
    ("test", alerts_test),
    ("rules", alerts_rules),
):
    alerts.command(_function, name=_verb)
