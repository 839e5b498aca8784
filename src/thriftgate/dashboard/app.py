"""The dashboard's ASGI app: which page, for whom, as HTML or as JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from thriftgate.core.errors import NotAllowed, NotThere, ThriftgateError, Unauthenticated
from thriftgate.dashboard.asked import Asked, Sources, Viewer, fields_of
from thriftgate.dashboard.assets import assets
from thriftgate.dashboard.feed import Feed
from thriftgate.dashboard.look import look_of, narrowed_to
from thriftgate.dashboard.pages import MENU, PAGES, Page
from thriftgate.dashboard.rendering import page as rendered
from thriftgate.dashboard.responses import redirect, send_document, send_page
from thriftgate.dashboard.streaming import send_events
from thriftgate.dashboard.sums import names_known
from thriftgate.dashboard.tenants import labels
from thriftgate.gateway.asgi import ClientGone, Message, Receive, Scope, Send, read_body, send_whole
from thriftgate.ledger.connection import Connection
from thriftgate.logs import log, where_raised
from thriftgate.providers.transport import Headers

HOME = "/thriftgate/dashboard"
API = "/thriftgate/api/v1/"
STATIC = f"{HOME}/static/"
EVENTS = f"{HOME}/live/events"
LOGIN = f"{HOME}/login"
LOGOUT = f"{HOME}/logout"
FORM_BYTES_MAX = 64_000
TITLES = {400: "That cannot be done", 401: "Log in first", 403: "Not for you", 404: "Not found", 503: "Not now"}


def is_served(path: str) -> bool:
    """Whether a path is the dashboard's."""
    return path == HOME or path.startswith((f"{HOME}/", API))


class Gate(Protocol):
    """Who may look, and how they show who they are."""

    @property
    def has_login(self) -> bool:
        """Whether anybody can log in here."""

    @property
    def identity_provider(self) -> str:
        """Where a login through an identity provider begins; "" for none."""

    async def viewer(self, scope: Scope) -> Viewer | None:
        """Who asks; None for nobody that is known, who is to log in. Raises NotAllowed for one who may not look."""

    async def check(self, scope: Scope, field: str) -> None:
        """That a page of ours asked for a change; `field` is the form's csrf token. Raises NotAllowed."""

    async def log_in(self, scope: Scope, text: str) -> Headers:
        """The headers of a new session. Raises Unauthenticated, NotAllowed, and Slowed."""

    async def log_out(self, scope: Scope, field: str) -> Headers:
        """The headers that end it. Raises NotAllowed."""


