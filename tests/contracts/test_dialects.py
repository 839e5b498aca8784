"""The dialect contract over every dialect there is, and over dialects that break it: each check must notice."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.contracts import check_dialect
from tests.contracts.check_dialect import CHECKS, Check, Fixtures
from tests.laws.traffic import Traffic
from tests.wire import streams
from tests.wire.openai import completions, responses_asked
from thriftgate.core.errors import InputError, ThriftgateError
from thriftgate.core.request import Request
from thriftgate.wire import DIALECTS
from thriftgate.wire.anthropic_messages import AnthropicMessages
from thriftgate.wire.dialect import Dialect, Teller
from thriftgate.wire.meter import Reading, StreamMeter
from thriftgate.wire.openai.chat import ChatTeller, OpenaiChat
from thriftgate.wire.whole_message import message_of

CONVERSATIONS = (
    completions.request(),
    completions.request(
        completions.system("Be brief."), completions.user("Weather?"), completions.called(("a", "{}")),
        completions.result("a", "rain"), tools=[completions.WEATHER], stream=True,
    ),
)  # fmt: skip


RESPONSES: tuple[dict[str, Any], ...] = (
    {},
    {"input": [{"role": "user", "content": "?"}, responses_asked.call(1), responses_asked.output(1)], "stream": True},
)


def _without_nulls(response: dict[str, Any]) -> dict[str, Any]:
    """Every response has an `error`, which is null where there is none."""
    return {name: value for name, value in response.items() if value is not None}


def _uncounted(completion: dict[str, Any]) -> dict[str, Any]:
    """Without the usage, which streams tell only where they are asked to."""
    return {name: value for name, value in completion.items() if name not in ("usage", "service_tier")}


def _bodies() -> tuple[bytes, ...]:
    found = []
    for seed in range(10):
        body = Traffic(seed).step().body
        found += [
            msgspec.json.encode(body),
            json.dumps(body, indent=2).encode(),
            json.dumps(body, ensure_ascii=False).encode(),
        ]
    return tuple(found)


UNREADABLE = (
    b"",
    b"{",
    b"[]",
    b"{}",
    b"\xff",
    b'{"model":"m","messages":[]}',
    b'{"model":1,"max_tokens":1,"messages":[]}',
)
ANSWERS = tuple((streams.simulated(name, stream=False), streams.simulated(name, stream=True)) for name in streams.ASKED)
FIXTURES = {
    "anthropic.messages": Fixtures(
        requests=(*_bodies(), b' {"messages":[ ],"max_tokens":1 , "model":"m","of_tomorrow":1.0e2}\n'),
        unreadable=UNREADABLE,
        answers=ANSWERS,
        seen=msgspec.json.decode,
        heard=lambda stream: msgspec.json.decode(message_of(stream)),
    ),
    "openai.chat": Fixtures(
        requests=tuple(completions.taken(request).body for request in CONVERSATIONS),
        unreadable=UNREADABLE,
        answers=ANSWERS,
        seen=lambda whole: _uncounted(completions.seen(whole)),
        heard=lambda stream: _uncounted(completions.heard(stream)),
    ),
    "openai.responses": Fixtures(
        requests=tuple(responses_asked.taken(**asked).body for asked in RESPONSES),
        unreadable=UNREADABLE,
        answers=ANSWERS,
        seen=lambda whole: _without_nulls(msgspec.json.decode(whole)),
        heard=lambda stream: _without_nulls(responses_asked.heard(stream)),
    ),
}
"""What the clients of each dialect send and get; a dialect without an entry fails."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_contract(dialect: Dialect, check: Check) -> None:
    check(dialect, FIXTURES[dialect.name])


# --- the checks look ------------------------------------------------------------------------------------------------------


class Respelling(AnthropicMessages):
    def render(self, request: Request) -> bytes:
        return msgspec.json.format(request.body, indent=0)


