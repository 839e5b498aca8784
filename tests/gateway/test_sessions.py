"""Logins of people: a cookie that only their browser has, ended in time and from anywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fixtures import TestClock, engine_on, settings_of
from thriftgate.core.errors import InputError, NotAllowed, Unauthenticated
from thriftgate.gateway.access import Access, Slowed
from thriftgate.gateway.sessions import LoggedIn, Sessions, actor_of, cookie_of, form_of
from thriftgate.gateway.throttle import FREE
from thriftgate.ledger.issuing import HOST, Actor, Issued, Issuer, KeyDraft
from thriftgate.ledger.tenants import Key
from thriftgate.providers.transport import Headers

SETTINGS = {"session_idle_s": 600.0, "session_s": 3600.0}


def request(*headers: tuple[str, str], scheme: str = "http", client: str = "9.9.9.9") -> dict[str, Any]:
    named = [(name.encode(), value.encode("latin-1")) for name, value in (("host", "gate:8484"), *headers)]
    return {"type": "http", "method": "POST", "path": "/x", "headers": named, "scheme": scheme, "client": (client, 1)}


class Room:
    """Sessions on books in memory, and a clock to turn."""

    def __init__(self, engine: Any, clock: TestClock, **settings: Any) -> None:
        table = settings_of(access=SETTINGS | {"recheck_s": 0.0} | settings)
        self.clock = clock
        self.access = Access(engine, table)
        self.sessions = Sessions(engine, self.access, table.access)
        self.issuer = Issuer(self.access.tenants, HOST, lambda: int(clock.now_s() * 1e6))

    async def issue(self, **members: Any) -> Issued:
        return await self.issuer.add_key(KeyDraft("ann", **{"role": "admin"} | members), await self.access.vault())

    async def login(self, secret: str, **members: Any) -> tuple[LoggedIn, str, str]:
        """The session, its cookie as a browser sends it, and the header that set it."""
        session, headers = await self.sessions.login(request(**members), secret)
        return session, cookie(headers), headers[0][1].decode()


def cookie(headers: Headers) -> str:
    return headers[0][1].decode().partition(";")[0]


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    clock = TestClock()
    async with engine_on(object(), clock=clock) as engine:
        yield Room(engine, clock)


async def test_a_key_with_a_role_opens_a_session(room: Room) -> None:
    key, secret = await room.issue()
    session, sent, told = await room.login(secret)
    assert session.actor == Actor(key.id, "session", "admin", True, name="ann")
    assert told.endswith("; Path=/; HttpOnly; SameSite=Strict; Max-Age=3600")
    found = await room.sessions.of(request(("cookie", f"other=1; {sent}")))
    assert found == session
    assert await room.sessions.of(request()) is None
    assert await room.sessions.of(request(("cookie", "thriftgate=" + "A" * 43))) is None
    assert secret not in sent
    _, again, _ = await room.login(secret)
    assert again != sent  # a session of its own each time


async def test_over_tls_the_cookie_is_secure_and_no_other_host_can_set_it(room: Room) -> None:
    _, secret = await room.issue()
    _, sent, told = await room.login(secret, scheme="https")
    assert sent.startswith("__Host-thriftgate=")
    assert told.endswith("; Secure")
    assert await room.sessions.of(request(("cookie", sent), scheme="https"))
    assert await room.sessions.of(request(("cookie", sent))) is None
    assert await room.sessions.of(request(("cookie", sent), ("x-forwarded-proto", "https")))


async def test_idle_and_old_sessions_end(room: Room) -> None:
    _, secret = await room.issue()
    _, sent, _ = await room.login(secret)
    for _ in range(5):
        room.clock.advance(599)
        assert await room.sessions.of(request(("cookie", sent)))
    room.clock.advance(601)
    assert await room.sessions.of(request(("cookie", sent))) is None
    _, sent, _ = await room.login(secret)
    for _ in range(8):
        room.clock.advance(449)
        assert await room.sessions.of(request(("cookie", sent)))
    room.clock.advance(8)
    assert await room.sessions.of(request(("cookie", sent))) is None  # an hour, however busy


async def test_with_the_key_ends_what_it_opened(room: Room) -> None:
    key, secret = await room.issue()
    _, sent, _ = await room.login(secret)
    await room.issuer.expire(key, int((room.clock.now_s() + 60) * 1e6))
    assert await room.sessions.of(request(("cookie", sent)))
    room.clock.advance(60)
    assert await room.sessions.of(request(("cookie", sent))) is None
    other, second = await room.issue()
    _, sent, _ = await room.login(second)
    await room.issuer.revoke(other)
    assert await room.sessions.of(request(("cookie", sent))) is None


async def test_logout_ends_it_for_good(room: Room) -> None:
    _, secret = await room.issue()
    session, sent, _ = await room.login(secret)
    ((name, value),) = await room.sessions.logout(request(("cookie", sent)), session)
    assert (name, b"Max-Age=0" in value) == (b"set-cookie", True)
    assert await room.sessions.of(request(("cookie", sent))) is None
    assert [one.action for one in await room.access.tenants.deeds(limit=2)] == ["logout", "login"]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("x-csrf-token", "")],
        [("x-csrf-token", "0" * 64)],
        [("x-csrf-token", "TOKEN"), ("origin", "https://evil.example")],
        [("x-csrf-token", "TOKEN"), ("origin", "null")],
        [("x-csrf-token", "TOKEN"), ("sec-fetch-site", "cross-site")],
        [("x-csrf-token", "OTHER")],
    ],
)
async def test_what_no_page_of_ours_has_asked_for_is_refused(headers: list[tuple[str, str]], room: Room) -> None:
    _, secret = await room.issue()
    session, _, _ = await room.login(secret)
    other, _, _ = await room.login(secret)
    tokens = {"TOKEN": session.csrf, "OTHER": other.csrf}
    sent = [(name, tokens.get(value, value)) for name, value in headers]
    with pytest.raises(NotAllowed):
        await room.sessions.check(request(*sent), session)
    await room.sessions.check(request(("x-csrf-token", session.csrf), ("origin", "http://gate:8484")), session)
    await room.sessions.check(request(), session, session.csrf)


async def test_who_may_not_log_in(room: Room) -> None:
    _, caller = await room.issue(role="")
    with pytest.raises(NotAllowed, match="has no role"):
        await room.login(caller)
    with pytest.raises(Unauthenticated) as told:
        await room.login("tg-nobody")
    assert "tg-nobody" not in str(told.value)
    assert actor_of(Key("key_1", "a", role="viewer", scopes=("call",))) is None
    viewer = actor_of(Key("key_1", "a", role="viewer", scopes=("admin", "admin:read")))
    assert viewer is not None
    assert not viewer.writes


async def test_guessing_is_slowed_down_even_for_a_right_guess(room: Room) -> None:
    _, secret = await room.issue()
    for _ in range(FREE + 1):
        with pytest.raises(Unauthenticated):
            await room.login("tg-wrong")
    with pytest.raises(Slowed) as told:
        await room.login(secret)
    assert (told.value.status_hint, told.value.retry_after_s) == (429, 1.0)
    await room.login(secret, client="8.8.8.8")
    room.clock.advance(1.0)
    await room.login(secret)
    await room.login(secret)


@pytest.mark.parametrize("text", ["", "thriftgate", "a=b; ;;;", "\x00=\x01", "thriftgate=" + "x" * 9000, 'thriftgate="'])
def test_cookies_that_are_none(text: str) -> None:
    assert cookie_of(request(("cookie", text)), "thriftgate") in ("", '"')


def test_forms() -> None:
    form = request(("content-type", "application/x-www-form-urlencoded; charset=utf-8"))
    assert form_of(form, b"key=tg-a%2Bb&csrf=c&key=other") == {"key": "tg-a+b", "csrf": "c"}
    assert form_of(request(("content-type", "application/json")), b"key=a") is None
    for body in (b"\xff=1", b"&".join(b"a%d=1" % number for number in range(30))):
        with pytest.raises(InputError):
            form_of(form, body)


async def test_nothing_of_a_session_can_be_used_from_the_books(room: Room) -> None:
    _, secret = await room.issue()
    session, sent, _ = await room.login(secret)
    stored = await room.access.tenants.session(session.digest)
    assert stored is not None
    token = sent.partition("=")[2]
    assert token not in repr(stored)
    assert session.csrf not in repr(stored)