class Dashboard:
    """`sources` is asked at the first page: a gateway has its books once it has started."""

    def __init__(self, sources: Callable[[], Awaitable[Sources]], gate: Gate) -> None:
        self._open = sources
        self._gate = gate
        self._sources: Sources | None = None
        self._feed: Feed | None = None

    def stopping(self) -> None:
        """The server is about to end: it would wait for pages that listen."""
        if self._feed is not None:
            self._feed.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        started = False

        async def tracked(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._answer(scope, receive, tracked)
        except ClientGone:
            return
        except ThriftgateError as error:
            if not started:
                await _send_error(scope, send, error)
        except Exception as error:  # noqa: BLE001  the last line of defence: an answer in words, whatever went wrong
            log.error("page failed", path=scope["path"][:200], error=type(error).__name__, at=where_raised(error))
            if not started:
                await _send_error(scope, send, ThriftgateError("thriftgate failed on this page; its log tells more"))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(STATIC):
            await _send_asset(path.removeprefix(STATIC), send)
            return
        if path in (LOGIN, LOGOUT) and self._gate.has_login:
            await self._log(scope, receive, send)
            return
        viewer = await self._gate.viewer(scope)
        is_api = path.startswith(API)
        if viewer is None and is_api:
            raise Unauthenticated("log in, or send a key that has a role in x-api-key")
        if viewer is None:
            await redirect(send, LOGIN)
            return
        rest = path.removeprefix(API if is_api else HOME).strip("/")
        if is_api and not rest:
            raise NotThere(f"thriftgate serves no {path[:200]}")
        if path == EVENTS and scope["method"] == "GET":
            await self._events(await self._asked(scope, receive, viewer, ""), receive, send)
            return
        found, behind = _page(rest)
        if found.of_all and viewer.team:
            raise NotAllowed("this page tells of everybody; a team-admin sees what is the team's")
        asked = await self._asked(scope, receive, viewer, behind)
        if scope["method"] == "POST" and not is_api:
            await self._gate.check(scope, asked.form.get("csrf", ""))
            await _act(found, asked, send)
        elif scope["method"] != "GET":
            raise NotThere(f"thriftgate does not serve {scope['method']} {path[:200]}")
        elif is_api:
            await send_document(send, 200, await found.document(asked))
        else:
            await send_page(send, 200, await _html(found, asked))
            if asked.sources.ledger.path != ":memory:":
                asked.sources.replayer.begin_soon()

    async def _log(self, scope: Scope, receive: Receive, send: Send) -> None:
        """In or out."""
        if scope["method"] == "GET":
            await send_page(send, 200, self._login_page(""))
            return
        form = fields_of((await read_body(scope, receive, FORM_BYTES_MAX)).decode("utf-8", "replace"))
        if scope["path"] == LOGOUT:
            await redirect(send, LOGIN, await self._gate.log_out(scope, form.get("csrf", "")))
            return
        try:
            headers = await self._gate.log_in(scope, form.get("key", "").strip())
        except ThriftgateError as error:
            wait: Headers = ((b"retry-after", b"%d" % max(1, error.retry_after_s)),) if error.retry_after_s else ()
            await send_page(send, error.status_hint, self._login_page(str(error)), wait)
            return
        await redirect(send, HOME, headers)

    def _login_page(self, message: str) -> str:
        provider = self._gate.identity_provider
        return rendered("login.html.jinja", home=HOME, login=LOGIN, message=message, provider=provider)

    async def _events(self, asked: Asked, receive: Receive, send: Send) -> None:
        if self._feed is None:
            self._feed = Feed(asked.sources)
        await send_events(self._feed, asked, HOME, receive, send)

    async def _asked(self, scope: Scope, receive: Receive, viewer: Viewer, rest: str) -> Asked:
        if self._sources is None:
            self._sources = await self._open()
        query = fields_of(scope["query_string"].decode("latin-1"))
        form: dict[str, str] = {}
        if scope["method"] == "POST":
            form = fields_of((await read_body(scope, receive, FORM_BYTES_MAX)).decode("utf-8", "replace"))
        look = look_of(query, self._sources.clock.now_s())
        if viewer.team:
            look = narrowed_to(look, viewer.team)
        return Asked(self._sources, viewer, look, rest, query, form, await labels(self._sources))


def _page(path: str) -> tuple[Page, str]:
    """The page at a path below the dashboard's own or the API's, and what stands behind it. Raises NotThere."""
    slug, _, rest = path.partition("/")
    found = PAGES.get(slug or "overview")
    if found is None or (rest and not found.takes_rest) or (found.takes_rest and not rest):
        raise NotThere(f"there is no page {path[:200]!r}")
    return found, rest


async def _html(found: Page, asked: Asked) -> str:
    document = await found.document(asked)
    return rendered(found.template, **await _around(found, asked), doc=document, **found.view(document, asked))


async def _around(found: Page, asked: Asked) -> dict[str, object]:
    """What every page is told."""

    def names(connection: Connection) -> dict[str, list[str]]:
        return names_known(connection, asked.viewer.team)

    return {
        "page": found,
        "menu": [one for one in MENU if not (one.of_all and asked.viewer.team)],
        "home": HOME,
        "look": asked.look,
        "viewer": asked.viewer,
        "beside": asked.sources.beside,
        "query": asked.look.query(),
        "called": asked.called,
        "names": await asked.sources.books.ask(names) if found.filtered else {},
    }


async def _act(found: Page, asked: Asked, send: Send) -> None:
    """Do what a form asks for, and show what came of it."""
    if found.act is None:
        raise NotThere("nothing can be changed on this page")
    if not asked.viewer.csrf:
        raise NotAllowed("log in to change anything")
    told = await found.act(asked)
    if told is None:
        await redirect(send, f"{HOME}/{found.slug}{asked.look.query()}")
        return
    document = await found.document(asked)
    context = await _around(found, asked)
    await send_page(send, 200, rendered(found.template, **context, doc=document, **found.view(document, asked) | told))


async def _send_asset(name: str, send: Send) -> None:
    found = assets().get(name)
    if found is None:
        raise NotThere(f"there is no file {name[:200]!r}")
    await send_whole(send, 200, found.headers, found.content)


async def _send_error(scope: Scope, send: Send, error: ThriftgateError) -> None:
    """In words: as a page, or as the API's document."""
    status = error.status_hint
    if scope["path"].startswith(API):
        await send_document(send, status, {"type": "error", "error": {"type": error.error_type, "message": str(error)}})
        return
    title = {
        400: "That cannot be done",
        401: "Log in first",
        403: "Not for you",
        404: "Not found",
        503: "The books cannot be read",
    }
    html = rendered("error.html.jinja", home=HOME, title=title.get(status, "That went wrong"), message=str(error))
    await send_page(send, status, html)
