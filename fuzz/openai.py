"""OpenAI's dialects for clients: requests become Messages, answers are told as completions and responses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from fuzz import seeds
from fuzz.part import Part, cuttings, is_object, unless
from thriftgate.core.errors import InputError, ModelNotFound, NotThere
from thriftgate.core.request import parse_request
from thriftgate.pricing.load import load_models
from thriftgate.wire.dialect import Teller
from thriftgate.wire.openai.chat import OpenaiChat
from thriftgate.wire.openai.chat_request import Terms, take
from thriftgate.wire.openai.responses import OpenaiResponses
from thriftgate.wire.openai.responses_answer import Frame
from thriftgate.wire.openai.responses_output import Told
from thriftgate.wire.openai.responses_request import take_response
from thriftgate.wire.sse import SseDecoder

_REFUSED: tuple[type[Exception], ...] = (InputError, ModelNotFound, NotThere)
_CREATED_S = 1_795_000_000
_DONE = b"[DONE]"


@cache
def _terms() -> Terms:
    models = load_models()
    return Terms(models, {"gpt-*": "claude-opus-5-5"}, models.__contains__, day=20_700)


def check_chat(data: bytes) -> None:
    """InputError, or the same Messages body each time, which is one."""
    taken = unless(_REFUSED, lambda: take(data, _terms()))
    if taken is not None:
        _is_messages(taken.body, taken.model)
        assert take(data, _terms()).body == taken.body
        _sendable(taken.report.told())


def check_responses(data: bytes) -> None:
    """Likewise; and what the response repeats of the request can be written."""
    taken = unless(_REFUSED, lambda: take_response(data, _terms()))
    if taken is not None:
        _is_messages(taken.body, taken.model)
        assert take_response(data, _terms()).body == taken.body
        _sendable(taken.report.told())
        dialect = OpenaiResponses(taken.frame)
        for answer in list(seeds.answers())[:1]:
            status, told = dialect.teller(_CREATED_S).whole(200, answer)
            assert status == 200
            assert is_object(told)


def _is_messages(body: bytes, model: str) -> None:
    request = parse_request(body)
    assert request.model == model
    assert model in _terms().models
    assert is_object(body)


def _sendable(told: str) -> None:
    """A header's value: one line of ASCII."""
    assert told.isascii(), told
    assert told.isprintable(), told


def check_told_whole(data: bytes) -> None:
    """Any answer, of any status, becomes JSON: a completion, a response or an error. Nothing is raised."""
    for teller in _tellers():
        for status in (200, 400, 529):
            made, told = teller().whole(status, data)
            assert status == made or (status, made) == (200, 502)
            assert is_object(told)
            assert made == 200 or b'"error"' in told


def check_told_stream(data: bytes) -> None:
    """A stream is told the same in any pieces, as events that can be read; once it is over there is nothing more to say."""
    for teller in _tellers():
        whole = _told(teller(), [data])
        for chunks in cuttings(data):
            assert _told(teller(), chunks) == whole
        for event in SseDecoder().feed(whole):
            assert event.data == _DONE or is_object(event.data)


def _told(teller: Teller, chunks: Iterable[bytes]) -> bytes:
    told = b"".join([*(teller.feed(chunk) for chunk in chunks), teller.end()])
    assert teller.end() == b""
    return told


def _tellers() -> tuple[Callable[[], Teller], ...]:
    return (
        lambda: OpenaiChat(include_usage=True).teller(_CREATED_S),
        lambda: OpenaiResponses(Frame({})).teller(_CREATED_S),
        lambda: OpenaiResponses(Frame({}, Told(summary=True, sources=True))).teller(_CREATED_S),
    )


OPENAI = (
    Part("openai_chat", check_chat, seeds.chat_requests),
    Part("openai_responses", check_responses, seeds.response_requests),
    Part("openai_told_whole", check_told_whole, seeds.answers),
    Part("openai_told_stream", check_told_stream, seeds.streams),
)
