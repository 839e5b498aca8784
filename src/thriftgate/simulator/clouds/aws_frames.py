"""Answers in frames of AWS's event streams, as InvokeModelWithResponseStream sends them.

docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ResponseStream.html and
smithy.io/2.0/aws/amazon-eventstream.html, 2026-10.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import msgspec

from thriftgate.simulator.draws import below
from thriftgate.simulator.http import Message, Send

EXCEPTIONS = {
    "overloaded_error": "serviceUnavailableException",
    "rate_limit_error": "throttlingException",
    "timeout_error": "modelTimeoutException",
    "api_error": "internalServerException",
}
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame; all its headers are texts."""
    told = b"".join(_text(name.encode(), value.encode()) for name, value in headers.items())
    lengths = struct.pack(">II", len(told) + len(payload) + 16, len(told))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + told + payload
    return body + struct.pack(">I", zlib.crc32(body))


def _text(name: bytes, value: bytes) -> bytes:
    return struct.pack(f">B{len(name)}sBH", len(name), name, 7, len(value)) + value


def chunk_of(data: bytes) -> bytes:
    """A piece of the answer. `p` is padding, which hides how long the piece is."""
    padding = LETTERS[: 1 + below(len(LETTERS), "padding", data.hex())]
    payload = b'{"bytes":"%b","p":"%b"}' % (base64.b64encode(data), padding.encode())
    return frame({":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}, payload)


def exception_of(error: dict[str, Any]) -> bytes:
    """What ends a stream that cannot go on."""
    name = EXCEPTIONS.get(error.get("type", ""), "modelStreamErrorException")
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, msgspec.json.encode({"message": error.get("message", "")}))


class Framed:
    """Passes an answer on; server-sent events leave as frames."""

    def __init__(self, send: Send) -> None:
        self.transport = getattr(getattr(send, "__self__", None), "transport", None)
        self._send = send
        self._streaming = False
        self._metrics: dict[str, int] = {}

    async def send(self, message: Message) -> None:
        """See ASGI."""
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            self._streaming = headers[b"content-type"].startswith(b"text/event-stream")
            if self._streaming:
                headers[b"content-type"] = b"application/vnd.amazon.eventstream"
                headers[b"x-amzn-bedrock-content-type"] = b"application/json"
                message = {**message, "headers": list(headers.items())}
        elif self._streaming:
            events = [part for part in message.get("body", b"").split(b"\n\n") if part]
            message = {**message, "body": b"".join(self._event(part.partition(b"\ndata: ")[2]) for part in events)}
        await self._send(message)

    def _event(self, data: bytes) -> bytes:
        try:
            payload = msgspec.json.decode(data)
        except msgspec.DecodeError:
            broken = bytearray(chunk_of(data))
            broken[-1] ^= 1
            return bytes(broken)
        if payload["type"] == "error":
            return exception_of(payload["error"])
        if payload["type"] in {"message_start", "message_delta"}:
            usage = payload.get("usage") or payload["message"]["usage"]
            self._metrics |= {
                "inputTokenCount": usage["input_tokens"],
                "outputTokenCount": usage["output_tokens"],
                "cacheReadInputTokenCount": usage["cache_read_input_tokens"],
                "cacheWriteInputTokenCount": usage["cache_creation_input_tokens"],
            }
        if payload["type"] == "message_stop":
            data = msgspec.json.encode(payload | {"amazon-bedrock-invocationMetrics": self._metrics})
        return chunk_of(data)
