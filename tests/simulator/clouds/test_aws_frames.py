"""Frames as botocore reads them, around the events that the simulator streams."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer

from thriftgate.simulator.clouds.aws_frames import Framed, chunk_of, exception_of, frame


def read(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(dict(one.headers), one.payload) for one in buffer]


def test_frames() -> None:
    assert read(frame({":a": "b", "c": "dé"}, b"payload") * 2) == [({":a": "b", "c": "dé"}, b"payload")] * 2
    ((headers, payload),) = read(chunk_of(b'{"type":"ping"}'))
    assert (headers[":event-type"], headers[":message-type"]) == ("chunk", "event")
    shown = msgspec.json.decode(payload)
    assert (shown["bytes"], bool(shown["p"])) == ("eyJ0eXBlIjoicGluZyJ9", True)
    ((headers, payload),) = read(exception_of({"type": "overloaded_error", "message": "m"}))
    assert headers[":exception-type"] == "serviceUnavailableException"
    assert payload == b'{"message":"m"}'


async def sent(kind: str, *bodies: bytes) -> tuple[dict[bytes, bytes], bytes]:
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    framed = Framed(send)
    assert framed.transport is None
    await framed.send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})
    for body in bodies:
        await framed.send({"type": "http.response.body", "body": body, "more_body": True})
    return dict(told[0]["headers"]), b"".join(message["body"] for message in told[1:])


async def test_events_leave_as_chunks_and_the_last_tells_what_was_used() -> None:
    usage = {"input_tokens": 3, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1, "output_tokens": 1}
    start = msgspec.json.encode({"type": "message_start", "message": {"usage": usage}})
    delta = msgspec.json.encode({"type": "message_delta", "usage": usage | {"output_tokens": 9}})
    events = [b"event: x\ndata: " + data + b"\n\n" for data in (start, delta, b'{"type":"message_stop"}')]
    headers, body = await sent("text/event-stream; charset=utf-8", events[0], events[1] + events[2], b"")
    assert headers[b"content-type"] == b"application/vnd.amazon.eventstream"
    chunks = [msgspec.convert(msgspec.json.decode(payload)["bytes"], bytes) for _, payload in read(body)]
    assert msgspec.json.decode(chunks[-1])["amazon-bedrock-invocationMetrics"] == {
        "inputTokenCount": 3,
        "outputTokenCount": 9,
        "cacheReadInputTokenCount": 2,
        "cacheWriteInputTokenCount": 1,
    }
    assert chunks[0] == start


async def test_an_error_is_an_exception_and_garbage_a_wrong_checksum() -> None:
    _, body = await sent("text/event-stream", b'event: error\ndata: {"type":"error","error":{"type":"x","message":"m"}}\n\n')
    assert read(body)[0][0][":exception-type"] == "modelStreamErrorException"
    _, body = await sent("text/event-stream", b'event: x\ndata: {"type\n\n')
    with pytest.raises(ChecksumMismatch):
        read(body)


async def test_whole_answers_pass_as_they_are() -> None:
    assert await sent("application/json", b"{}") == ({b"content-type": b"application/json"}, b"{}")
