"""Who may look: whoever sits at this machine, or whoever logs in."""

from __future__ import annotations

from collections.abc import Callable

from thriftgate.core.errors import NotAllowed, Unauthenticated
from thriftgate.dashboard.asked import Viewer
from thriftgate.gateway.asgi import Scope
from thriftgate.gateway.credentials import credential_of
from thriftgate.gateway.rooms import Rooms
from thriftgate.gateway.sessions import actor_of
from thriftgate.ledger.issuing import Actor
from thriftgate.providers.transport import Headers

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
HERE = Viewer(Actor("here", "cli", "viewer", writes=False, name="this machine"))


class AtThisMachine:
    """Shows everything and changes nothing, to callers on the loopback who name it as such: a page elsewhere that points a
    name of its own at 127.0.0.1 is turned away (DNS rebinding)."""

    has_login = False
    identity_provider = ""

    async def viewer(self, scope: Scope) -> Viewer | None:
        if not is_here(scope):
            raise NotAllowed("this dashboard is for the machine it runs on: open it at http://127.0.0.1")
        return HERE

    async def check(self, scope: Scope, field: str) -> None:
        raise NotAllowed("nothing can be changed here; log in at the gateway's own dashboard")

    async def log_in(self, scope: Scope, text: str) -> Headers:
        raise NotAllowed("nobody logs in here")

    async def log_out(self, scope: Scope, field: str) -> Headers:
        raise NotAllowed("nobody logs in here")


class AtTheGateway:
    """By the gateway's sessions, or a key with a role. Before there is any key, whoever sits at this machine may look."""

    has_login = True

    def __init__(self, rooms: Callable[[], Rooms]) -> None:
        self._rooms = rooms

    @property
    def identity_provider(self) -> str:
        return "/thriftgate/oidc/login" if self._rooms().oidc is not None else ""

    async def viewer(self, scope: Scope) -> Viewer | None:
        rooms = self._rooms()
        if credential_of(scope["headers"]):
            caller = await rooms.access.caller(scope, "admin:read", must=True)
            actor = actor_of(caller.key) if caller.key is not None else None
            if actor is None:
                raise NotAllowed("this key has no role")
            return Viewer(actor)
        session = await rooms.sessions.of(scope)
        if session is not None:
            return Viewer(session.actor, session.csrf)
        await rooms.access.roster.refresh()
        return HERE if not rooms.access.roster.any_key and is_here(scope) else None

    async def check(self, scope: Scope, field: str) -> None:
        rooms = self._rooms()
        session = await rooms.sessions.of(scope)
        if session is None:
            raise Unauthenticated("log in first")
        await rooms.sessions.check(scope, session, field)

    async def log_in(self, scope: Scope, text: str) -> Headers:
        rooms = self._rooms()
        rooms.sessions.check_origin(scope)
        _, headers = await rooms.sessions.login(scope, text)
        return headers

    async def log_out(self, scope: Scope, field: str) -> Headers:
        rooms = self._rooms()
        session = await rooms.sessions.of(scope)
        if session is None:
            return ()
        await rooms.sessions.check(scope, session, field)
        return await rooms.sessions.logout(scope, session)


def is_here(scope: Scope) -> bool:
    """Whether a request comes from this machine, and names it so."""
    caller = scope.get("client")
    host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    return caller is not None and caller[0] in LOOPBACK and host_named(host) in LOOPBACK


def host_named(header: str) -> str:
    """A Host header without its port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
