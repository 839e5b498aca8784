"""The gateway's ASGI app: routes, and the one place where errors become answers."""

from __future__ import annotations

import asyncio

from thriftgate import __version__
from thriftgate.batch.client_batches import ClientBatches
from thriftgate.core.errors import LedgerError, ThriftgateError
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.gateway.access import Access
from thriftgate.gateway.admin.routes import admin, is_admin_call
from thriftgate.gateway.asgi import ClientGone, Message, Receive, Scope, Send, send_error, send_json, send_whole
from thriftgate.gateway.batches import batches, is_batch_call, open_clients
from thriftgate.gateway.draining import Draining, closing, cut_off
from thriftgate.gateway.duties import Duties
from thriftgate.gateway.faces import face_of
from thriftgate.gateway.health import Health
from thriftgate.gateway.jobs import JOBS, job
from thriftgate.gateway.logins import login, logout
from thriftgate.gateway.messages import count, messages
from thriftgate.gateway.metrics import metrics
from thriftgate.gateway.observing import Observer, standings_of
from thriftgate.gateway.oidc import Oidc
from thriftgate.gateway.oidc_logins import oidc_callback, oidc_login
from thriftgate.gateway.openai_chat import chat
from thriftgate.gateway.openai_kept import open_kept
from thriftgate.gateway.openai_models import MODELS, models
from thriftgate.gateway.openai_responses import KEPT, kept_response, response_tokens, responses
from thriftgate.gateway.rooms import Handler, Rooms, Within
from thriftgate.gateway.sessions import Sessions
from thriftgate.gateway.stream_check import stream_check
from thriftgate.logs import log, where_raised
from thriftgate.settings import Settings


class NotServed(ThriftgateError):
    """No such route here."""

    status_hint = 404
    error_type = "not_found_error"
    label = "not_served"


