"""Servers that speak OpenAI's chat completions: Messages calls told to them, and their answers back as Messages."""

from __future__ import annotations

from collections.abc import Iterable

from fuzz import seeds
from fuzz.part import Part, cuttings, is_object, outcome, randomness, unless
from thriftgate.core.errors import BrokenReply, InputError
from thriftgate.providers.chat_incoming import answered
from thriftgate.providers.transport import WholeAnswer
from thriftgate.wire.meter import StreamMeter, read_message
from thriftgate.wire.openai_out.errors import failure_of
from thriftgate.wire.openai_out.losses import loss
from thriftgate.wire.openai_out.request import Asked, chat_request
from thriftgate.wire.openai_out.servers import SERVERS
from thriftgate.wire.openai_out.stream import ChatStream
from thriftgate.wire.sse import SseDecoder


def check_request(data: bytes) -> None:
    """A call is refused, or told the same way each time; what can be carried without a loss can be told."""
    for server in SERVERS:
        why = loss(data, server)
        assert isinstance(why, str)
        made = unless((InputError,), lambda server=server: chat_request(data, server, {}))  # type: ignore[misc]
        if made is not None and not why:
            assert chat_request(data, server, {}) == made
            assert is_object(made[0])
            assert made[1].prompt_tokens >= 1


def _asked(data: bytes) -> Asked:
    random = randomness(data)
    return Asked(random.choice(SERVERS), "m", stream=random.random() < 0.5, thinks=random.random() < 0.5, stops=("END",))


def check_answer(data: bytes) -> None:
    """Any answer becomes a message with usage, an error with its status, or BrokenReply."""
    asked = _asked(data)
    for status in (200, 404, 503):
        incoming = WholeAnswer(status, ((b"content-type", b"application/json"),), data)
        made = unless((BrokenReply,), lambda incoming=incoming: _awaited(incoming, asked))  # type: ignore[misc]
        if made is None:
            continue
        told, body = made
        if told == 200:
            reading = _metered([body]) if asked.stream else read_message(body)
            assert reading.complete  # type: ignore[attr-defined]
        else:
            assert 400 <= told < 600
            assert is_object(body)
    failed = failure_of(400, data, asked.server.name)
    assert not read_message(failed.body).complete
    assert read_message(failed.body).error


def _awaited(incoming: WholeAnswer, asked: Asked) -> tuple[int, bytes]:
    """An answer that is all there needs no event loop: nothing in it waits."""

    async def read() -> tuple[int, bytes]:
        told = await answered(incoming, asked)
        return told.status, await told.read()

    coroutine = read()
    try:
        coroutine.send(None)
    except StopIteration as ended:
        found: tuple[int, bytes] = ended.value
        return found
    raise AssertionError("it waits for something")


def _metered(chunks: Iterable[bytes]) -> object:
    meter = StreamMeter()
    for chunk in chunks:
        meter.feed(chunk)
    return meter.reading()


def check_stream(data: bytes) -> None:
    """A stream is told the same in any pieces: events that can be read; complete only where the server said so."""
    asked = _asked(data)

    def told(chunks: Iterable[bytes]) -> bytes:
        stream = ChatStream(asked)
        return b"".join([*(stream.feed(chunk) for chunk in chunks), stream.end()])

    whole = outcome((), lambda: told([data]))
    for chunks in cuttings(data):
        assert told(chunks) == whole.value
    assert isinstance(whole.value, bytes)
    for event in SseDecoder().feed(whole.value):
        assert is_object(event.data)


OPENAI_OUT = (
    Part("openai_out_request", check_request, seeds.requests),
    Part("openai_out_answer", check_answer, seeds.chat_answers),
    Part("openai_out_stream", check_stream, seeds.chat_streams),
)
