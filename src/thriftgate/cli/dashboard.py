"""`thriftgate dashboard`: the pages over a ledger, read only, beside a gateway or without one."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from thriftgate.cli.options import Config, LedgerPath, settings_for
from thriftgate.cli.output import note
from thriftgate.ledger.urls import without_password

PORT = 8485


def dashboard(
    *,
    port: Annotated[int, Parameter(help="Port to listen on; 0 picks a free one.")] = PORT,
    ledger: LedgerPath = None,
    config: Config = None,
) -> int:
    """Look at a ledger in a browser: spend and saving, cache, routing, batches, live calls, one call, what if.

    Shows everything and changes nothing, to this machine alone. `thriftgate serve` serves the same pages at
    /thriftgate/dashboard, where administrators can log in and change keys and budgets.
    """
    from thriftgate.cli.books import check_is_ledger  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.serving import bind, serve_app  # noqa: PLC0415  --help shall be quick
    from thriftgate.dashboard.app import HOME, Dashboard  # noqa: PLC0415  --help shall be quick
    from thriftgate.dashboard.beside import Beside  # noqa: PLC0415  --help shall be quick
    from thriftgate.dashboard.gates import AtThisMachine  # noqa: PLC0415  --help shall be quick

    settings = settings_for(config, ledger__path=ledger)
    check_is_ledger(settings.ledger.path)
    bound = bind("127.0.0.1", port)
    alone = Beside(settings)
    pages = Dashboard(alone.sources, AtThisMachine())
    return serve_app(
        alone.serving(pages),
        bound,
        shutdown_s=2.0,
        ready=lambda url: note(f"{without_password(settings.ledger.path)}: open {url}{HOME} in a browser"),
        stopping=pages.stopping,
    )
