"""`thriftgate serve`: the gateway."""

from __future__ import annotations

import signal
from typing import Annotated

from cyclopts import Parameter

from thriftgate.cli.options import Config, LedgerPath, settings_for
from thriftgate.cli.output import note
from thriftgate.core.errors import ConfigError
from thriftgate.ledger.urls import without_password


def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    upstream: Annotated[str | None, Parameter(help="Origin of the provider's API.")] = None,
    ledger: LedgerPath = None,
    workers: Annotated[int, Parameter(help="Processes; more than one needs PostgreSQL, which is not there yet.")] = 1,
    config: Config = None,
) -> int:
    """Run the gateway: point ANTHROPIC_BASE_URL at it.

    Parameters
    ----------
    host
        Address to listen on.
    port
        Port to listen on; 0 picks a free one.
    """
    from thriftgate.cli.serving import bind, serve_app  # noqa: PLC0415  --help shall be quick
    from thriftgate.dashboard.app import HOME, Dashboard  # noqa: PLC0415  --help shall be quick
    from thriftgate.dashboard.beside import Within, together  # noqa: PLC0415  --help shall be quick
    from thriftgate.dashboard.gates import AtTheGateway  # noqa: PLC0415  --help shall be quick
    from thriftgate.gateway.app import Gateway  # noqa: PLC0415  --help shall be quick
    from thriftgate.gateway.entrance import Entrance  # noqa: PLC0415  --help shall be quick

    if workers != 1:
        raise ConfigError("--workers: one process on SQLite is all there is yet; several need PostgreSQL")
    settings = settings_for(config, server__host=host, server__port=port, upstream__url=upstream, ledger__path=ledger)
    entrance = Entrance(settings.server)
    bound = bind(settings.server.host, settings.server.port)

    gateway = Gateway(settings)

    def ready(url: str) -> None:
        note(f"thriftgate is listening on {url} -> {settings.upstream.url}; ledger {without_password(settings.ledger.path)}")
        note(f"  point a client at it: export ANTHROPIC_BASE_URL={url}")
        note(f"  look at it: {url}{HOME}")
        if not gateway.needs_key:
            note(
                "  it takes calls without a key of its own"
                + (", as access.mode says" if settings.access.mode == "open" else " from this machine, until there is one")
                + f"; make the first: thriftgate keys create NAME --ledger {without_password(settings.ledger.path)}"
            )

    def renew(_signal: int, _frame: object) -> None:
        try:
            entrance.reload()
        except ConfigError as error:
            note(f"thriftgate goes on with the certificates it has: {error}")
        else:
            note("thriftgate has read its certificates again")

    if entrance.scheme == "https" and hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, renew)

    within = Within(settings, lambda: gateway.rooms)
    dashboard = Dashboard(within.sources, AtTheGateway(lambda: gateway.rooms))

    def stopping() -> None:
        gateway.stopping()
        dashboard.stopping()

    app = together(gateway, dashboard, within)
    code = serve_app(app, bound, shutdown_s=settings.server.shutdown_s, ready=ready, stopping=stopping, entrance=entrance)
    if gateway.failure is not None:
        raise gateway.failure
    return code
