"""Requests to token endpoints: what is sent, what may come back, and that no secret is told."""

from __future__ import annotations

import pytest

from tests.fixtures import TestClock
from tests.providers.clouds import Answers, answer
from thriftgate.core.errors import BrokenReply, ConfigError, Unreachable, UpstreamTimeout
from thriftgate.providers.token_exchange import checked_token_url, exchange
from thriftgate.providers.transport import Timeouts, header

URL = "https://tokens.example/token"
FORM = {"grant_type": "client_credentials", "client_secret": "very secret value"}


async def test_a_form_is_sent_and_a_token_comes_back() -> None:
    wire, clock = Answers(answer({"access_token": "abc", "expires_in": 3599, "token_type": "Bearer"})), TestClock()
    token = await exchange(URL, FORM, wire, Timeouts(), clock, headers=((b"x-with", b"it"),))
    assert (token.value, token.until_s, token.headers) == ("abc", clock.now_s() + 3599, ((b"x-with", b"it"),))
    (sent,) = wire.sent
    assert (sent.method, sent.url, sent.body) == (
        "POST",
        URL,
        b"grant_type=client_credentials&client_secret=very+secret+value",
    )
    assert header(sent.headers, b"content-type") == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(("told", "life_s"), [("3600", 3600.0), (None, 300.0), ("soon", 300.0), (-5, 0.0)])
async def test_how_long_a_token_holds(told: object, life_s: float) -> None:
    clock = TestClock()
    wire = Answers(answer({"access_token": "abc", "expires_in": told}))
    assert (await exchange(URL, FORM, wire, Timeouts(), clock)).until_s == clock.now_s() + life_s


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            answer({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400),
            "400 invalid_grant: Invalid",
        ),
        (answer(b"<html>busy</html>", 503), "503 : no token"),
        (answer(b"", 200), "200 : no token"),
        (answer({"access_token": ""}), "no token"),
        (answer({"access_token": "a\r\nx-evil: 1"}), "no token"),
        (answer({"access_token": 5}), "no token"),
        (answer([1]), "no token"),
        (answer({"error": "e", "error_description": "you sent very secret value, wrong"}, 400), "you sent …, wrong"),
        (answer({"error": "e", "error_description": "x" * 5000}, 400), "x" * 100),
        (UpstreamTimeout("no answer within 20 s"), "no answer within 20 s"),
        (BrokenReply("cut: very secret value"), "cut: …"),
        (Unreachable("nobody there"), "nobody there"),
    ],
)
async def test_without_a_token_the_call_was_not_sent(said: object, why: str) -> None:
    with pytest.raises(Unreachable, match=r"no access token from tokens.example: .*; the call was not sent") as caught:
        await exchange(URL, FORM, Answers(said), Timeouts(), TestClock())  # type: ignore[arg-type]
    assert why in str(caught.value)
    assert "very secret" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "url", ["https://oauth2.googleapis.com/token", "http://127.0.0.1:8/t", "http://localhost", "http://[::1]"]
)
def test_secrets_go_to_https_or_stay_on_this_machine(url: str) -> None:
    assert checked_token_url(url, "x") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://tokens.example",
        "http://127.0.0.1.evil.example/",
        "ftp://x",
        "",
        "file:///etc/passwd",
        "http://169.254.169.254/",
    ],
)
def test_anywhere_else_they_do_not_go(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^here: "):
        checked_token_url(url, "here")
