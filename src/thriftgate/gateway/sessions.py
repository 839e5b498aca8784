"""Logins of people: sessions that a browser holds by a cookie.

What a page needs of this:

    session = await rooms.sessions.of(scope)   the login of a request, or None: then redirect to your login page
    session.actor                              who it is: .name .who .role .writes .team .org (ledger/issuing.py: Actor)
    session.csrf                               put it into the page; each request that changes something sends it back, as
                                               the header `x-csrf-token` or, by a form, as the field `csrf`
    await rooms.sessions.check(scope, session, field="")   raises NotAllowed without it; `field` is the form's

    POST /thriftgate/login                     {"key": "tg-…"} -> 200 {"actor": {…}, "csrf": "…"} and the cookie; or the form
                                               field `key` -> 303 to HOME. 401 where the key is wrong, 403 where it has no
                                               role, 429 with retry-after after too many
    POST /thriftgate/logout                    with the csrf token -> 204; by a form -> 303 to HOME
    GET  /thriftgate/oidc/login                to the identity provider, and back to HOME with the cookie
    GET  /thriftgate/admin/v1/whoami           {"actor": {…}, "csrf": "…" or null}: by session or key

A session is a row of the ledger under the keyed hash of a random token that the browser alone has; it can be ended from
anywhere by deleting the row. The cookie is HttpOnly, SameSite=Strict, and Secure where it came over TLS
(`access.cookie_secure`). It ends when idle for `access.session_idle_s`, after `access.session_s` whatever happens, and with
the key or the user that logged in. The csrf token is a keyed hash of the session's, so nothing but the page can know it;
besides, what a browser says of where a request came from (`origin`) must be this host.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from thriftgate.core.errors import InputError, NotAllowed, Unauthenticated
from thriftgate.engine.engine import Engine
from thriftgate.gateway.access import Access, Slowed, address_of
from thriftgate.gateway.asgi import Scope as Request
from thriftgate.ledger.issuing import Actor
from thriftgate.ledger.tenants import Deed, Key, Session, User
from thriftgate.logs import log
from thriftgate.providers.transport import Headers, header
from thriftgate.settings import AccessSettings

HOME = "/thriftgate/dashboard"
NO_STORE: Headers = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_SEEN_EVERY_US = 60_000_000
_TOKEN_BYTES = 32


class LoggedIn(Struct, frozen=True):
    """A request's session."""

    actor: Actor
    csrf: str
    digest: bytes


