"""What the fronts of clouds have in common."""

import pytest

from tests.simulator.support import call, simulator
from thriftgate.simulator.clouds.front import FrontError, Tokens, form_of, is_front_matter, made_anew
from thriftgate.simulator.errors import invalid, not_found, rate_limited
from thriftgate.simulator.http import Message, Request


def request(body: bytes = b"", **headers: str) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request("POST", "/x", {}, {name.replace("_", "-"): value for name, value in headers.items()}, receive)


def test_tokens_are_known_until_they_end() -> None:
    tokens = Tokens("t-", lifetime_s=100)
    one, two = tokens.give("a", 1_000.0), tokens.give("b", 1_050.0)
    assert one != two
    assert one.startswith("t-")
    whose = [tokens.owner({"authorization": f"Bearer {token}"}, 1_100.0) for token in (one, two, "t-else")]
    assert whose == ["", "b", None]
    assert tokens.owner({"authorization": two}, 1_100.0) is None
    assert tokens.owner({}, 1_100.0) is None
    tokens.revoke()
    assert tokens.owner({"authorization": f"bearer {two}"}, 1_100.0) is None
    assert tokens.issued == 2


def test_an_outage_lasts_as_long_as_it_was_asked_for() -> None:
    tokens = Tokens("t-", fails=2)
    for _ in range(2):
        with pytest.raises(FrontError) as caught:
            tokens.check()
        assert caught.value.status == 503
    tokens.check()


async def test_forms() -> None:
    kind = "application/x-www-form-urlencoded; charset=utf-8"
    assert await form_of(request(b"a=1&b=%2F+x", content_type=kind)) == {"a": "1", "b": "/ x"}
    with pytest.raises(FrontError, match="400"):
        await form_of(request(b'{"a":1}', content_type="application/json"))


async def test_a_request_made_anew_has_its_new_body_and_then_the_old_ones_end() -> None:
    new = made_anew(request(b"gone"), "/y", {"b": "2"}, {"c": [3]})
    assert (new.path, new.headers, await new.body(100)) == ("/y", {"b": "2"}, b'{"c":[3]}')
    assert (await new.receive())["body"] == b"gone"
    assert await made_anew(request(b"kept"), "/y", {}).body(100) == b"kept"


def test_what_the_front_says_itself() -> None:
    problems = (rate_limited("x", 1), not_found("x"), invalid("x"))
    assert [is_front_matter(problem) for problem in problems] == [True, True, False]


async def test_limits_are_not_told_in_headers() -> None:
    app = simulator()
    headers = {"api-key": "sim-1", "anthropic-version": "2023-06-01"}
    body = {"model": "claude-opus-4-8", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
    reply = await call(app, "POST", "/services.ai.azure/r/anthropic/v1/messages", body, headers=headers)
    assert reply.status == 200
    assert not [name for name in reply.headers if name.startswith("anthropic-ratelimit")]
    assert reply.headers["apim-request-id"].startswith("apim-")
