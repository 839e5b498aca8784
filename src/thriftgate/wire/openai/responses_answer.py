"""A Messages answer as a response object, and a Messages stream as the events of a response.

Shape: openai-python v3.54.0 `types/responses/response.py`, developers.openai.com/api/reference/resources/responses, 2026-11.
The stream comes in any chunks and goes out the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.errors import BrokenReply
from thriftgate.wire.openai.responses_output import CUT, Block, Output, Told
from thriftgate.wire.openai.usage import counts_of, tier_of
from thriftgate.wire.sse import Event, SseDecoder
from thriftgate.wire.usage import ApiUsage

# The codes of a failed response: openai-python v3.54.0 `types/responses/response_error.py`.
_CODES = {"rate_limit_error": "rate_limit_exceeded", "invalid_request_error": "invalid_prompt"}
_SERVER_ERROR = "server_error"
_UNREADABLE = (msgspec.MsgspecError, ValueError, LookupError, TypeError, RecursionError)
_UNNAMED = "unnamed"  # an answer that failed before the provider gave it a name
# What a response says where its request does not.
_UNASKED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
}
_NO_IMAGES = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}


class Frame(Struct, frozen=True):
    """What a response repeats of its request (`asked`), and what its client wants to be told."""

    asked: dict[str, Any]
    told: Told = Told()


Heard = Callable[[str, bytes], None]
"""Is handed a response that has been told whole: its id and its JSON."""


class _StopDetails(Struct):
    explanation: str | None = None


class _Message(Struct):
    id: str
    model: str
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: ApiUsage | None = None


class _Delta(Struct):
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class _Error(Struct, frozen=True):
    type: str = ""
    message: str = ""


class _Payload(Struct):
    """One event of a Messages stream, whichever it is."""

    message: _Message | None = None
    content_block: Block | None = None
    delta: Raw = Raw()
    usage: ApiUsage | None = None
    error: _Error = _Error()


class _Answer:
    """What an answer has told of itself so far."""

    def __init__(self, frame: Frame, created_s: int) -> None:
        self.frame = frame
        self.id = f"resp_{_UNNAMED}"
        self._created_s = created_s
        self.model = str(frame.asked.get("model", ""))
        self.usage = ApiUsage()
        self.stop_reason = ""
        self.explanation = ""
        self.output = Output(_UNNAMED, frame.told)

    def begin(self, message: _Message) -> None:
        suffix = message.id.removeprefix("msg_")
        self.id, self.model, self.usage = f"resp_{suffix}", message.model, message.usage or ApiUsage()
        self.output = Output(suffix, self.frame.told)

    def stopped(self, reason: str | None, details: _StopDetails | None) -> None:
        self.stop_reason = reason or self.stop_reason
        if details is not None and details.explanation:
            self.explanation = details.explanation

    def finish(self) -> None:
        self.output.finish(self.stop_reason, self.explanation)

    @property
    def status(self) -> str:
        return "incomplete" if self.stop_reason in CUT else "completed"

    def response(self, status: str, error: dict[str, str] | None = None) -> dict[str, Any]:
        """The response object as it stands; usage once it has ended."""
        reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "id": self.id,
            "object": "response",
            "created_at": self._created_s,
            "status": status,
            "background": False,
            "error": error,
            "incomplete_details": reason,
            **_UNASKED,
            **self.frame.asked,
            "model": self.model,
            "output": self.output.items,
            "service_tier": tier_of(self.usage),
            "usage": None if status in ("in_progress", "failed") else _usage(self.usage),
            **(_tools_used(self.usage) if status != "in_progress" else {}),
        }


def whole_response(body: bytes, frame: Frame, created_s: int, heard: Heard | None = None) -> bytes:
    """A whole Messages answer as a response object. Raises BrokenReply for what is none."""
    answer = _Answer(frame, created_s)
    try:
        body.decode()  # what goes on raw is not looked at otherwise, and JSON is UTF-8
        message = msgspec.json.decode(body, type=_Message)
        answer.begin(message)
        for block in _blocks(message):
            answer.output.begin(block)
            answer.output.end()
        answer.stopped(message.stop_reason, message.stop_details)
        answer.finish()
    except _UNREADABLE:
        raise BrokenReply("the provider's answer is no message that can be told as a response") from None
    response = msgspec.json.encode(answer.response(answer.status))
    if heard is not None:
        heard(answer.id, response)
    return response


class ResponseStream:
    """Feed it the chunks of a Messages stream; it returns the events to send on, equal for any chunking. After the last
    chunk, `end` closes a response that was left open. `heard` is told of one that has not failed."""

    def __init__(self, frame: Frame, created_s: int, heard: Heard | None = None) -> None:
        self._ended = False
        self._heard = heard
        self._answer = _Answer(frame, created_s)
        self._decoder = SseDecoder()
        self._begun = False
        self._number = 0
        self._out: list[bytes] = []

    def feed(self, chunk: bytes) -> bytes:
        try:
            for event in self._decoder.feed(chunk):
                if not self._ended:
                    self._read(event)
        except _UNREADABLE:
            self._fail(_SERVER_ERROR, "the provider's stream cannot be read")
        return self._taken()

    def end(self) -> bytes:
        """The end of a response whose answer broke off; b"" where it had ended."""
        self._fail(_SERVER_ERROR, "the provider's stream ended before its answer did")
        return self._taken()

    def _taken(self) -> bytes:
        taken, self._out = b"".join(self._out), []
        return taken

    def _read(self, event: Event) -> None:
        event.data.decode()  # what goes on raw is not looked at otherwise, and JSON is UTF-8
        payload = msgspec.json.decode(event.data, type=_Payload)
        answer = self._answer
        if event.type == b"message_start" and payload.message is not None:
            answer.begin(payload.message)
            self._begin()
        elif event.type == b"content_block_start" and payload.content_block is not None:
            answer.output.begin(payload.content_block)
        elif event.type == b"content_block_delta":
            answer.output.add(msgspec.json.decode(payload.delta, type=Block))
        elif event.type == b"content_block_stop":
            answer.output.end()
        elif event.type == b"message_delta":
            delta = msgspec.json.decode(payload.delta, type=_Delta)
            answer.stopped(delta.stop_reason, delta.stop_details)
            answer.usage = answer.usage.merged(payload.usage or ApiUsage())
        elif event.type == b"message_stop":
            answer.finish()
        elif event.type == b"error":
            self._fail(_CODES.get(payload.error.type, _SERVER_ERROR), payload.error.message or payload.error.type)
        for told in answer.output.take():
            self._tell(told.type, told.members)
        if event.type == b"message_stop":
            self._last(answer.status)

    def _begin(self) -> None:
        self._begun = True
        for step in ("created", "in_progress"):
            self._tell(f"response.{step}", {"response": self._answer.response("in_progress")})

    def _fail(self, code: str, message: str) -> None:
        if self._ended:
            return
        if not self._begun:
            self._begin()
        self._answer.output.break_off()
        self._last("failed", {"code": code, "message": message})

    def _last(self, status: str, error: dict[str, str] | None = None) -> None:
        if not self._ended:
            self._ended = True
            response = self._answer.response(status, error)
            self._tell(f"response.{status}", {"response": response})
            if self._heard is not None and error is None:
                self._heard(self._answer.id, msgspec.json.encode(response))

    def _tell(self, kind: str, members: dict[str, Any]) -> None:
        data = msgspec.json.encode({"type": kind, "sequence_number": self._number, **members})
        self._number += 1
        self._out.append(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n")


def _blocks(message: _Message) -> list[Block]:
    if message.content is None:
        raise LookupError("a message has content")
    return message.content


def _usage(usage: ApiUsage) -> dict[str, Any]:
    counts = counts_of(usage)
    return {
        "input_tokens": counts.prompt,
        "input_tokens_details": {"cached_tokens": counts.read, "cache_write_tokens": counts.written},
        "output_tokens": counts.output,
        "output_tokens_details": {"reasoning_tokens": counts.thinking},
        "total_tokens": counts.prompt + counts.output,
    }


def _tools_used(usage: ApiUsage) -> dict[str, Any]:
    searches = usage.usage().web_searches
    return {"tool_usage": {"image_gen": _NO_IMAGES, "web_search": {"num_requests": searches}}} if searches else {}
