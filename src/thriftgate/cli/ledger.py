"""`thriftgate ledger`: the books themselves. Each verb is a function here, named `ledger_<verb>`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for


def ledger_check(
    *,
    rebuild: Annotated[
        bool, Parameter(negative="", help="Make the roll-ups anew from the entries, where they differ.")
    ] = False,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Does every entry sum to zero, and are the roll-ups what the entries say? A gateway may be serving, but not
    when they are to be made anew.

    Exit code 1 where anything differs, unless it was put right.
    """
    from thriftgate.cli.ledger_check import checked, print_checked  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    document = checked(settings_for(config, ledger__path=ledger).ledger.path, rebuild=rebuild)
    if json:
        print_json(document)
    else:
        print_checked(document)
    return 0 if document["ok"] else 1


ledger = App(name="ledger")
ledger.command(ledger_check, name="check")