class Sessions:
    """The sessions of one gateway."""

    def __init__(self, engine: Engine, access: Access, settings: AccessSettings) -> None:
        self._clock = engine.clock
        self._access = access
        self._settings = settings

    async def of(self, scope: Request) -> LoggedIn | None:
        """The login that a request comes with; None where there is none, or it has ended. Raises LedgerError."""
        token = self._token(scope)
        if not token:
            return None
        digest = await self._digest(token)
        found = await self._access.tenants.session(digest)
        if found is None:
            return None
        now_us = self._now_us()
        idle = now_us - found.seen_us > self._settings.session_idle_s * 1e6
        if idle or now_us >= found.ends_us or not await self._still_there(found, now_us):
            await self._access.tenants.end_sessions(digest=digest)
            return None
        if now_us - found.seen_us > min(_SEEN_EVERY_US, self._settings.session_idle_s * 1e6 / 4):
            await self._access.tenants.see_session(digest, now_us)
        actor = Actor(found.who, "session", found.role, found.writes, found.team, found.org, found.name)
        return LoggedIn(actor, await self._csrf(token), digest)

    async def check(self, scope: Request, session: LoggedIn, field: str = "") -> None:
        """That a change was asked for by a page of ours. Raises NotAllowed."""
        self.check_origin(scope)
        sent = field or header(scope["headers"], b"x-csrf-token")
        if not compare_digest(sent.encode(), session.csrf.encode()):
            raise NotAllowed("the csrf token is missing or wrong: load the page again")

    def check_origin(self, scope: Request) -> None:
        """Raises NotAllowed for a request that a page of another site has made."""
        origin = header(scope["headers"], b"origin")
        # A form of a page with `referrer-policy: no-referrer` says null (fetch.spec.whatwg.org, append a request `Origin`
        # header, 2026-10); then the browser's other word must be that it was one of ours.
        ours = header(scope["headers"], b"sec-fetch-site") == "same-origin"
        if origin and urlsplit(origin).netloc != header(scope["headers"], b"host") and not (origin == "null" and ours):
            raise NotAllowed("this was asked for by a page of another site")
        if header(scope["headers"], b"sec-fetch-site") in ("cross-site", "same-site"):
            raise NotAllowed("this was asked for by a page of another site")

    async def login(self, scope: Request, text: str) -> tuple[LoggedIn, Headers]:
        """A session for the key `text`, and the headers that set its cookie. Raises Slowed, Unauthenticated, NotAllowed."""
        access, address, now_s = self._access, address_of(scope), self._clock.monotonic_s()
        wait_s = access.throttle.wait_s(address, now_s)
        if wait_s:
            raise Slowed.after(wait_s)
        await access.roster.refresh()
        key = access.roster.find(text)
        if key is None:
            access.throttle.failed(address, now_s)
            log.warning("login refused", address=address)
            raise Unauthenticated("this key is not known, has expired or was revoked")
        access.throttle.passed(address)
        actor = actor_of(key)
        if actor is None:
            raise NotAllowed(f"{key.id} has no role: make one with `thriftgate keys create NAME --role viewer`")
        return await self.begin(scope, actor)

    async def begin(self, scope: Request, actor: Actor) -> tuple[LoggedIn, Headers]:
        """A session for somebody who has shown who they are."""
        now_us = self._now_us()
        token = urlsafe_b64encode(secrets.token_bytes(_TOKEN_BYTES)).rstrip(b"=").decode()
        digest = await self._digest(token)
        session = Session(
            digest=digest,
            id="session_" + secrets.token_hex(6),
            who=actor.who,
            name=actor.name,
            role=actor.role,
            writes=actor.writes,
            team=actor.team,
            org=actor.org,
            created_us=now_us,
            seen_us=now_us,
            ends_us=now_us + int(self._settings.session_s * 1e6),
        )
        await self._access.tenants.end_sessions(before_us=now_us)
        deed = Deed(now_us, actor.who, actor.via, "login", session.id, f"from {address_of(scope)}")
        await self._access.tenants.add_session(session, deed)
        cookie = self._cookie(scope, token, int(self._settings.session_s))
        return LoggedIn(msgspec.structs.replace(actor, via="session"), await self._csrf(token), digest), (cookie,)

    async def logout(self, scope: Request, session: LoggedIn) -> Headers:
        """End a session; the header that takes its cookie away."""
        await self._access.tenants.end_sessions(digest=session.digest)
        await self._access.tenants.do(Deed(self._now_us(), session.actor.who, "session", "logout", ""))
        return (self._cookie(scope, "", 0),)

    def is_secure(self, scope: Request) -> bool:
        """Whether the browser reaches us over TLS, which a proxy in front may end."""
        told = self._settings.cookie_secure
        if told is not None:
            return told
        return scope.get("scheme") == "https" or header(scope["headers"], b"x-forwarded-proto") == "https"

    async def _still_there(self, session: Session, now_us: int) -> bool:
        """Whether the key or the user that logged in may still."""
        if session.who.startswith("key_"):
            key = await self._access.tenants.get(Key, session.who)
            return key is not None and not key.ended(now_us)
        if session.who.startswith("user_"):
            user = await self._access.tenants.get(User, session.who)
            return user is not None and not user.gone_us
        return True

    def _cookie(self, scope: Request, token: str, max_age_s: int) -> tuple[bytes, bytes]:
        secure = self.is_secure(scope)
        flags = f"; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{'; Secure' if secure else ''}"
        return b"set-cookie", f"{_name(secure=secure)}={token}{flags}".encode()

    def _token(self, scope: Request) -> str:
        return cookie_of(scope, _name(secure=self.is_secure(scope)))

    async def _digest(self, token: str) -> bytes:
        return hmac_digest((await self._access.vault()).session_key, token.encode(), sha256)

    async def _csrf(self, token: str) -> str:
        return hmac_digest((await self._access.vault()).session_key, b"csrf " + token.encode(), sha256).hex()

    def _now_us(self) -> int:
        return int(self._clock.now_s() * 1e6)


def actor_of(key: Key) -> Actor | None:
    """Who acts with a key; None where it is no administrator's."""
    writes = "admin" in key.scopes
    if not key.role or not (writes or "admin:read" in key.scopes):
        return None
    writes = writes and key.role != "viewer"
    return Actor(key.id, "key", key.role, writes, key.team, key.org, key.name)


def cookie_of(scope: Request, name: str) -> str:
    """The value of a cookie; "" where there is none, or what is sent is no list of cookies."""
    text = "; ".join(value.decode("latin-1") for key, value in scope["headers"] if key == b"cookie")
    if len(text) > 8192:
        return ""
    try:
        found = SimpleCookie(text).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def form_of(scope: Request, body: bytes) -> dict[str, str] | None:
    """The fields of a form; None where the body is none. Raises InputError."""
    kind = header(scope["headers"], b"content-type").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    try:
        return {name: values[0] for name, values in parse_qs(body.decode("ascii"), max_num_fields=20).items()}
    except ValueError:
        raise InputError("the form cannot be read") from None


def _name(*, secure: bool) -> str:
    """Behind TLS no page of another host can set a cookie of this name (RFC 6265bis section 4.1.3.2)."""
    return "__Host-thriftgate" if secure else "thriftgate"
