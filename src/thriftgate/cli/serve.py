"""`thriftgate serve`: the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from thriftgate.cli.open_files import take_open_files
from thriftgate.cli.options import Config, LedgerPath
from thriftgate.cli.output import note

if TYPE_CHECKING:
    from thriftgate.settings import Settings


def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    upstream: Annotated[str | None, Parameter(help="Origin of the provider's API.")] = None,
    ledger: LedgerPath = None,
    workers: Annotated[int | None, Parameter(help="Processes that serve this port.")] = None,
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
    from thriftgate.settings import read_document, settings_of  # noqa: PLC0415  --help shall be quick

    flags = {
        "server.host": host,
        "server.port": port,
        "server.workers": workers,
        "upstream.url": upstream,
        "ledger.path": ledger,
    }

    def read() -> dict[str, Any]:
        return read_document(config, flags=flags)

    document = read()
    settings = settings_of(document)
    take_open_files()
    if settings.server.workers > 1 or settings.server.supervise:
        return _supervised(settings, document, read)
    return _alone(settings, lambda: settings_of(read()))


def _alone(settings: Settings, read: Callable[[], Settings]) -> int:
    from thriftgate.cli.serve_one import notify, serve_one, told_to_reload  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.serving import bind  # noqa: PLC0415  --help shall be quick
    from thriftgate.gateway.entrance import Entrance  # noqa: PLC0415  --help shall be quick

    def ready(_url: str, notes: tuple[str, ...]) -> None:
        _told(notes)
        notify("READY=1")

    bound = bind(settings.server.host, settings.server.port)
    entrance = Entrance(settings.server)
    told_to_reload(read, entrance)
    return serve_one(settings, bound, ready, entrance=entrance)


def _supervised(settings: Settings, document: dict[str, Any], read: Callable[[], dict[str, Any]]) -> int:
    from thriftgate.cli.sockets import Sockets  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.supervisor import Supervisor  # noqa: PLC0415  --help shall be quick

    server = settings.server
    sockets = Sockets(server.host, server.port, server.workers)

    async def run() -> int:
        return await Supervisor(settings, document, sockets, read).run(_told)

    return asyncio.run(run())


def _told(notes: tuple[str, ...]) -> None:
    for one in notes:
        note(one)
