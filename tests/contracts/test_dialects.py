"""The dialect contract over every dialect there is, and over dialects that break it: each check must notice."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.contracts import check_dialect
from tests.contracts.check_dialect import CHECKS, Check, Fixtures
from tests.laws.traffic import Traffic
from tests.wire import streams
from thriftgate.core.errors import InputError, ThriftgateError
from thriftgate.core.request import Request
from thriftgate.wire import DIALECTS
from thriftgate.wire.anthropic_messages import AnthropicMessages
from thriftgate.wire.dialect import Dialect
from thriftgate.wire.meter import Reading, StreamMeter


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


FIXTURES = {
    "anthropic.messages": Fixtures(
        requests=(*_bodies(), b' {"messages":[ ],"max_tokens":1 , "model":"m","of_tomorrow":1.0e2}\n'),
        unreadable=(
            b"",
            b"{",
            b"[]",
            b"{}",
            b"\xff",
            b'{"model":"m","messages":[]}',
            b'{"model":1,"max_tokens":1,"messages":[]}',
        ),
        answers=tuple(
            (streams.simulated(name, stream=False), streams.simulated(name, stream=True)) for name in streams.ASKED
        ),
    )
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


BAD: list[tuple[type[AnthropicMessages], Check]] = [
    (Respelling, check_dialect.parse_then_render_is_the_identity),
    (Forgetful, check_dialect.a_request_reads_the_same_twice),
    (Trusting, check_dialect.what_cannot_be_read_is_an_input_error),
    (Vague, check_dialect.its_errors_are_read_as_errors),
    (Blind, check_dialect.a_stream_says_what_the_whole_answer_says),
    (Choppy, check_dialect.a_stream_reads_the_same_in_any_pieces),
    (Early, check_dialect.a_stream_that_breaks_off_is_not_complete),
    (Credulous, check_dialect.garbage_is_no_answer),
]


@pytest.mark.parametrize(("kind", "check"), BAD, ids=[kind.__name__ for kind, _ in BAD])
def test_a_dialect_that_breaks_it_is_noticed(kind: type[AnthropicMessages], check: Check) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(kind(), FIXTURES["anthropic.messages"])


def test_every_check_has_a_dialect_that_breaks_it() -> None:
    assert {check for _, check in BAD} == set(CHECKS)