class Gateway:
    """An ASGI application. Its engine is built at lifespan start-up, inside the loop it will live in, or handed in.
    `failure` is why that did not work; `within` is told of one that has no socket."""

    def __init__(self, settings: Settings, engine: Engine | None = None, within: Within | None = None) -> None:
        self.settings = settings
        self.failure: ThriftgateError | None = None
        self._engine, self._within = engine, within
        self._clients: ClientBatches | None = None
        self._duties: Duties | None = None
        self._observer: Observer | None = None
        self._access: Access | None = None
        self._sessions: Sessions | None = None
        self._oidc: Oidc | None = None
        self._kept = open_kept(settings)
        self._health = Health()
        self.draining = Draining()
        self._rooms: Rooms | None = None  # as they stay, once the gateway has started
        self.draining = Draining()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.draining.on:
            send = closing(send)
        if self._observer is None or self._observer.tracing is None:
            await self._answer(scope, receive, send)
        else:
            await self._observer.tracing.serve(scope, receive, send, self._answer)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def tracked(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            handler = ROUTES.get((scope["method"], scope["path"])) or _by_prefix(scope)
            await handler(self.rooms, scope, receive, tracked)
        except ClientGone:
            return
        except asyncio.CancelledError:
            # Only the server cancels, when the time for stopping is over; raised on, it would end in a traceback.
            log.warning("request cut off: stopping", path=_served_path(scope))
            if self.draining.cutting and not started:
                await send_error(send, cut_off(), face_of(scope))
        except ThriftgateError as error:
            if started:
                # The server closes the connection of an answer that is not ended: an orderly end would say it was whole.
                log.warning("stream broke off", call=error.call_id, error=str(error))
            else:
                await send_error(send, error, face_of(scope))
        except Exception as error:  # noqa: BLE001  the last line of defence: an answer in words, whatever went wrong
            # Neither the error's words nor a traceback: both can hold prompts and keys.
            log.error("request failed", path=_served_path(scope), error=type(error).__name__, at=where_raised(error))
            if not started:  # else the server closes the connection: the answer is not ended
                await send_error(
                    send, ThriftgateError("thriftgate failed on this request; its log tells more"), face_of(scope)
                )

    def stopping(self) -> None:
        """The server is about to end: connections that are held for a batch, or for their turn, would keep it waiting."""
        self.draining.begin()
        if self._duties is not None:
            self._duties.let_go()
        if self._engine is not None:
            self._engine.stopping()

    @property
    def needs_key(self) -> bool:
        """Whether a call without a virtual key is turned away."""
        return self._access is not None and self._access.needs_key

    @property
    def engine(self) -> Engine:
        """What makes the calls, once the gateway has started. Raises LedgerError before."""
        if self._engine is None:
            raise LedgerError("the gateway is not ready")
        return self._engine

    @property
    def rooms(self) -> Rooms:
        """What handlers are handed, once the gateway has started. Raises LedgerError before."""
        known = self._rooms
        if known is not None and self._duties is not None and known.queue is self._duties.queue:
            return known
        engine = self.engine
        if self._clients is None:
            self._clients = open_clients(engine, self.settings)
        if self._duties is None:
            self._duties = Duties(engine, self.settings, self._clients, self._within)
        if self._observer is None:
            self._observer = Observer(engine, self.settings, standings_of(engine, self._duties))
        access = self._ready_access()
        if self._sessions is None:
            self._sessions = Sessions(engine, access, self.settings.access)
        return Rooms(
            engine,
            self.settings,
            self._clients,
            self._observer,
            access,
            self._sessions,
            self.draining,
            self._duties.queue,
            self._oidc,
            self._duties.alerts,
            self._within,
            self._kept,
            self._health,
        )

    def _ready_access(self) -> Access:
        if self._access is None:
            self._access = Access(self.engine, self.settings)
        return self._access

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            if self._engine is None:
                self._engine = await build_engine(self.settings)
            await self._ready_access().start(self.settings.server.host)
            if self.settings.access.oidc.issuer:
                self._oidc = Oidc(self.settings.access.oidc, self._engine.transport, self._engine.clock)
            if self._within is None or not self._within.beside:
                self.rooms  # noqa: B018  all there is to be led
                assert self._duties is not None
                await self._duties.start()
            self._rooms = self.rooms
        except ThriftgateError as error:
            self.failure = error
            if self._engine is not None:
                await self._engine.close()
            if self._observer is not None:
                await self._observer.close()
            await send({"type": "lifespan.startup.failed"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        rooms = self.rooms
        assert self._duties is not None
        await rooms.engine.leading.close()
        await self._duties.close()
        await rooms.access.close()
        await rooms.engine.close()
        await rooms.observer.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _alive(_rooms: Rooms, scope: Scope, _receive: Receive, send: Send) -> None:
    if scope["method"] == "HEAD":
        await send_whole(send, 200, ((b"content-type", b"application/json"),), b"")
    else:
        await send_json(send, 200, {"status": "ok", "version": __version__})


async def _ready(rooms: Rooms, scope: Scope, _receive: Receive, send: Send) -> None:
    local = scope.get("query_string", b"") == b"only=local"
    found = await rooms.health.readiness(rooms.engine, draining=rooms.draining.on, upstream=not local)
    await send_json(send, 200 if found.status == "ready" else 503, found, ((b"cache-control", b"no-store"),))


ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/messages"): messages,
    ("POST", "/v1/messages/count_tokens"): count,
    ("POST", "/v1/chat/completions"): chat,
    ("POST", "/v1/responses"): responses,
    ("POST", "/v1/responses/input_tokens"): response_tokens,
    ("GET", MODELS): models,
    ("HEAD", "/"): _alive,
    ("GET", "/"): _alive,
    ("GET", "/healthz"): _alive,
    ("HEAD", "/healthz"): _alive,
    ("GET", "/readyz"): _ready,
    ("GET", "/thriftgate/metrics"): metrics,
    ("GET", "/thriftgate/stream-check"): stream_check,
    ("POST", "/thriftgate/login"): login,
    ("POST", "/thriftgate/logout"): logout,
    ("GET", "/thriftgate/oidc/login"): oidc_login,
    ("GET", "/thriftgate/oidc/callback"): oidc_callback,
}


def _served_path(scope: Scope) -> str:
    """The path where it is one of ours, as the log may tell it: anything else is whatever a client wrote."""
    path: str = scope["path"]
    return path if (scope["method"], path) in ROUTES else f"/{path.strip('/').partition('/')[0][:20]}/…"


def _by_prefix(scope: Scope) -> Handler:
    if scope["method"] == "GET" and scope["path"].startswith(JOBS):
        return job
    if is_admin_call(scope):
        return admin
    if scope["path"].startswith(KEPT):
        return kept_response
    if is_batch_call(scope):
        return batches
    if scope["method"] == "GET" and scope["path"].startswith(f"{MODELS}/"):
        return models
    raise NotServed(f"thriftgate does not serve {scope['method']} {scope['path']}")
