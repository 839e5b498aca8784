"""`thriftgate doctor`: is everything in order here?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for
from thriftgate.cli.output import print_json, print_table
from thriftgate.core.errors import ConfigError

if TYPE_CHECKING:
    from thriftgate.cli.checks import Check


def doctor(
    *,
    live: Annotated[bool, Parameter(negative="", help="Also ask the upstream; needs a key and the network.")] = False,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Check the installation, the settings and the ledger.

    Touches no network unless --live is given; then it lists the upstream's models, which is free, with the key from
    upstream.api_key or ANTHROPIC_API_KEY. Exits 1 when a check fails.
    """
    checks = _run(config, ledger, live=live)
    ok = all(check.ok for check in checks)
    if json:
        print_json({"ok": ok, "checks": [check.document() for check in checks]})
        return 0 if ok else 1
    rows = [("ok" if check.ok else "FAILS", check.name, check.detail + _advice(check)) for check in checks]
    print_table(("", "", ""), rows, left=3)
    return 0 if ok else 1


def _run(config: Path | None, ledger: str | None, *, live: bool) -> list[Check]:
    from thriftgate.cli.checks import Check, check_all, fine  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.live import live_checks  # noqa: PLC0415  --help shall be quick
    from thriftgate.pricing.load import load_book  # noqa: PLC0415  --help shall be quick

    try:
        settings = settings_for(config, ledger__path=ledger)
    except ConfigError as error:
        fix = "correct the settings file, the THRIFTGATE_ variables or the flags"
        return [*check_all(None), Check("settings", ok=False, detail=str(error), fix=fix)]
    checks = [*check_all(settings), fine("settings", f"valid; levers: {', '.join(settings.policy.levers) or 'none'}")]
    if live:
        key = settings.upstream.api_key.get_secret_value() or os.environ.get("ANTHROPIC_API_KEY", "")
        checks += live_checks(settings.upstream, key, load_book(settings.prices))
    return checks


def _advice(check: Check) -> str:
    return f"\n-> {check.fix}" if check.fix else ""
