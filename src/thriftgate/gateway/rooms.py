"""What every handler of the gateway is handed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from thriftgate.alerts.desk import Desk as AlertDesk
from thriftgate.batch.client_batches import ClientBatches
from thriftgate.batch.queue import Queue
from thriftgate.engine.engine import Engine
from thriftgate.gateway.access import Access
from thriftgate.gateway.asgi import Receive, Scope, Send
from thriftgate.gateway.draining import Draining
from thriftgate.gateway.health import Health
from thriftgate.gateway.observing import Observer
from thriftgate.gateway.oidc import Oidc
from thriftgate.gateway.openai_kept import KeptResponses
from thriftgate.gateway.sessions import Sessions
from thriftgate.settings import Settings


class Within(NamedTuple):
    """A gateway without a socket, in the program that makes the calls. `credential` is the key that it sends batches with,
    "" where none lasts; `beside` another process that serves from the same books, it leaves the rest to that."""

    credential: str = ""
    beside: bool = False


@dataclass(frozen=True)
class Rooms:
    """The engine that makes calls, the settings it was built from, and the queue of calls that can wait (None: there is
    none, because no key of the provider's is there or the lever is off); `clients` are the batches that clients create,
    `observer` tells the outside what is booked, `access` knows who may call, `sessions` who is logged in; `oidc` is the
    identity provider, if there is one; `alerts` answers about alerts where they are on; `within` is told of a gateway that
    has no socket; `kept` are responses that clients may go on from, where they may be kept; `health` tells whether calls
    should come here, `draining` whether the end is near."""

    engine: Engine
    settings: Settings
    clients: ClientBatches
    observer: Observer
    access: Access
    sessions: Sessions
    draining: Draining
    queue: Queue | None = None
    oidc: Oidc | None = None
    alerts: AlertDesk | None = None
    within: Within | None = None
    kept: KeptResponses | None = None
    health: Health = field(default_factory=Health)


Handler = Callable[[Rooms, Scope, Receive, Send], Awaitable[None]]