class Forgetful(AnthropicMessages):
    calls = 0

    def parse(self, body: bytes) -> Request:
        Forgetful.calls += 1
        return msgspec.structs.replace(super().parse(body), max_tokens=Forgetful.calls)


class Trusting(AnthropicMessages):
    def parse(self, body: bytes) -> Request:
        try:
            return super().parse(body)
        except InputError:
            return super().parse(b'{"model":"m","max_tokens":1,"messages":[]}')


class Vague(AnthropicMessages):
    def error(self, error: ThriftgateError) -> bytes:
        return b'{"error":"went wrong"}'


class Blind(AnthropicMessages):
    def read(self, body: bytes) -> Reading:
        return msgspec.structs.replace(super().read(body), model="")


class ByChunk(StreamMeter):
    """Counts what it is fed, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.fed = 0

    def feed(self, chunk: bytes) -> bool:
        self.fed += 1
        return super().feed(chunk)

    def reading(self) -> Reading:
        return msgspec.structs.replace(super().reading(), output_bytes=self.fed)


class Choppy(AnthropicMessages):
    def meter(self) -> StreamMeter:
        return ByChunk()


class Hasty(StreamMeter):
    def reading(self) -> Reading:
        return msgspec.structs.replace(super().reading(), complete=True)


class Early(AnthropicMessages):
    def meter(self) -> StreamMeter:
        return Hasty()


class Credulous(AnthropicMessages):
    def read(self, body: bytes) -> Reading:
        return msgspec.structs.replace(super().read(body), complete=True)


class Mumbling(ChatTeller):
    def feed(self, chunk: bytes) -> bytes:
        return super().feed(chunk).replace(b'"content":"', b'"content":"well, ')


class Stuttering(ChatTeller):
    def feed(self, chunk: bytes) -> bytes:
        return super().feed(chunk) or self.ping


class Assuring(ChatTeller):
    def end(self) -> bytes:
        return b"data: [DONE]\n\n" if super().end() else b""


class Glib(ChatTeller):
    def whole(self, status: int, body: bytes) -> tuple[int, bytes]:
        return 200, super().whole(status, body)[1]


class _Telling(OpenaiChat):
    made: type[ChatTeller]

    def teller(self, created_s: int) -> Teller:
        return self.made(created_s, include_usage=True)


class Mumbled(_Telling):
    made = Mumbling


class Stuttered(_Telling):
    made = Stuttering


class Assured(_Telling):
    made = Assuring


class Glibbed(_Telling):
    made = Glib


BAD: list[tuple[type[AnthropicMessages], Check]] = [
    (Respelling, check_dialect.parse_then_render_is_the_identity),
    (Forgetful, check_dialect.a_request_reads_the_same_twice),
    (Trusting, check_dialect.what_cannot_be_read_is_an_input_error),
    (Vague, check_dialect.its_errors_are_read_as_errors),
    (Blind, check_dialect.a_stream_says_what_the_whole_answer_says),
    (Choppy, check_dialect.a_stream_reads_the_same_in_any_pieces),
    (Early, check_dialect.a_stream_that_breaks_off_is_not_complete),
    (Credulous, check_dialect.garbage_is_no_answer),
    (Mumbled, check_dialect.a_client_hears_of_a_stream_what_it_sees_of_the_answer),
    (Stuttered, check_dialect.a_stream_is_told_the_same_in_any_pieces),
    (Assured, check_dialect.a_stream_that_breaks_off_is_told_as_that),
    (Glibbed, check_dialect.garbage_is_told_as_an_error),
]


@pytest.mark.parametrize(("kind", "check"), BAD, ids=[kind.__name__ for kind, _ in BAD])
def test_a_dialect_that_breaks_it_is_noticed(kind: type[AnthropicMessages], check: Check) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(kind(), FIXTURES[kind.name])


def test_every_check_has_a_dialect_that_breaks_it() -> None:
    assert {check for _, check in BAD} == set(CHECKS)
