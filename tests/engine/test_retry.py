"""Whether and when to try again, as a table and through the engine."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from tests.fixtures import HEADERS, TestClock, call_of, engine_on, message, only_entry, read_all
from tests.scripted import MESSAGE, Provider, Say, say_error, say_stream, sse_events
from thriftgate.core.errors import BrokenReply
from thriftgate.engine.retry import RetryPolicy, attempts_allowed, retry_wait_s
from thriftgate.providers.transport import Headers

OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
SPEND_LIMIT = b'{"error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"}}}'


def raw(headers: Mapping[str, str]) -> Headers:
    return tuple((name.encode(), value.encode()) for name, value in headers.items())


@pytest.mark.parametrize(
    ("status", "headers", "attempt", "wait_s"),
    [
        (429, {"retry-after": "3"}, 1, 3.0),
        (429, {"retry-after": "0"}, 1, 0.0),
        (429, {"retry-after": "8"}, 2, 8.0),
        (429, {"retry-after": "9"}, 1, None),  # longer than we hold a client for
        (429, {"retry-after": "-1"}, 1, None),
        (429, {"retry-after": "nan"}, 1, None),
        (429, {"retry-after": "inf"}, 1, None),
        (429, {"retry-after": "Sat, 21 Nov 2026 12:00:00 GMT"}, 1, 0.5),
        (429, {}, 1, 0.5),
        (529, {}, 1, 0.5),
        (529, {}, 2, 1.0),
        (529, {}, 3, 2.0),
        (500, {}, 1, 0.5),
        (502, {}, 1, 0.5),
        (503, {}, 1, 0.5),
        (504, {}, 1, 0.5),
        (408, {}, 1, 0.5),
        (409, {}, 1, 0.5),
        (400, {}, 1, None),
        (401, {}, 1, None),
        (402, {}, 1, None),
        (404, {}, 1, None),
        (413, {}, 1, None),
        (307, {}, 1, None),
        (529, {"x-should-retry": "false"}, 1, None),
        (400, {"x-should-retry": "true"}, 1, 0.5),
        (400, {"x-should-retry": "maybe"}, 1, None),
    ],
)
def test_decisions(status: int, headers: dict[str, str], attempt: int, wait_s: float | None) -> None:
    assert retry_wait_s(status, raw(headers), OVERLOADED, attempt, RetryPolicy()) == wait_s


def test_a_spend_limit_lasts_for_longer_than_any_wait() -> None:
    assert retry_wait_s(429, raw({"retry-after": "1"}), SPEND_LIMIT, 1, RetryPolicy()) is None


UNREADABLE = (b"", b"{", b"[]", b'{"error":null}', b'{"error":{"details":null}}', b"[" * 100_000, b"\xff")


@pytest.mark.parametrize("body", UNREADABLE)
def test_a_limit_whose_body_cannot_be_read_is_an_ordinary_one(body: bytes) -> None:
    assert retry_wait_s(429, (), body, 1, RetryPolicy()) == 0.5


@pytest.mark.parametrize(
    ("mode", "headers", "allowed"),
    [
        ("auto", {}, 3),
        ("auto", {"x-stainless-retry-count": "0"}, 1),
        ("auto", {"x-stainless-retry-count": "2"}, 1),
        ("auto", {"user-agent": "claude-cli/2.1.197 (external, cli)"}, 1),
        ("auto", {"user-agent": "curl/8"}, 3),
        ("always", {"x-stainless-retry-count": "0"}, 3),
        ("never", {}, 1),
    ],
)
def test_two_layers_of_retries_multiply_so_one_is_enough(mode: str, headers: dict[str, str], allowed: int) -> None:
    found = attempts_allowed(msgspec.convert({"mode": mode}, RetryPolicy), raw(headers))
    assert found == (allowed, 1 if mode == "never" else 3)  # who is not reached is tried again at no risk


# --- through the engine ------------------------------------------------------------------------------------------------


async def test_an_overload_is_waited_out_and_booked_once() -> None:
    provider = Provider(say_error(529, "overloaded_error"), say_error(500, "api_error"), Say())
    clock = TestClock()
    async with engine_on(provider, clock=clock) as engine:
        reply = await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert reply.body == MESSAGE
    assert (entry.outcome, entry.attempts, entry.usage_source) == ("answered", 3, "exact")
    assert clock.slept == [0.5, 1.0]
    assert provider.bodies[0] == provider.bodies[1] == provider.bodies[2]


async def test_retry_after_is_kept_to() -> None:
    clock = TestClock()
    async with engine_on(Provider(say_error(429, "rate_limit_error", ("retry-after", "7")), Say()), clock=clock) as engine:
        await engine.messages(call_of(message()))
    assert clock.slept == [7.0]


async def test_the_last_answer_is_handed_back_when_nothing_helps() -> None:
    said = say_error(529, "overloaded_error")
    async with engine_on(Provider(said)) as engine:
        reply = await engine.messages(call_of(message()))
        entry = await only_entry(engine)
    assert (reply.status, reply.body) == (529, said.pieces[0])
    assert (entry.outcome, entry.attempts, entry.usage_source) == ("failed", 3, "none")


@pytest.mark.parametrize(
    "said",
    [
        say_error(429, "rate_limit_error", ("retry-after", "60")),
        say_error(429, "rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
        say_error(529, "overloaded_error", ("x-should-retry", "false")),
    ],
    ids=["long wait", "spend limit", "told not to"],
)
async def test_what_waiting_does_not_help_is_handed_back_at_once(said: Say) -> None:
    provider, clock = Provider(said, Say()), TestClock()
    async with engine_on(provider, clock=clock) as engine:
        reply = await engine.messages(call_of(message()))
    assert (reply.body, len(provider.bodies), clock.slept) == (said.pieces[0], 1, [])


async def test_a_client_that_retries_itself_is_left_to_it() -> None:
    provider = Provider(say_error(529, "overloaded_error"), Say())
    async with engine_on(provider) as engine:
        reply = await engine.messages(call_of(message(), headers=HEADERS | {"x-stainless-retry-count": "0"}))
    assert (reply.status, len(provider.bodies)) == (529, 1)


@pytest.mark.parametrize("breaks_after", [1, 3])
async def test_nothing_is_sent_again_once_an_answer_has_begun(breaks_after: int) -> None:
    provider = Provider(say_stream(*sse_events()[:breaks_after], ConnectionError("reset")), say_stream())
    async with engine_on(provider, upstream={"retry": "always"}) as engine:
        reply = await engine.messages(call_of(message(stream=True)))
        with pytest.raises(BrokenReply):
            await read_all(reply)
        assert (await only_entry(engine)).attempts == 1
    assert len(provider.bodies) == 1


async def test_a_break_before_the_answer_may_have_been_billed_and_is_not_sent_again() -> None:
    provider = Provider(Say([ConnectionError("reset")]), Say())
    async with engine_on(provider, upstream={"retry": "always"}) as engine:
        with pytest.raises(BrokenReply):
            await engine.messages(call_of(message()))
        assert (await only_entry(engine)).usage_source == "estimated"
    assert len(provider.bodies) == 1
