"""Where a dashboard gets its books from: a ledger file that another process writes, or the gateway it is served by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from thriftgate.clock import Clock, SystemClock
from thriftgate.dashboard.app import HOME, Dashboard, is_served
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.whatif.replayed import Known
from thriftgate.dashboard.whatif.worker import Replayer
from thriftgate.engine.build import policy_of
from thriftgate.gateway.asgi import Receive, Scope, Send
from thriftgate.gateway.rooms import Rooms
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_filling import fill_rounds
from thriftgate.pricing.load import load_book, load_models
from thriftgate.settings import Settings

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Beside:
    """A dashboard without a gateway in its process. No gateway may be at work at all: so it counts itself what roll-ups of
    an older ledger lack."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._books: SqlLedger | None = None
        self._replayer: Replayer | None = None
        self._filling: asyncio.Task[None] | None = None

    async def sources(self) -> Sources:
        """Opens the file. Raises LedgerError."""
        self._books = SqlLedger.open(self._settings.ledger.path)
        self._filling = asyncio.ensure_future(fill_rounds(self._books.path))
        known = Known(load_book(self._settings.prices), load_models(), policy_of(self._settings))
        self._replayer = Replayer(known)
        return Sources(
            books=self._books,
            ledger=self._books,
            book=known.book,
            models=known.models,
            settings=self._settings,
            clock=self._clock,
            replayer=self._replayer,
            beside=True,
        )

    async def close(self) -> None:
        """Close the file, end the process that replays."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        await _closed(self._books, self._replayer)

    def serving(self, dashboard: Dashboard) -> App:
        """The ASGI application: all paths but the dashboard's lead to it."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
            elif scope["type"] == "http" and not is_served(scope["path"]):
                await send({"type": "http.response.start", "status": 303, "headers": [(b"location", HOME.encode())]})
                await send({"type": "http.response.body", "body": b""})
            elif scope["type"] == "http":
                await dashboard(scope, receive, send)

        return app


async def _closed(books: SqlLedger | None, replayer: Replayer | None) -> None:
    if replayer is not None:
        replayer.close()
    if books is not None:
        await books.close()


class Within:
    """The books of a gateway in this process. Pages ask on a connection of their own: a long question must not keep a call
    waiting. `rooms` are the gateway's, once it has started."""

    def __init__(self, settings: Settings, rooms: Callable[[], Rooms]) -> None:
        self._settings = settings
        self._rooms = rooms
        self._books: SqlLedger | None = None
        self._replayer: Replayer | None = None

    async def sources(self) -> Sources:
        """Raises LedgerError where the gateway is not ready."""
        rooms = self._rooms()
        engine = rooms.engine
        assert isinstance(engine.ledger, SqlLedger)
        in_memory = engine.ledger.path == ":memory:"
        books = engine.ledger if in_memory else SqlLedger.open(engine.ledger.path)
        self._books = None if in_memory else books
        self._replayer = Replayer(Known(engine.knowledge.book, engine.knowledge.models, engine.policy))
        return Sources(
            books=books,
            ledger=engine.ledger,
            book=engine.knowledge.book,
            models=engine.knowledge.models,
            settings=self._settings,
            clock=engine.clock,
            replayer=self._replayer,
            beside=False,
            vault=rooms.access.vault,
            changed=rooms.access.roster.stale,
        )

    async def close(self) -> None:
        """Close what was opened for pages."""
        await _closed(self._books, self._replayer)


def together(gateway: App, dashboard: Dashboard, within: Within) -> App:
    """The gateway, with the dashboard at its own paths."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_served(scope["path"]):
            await dashboard(scope, receive, send)
            return
        await gateway(scope, receive, send)
        if scope["type"] == "lifespan":
            await within.close()

    return app
