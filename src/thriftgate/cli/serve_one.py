"""One process that serves: the gateway and its dashboard on a socket, to its end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable

from thriftgate.cli.serving import Life, Patience, serve_app
from thriftgate.core.errors import ConfigError
from thriftgate.dashboard.app import HOME, Dashboard
from thriftgate.dashboard.beside import Within, together
from thriftgate.dashboard.gates import AtTheGateway
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.entrance import Entrance
from thriftgate.ledger.urls import without_password
from thriftgate.logs import log
from thriftgate.settings import Settings

Ready = Callable[[str, tuple[str, ...]], None]


class GatewayLife(Life):
    """A gateway is told of its end. `gateway` is the one that serves."""

    def __init__(self, gateway: Gateway, patience: Patience) -> None:
        super().__init__(patience)
        self.gateway = gateway

    def draining(self) -> None:
        self.gateway.draining.begin()

    def cutting(self) -> None:
        self.gateway.draining.cut()


def serve_one(
    settings: Settings,
    bound: socket.socket,
    ready: Ready,
    made: Callable[[Gateway, Patience], GatewayLife] = GatewayLife,
    entrance: Entrance | None = None,
) -> int:
    """Serve until told to stop. `ready` is told the URL, and what people shall know; `made` makes the life it leads;
    `entrance` is how connections come in, where that is known already. Returns the exit code; raises what kept the gateway
    from starting."""
    gateway = Gateway(settings)
    within = Within(settings, lambda: gateway.rooms)
    dashboard = Dashboard(within.sources, AtTheGateway(lambda: gateway.rooms))

    def stopping() -> None:
        gateway.stopping()
        dashboard.stopping()

    life = made(gateway, patience_of(settings))
    code = serve_app(
        together(gateway, dashboard, within),
        bound,
        shutdown_s=settings.server.shutdown_s,
        ready=lambda url: ready(url, notes_of(settings, gateway, url)),
        stopping=stopping,
        entrance=entrance or Entrance(settings.server),
        life=life,
    )
    if gateway.failure is not None:
        raise gateway.failure
    return code


def patience_of(settings: Settings) -> Patience:
    """How long the end may take after a signal."""
    return Patience(settings.server.shutdown_s, settings.server.drain_wait_s)


def notes_of(settings: Settings, gateway: Gateway, url: str) -> tuple[str, ...]:
    """What people shall know once it serves."""
    notes = [
        f"thriftgate is listening on {url} -> {settings.upstream.url}; ledger {without_password(settings.ledger.path)}",
        f"  point a client at it: export ANTHROPIC_BASE_URL={url}",
        f"  look at it: {url}{HOME}",
    ]
    if not gateway.needs_key:
        notes.append(
            "  it takes calls without a key of its own"
            + (", as access.mode says" if settings.access.mode == "open" else " from this machine, until there is one")
            + f"; make the first: thriftgate keys create NAME --ledger {without_password(settings.ledger.path)}"
        )
    return tuple(notes)


def told_to_reload(read: Callable[[], Settings], entrance: Entrance) -> None:
    """SIGHUP for one process without a supervisor: it reads its certificates again. New settings it cannot take up while it
    serves, so it only says whether they are good."""

    def handle(_number: int, _frame: object) -> None:
        try:
            read()
            entrance.reload()
        except ConfigError as error:
            log.error("what is there to be taken up is not good; all goes on as it was", error=str(error))
        else:
            log.warning(
                "its certificates are read again; settings are good, and wait for a restart "
                "(server.supervise = true takes them up at once)"
            )

    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, handle)


def notify(state: str) -> None:
    """Tell systemd, where it wants to be told (Type=notify): `READY=1`, `STOPPING=1`
    (freedesktop.org/software/systemd/man/latest/sd_notify.html, 2026-10)."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return
    address = "\0" + place[1:] if place.startswith("@") else place
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.sendto(state.encode(), address)
    except OSError as error:
        log.warning("the service manager was not told", state=state, error=error.strerror)
