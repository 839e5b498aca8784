"""Responses requests to be read, and the terms that they are read by."""

from __future__ import annotations

from typing import Any

import msgspec

from thriftgate.core.request import parse_request
from thriftgate.pricing.load import load_models
from thriftgate.wire.openai.chat_request import Terms
from thriftgate.wire.openai.responses_losses import RESPONSE_ROWS
from thriftgate.wire.openai.responses_request import TakenResponse, take_response
from thriftgate.wire.sse import SseDecoder

MODELS = load_models()
TERMS = Terms(models=MODELS, aliases={"gpt-*": "claude-opus-5-5"}, is_known=MODELS.__contains__, day=20_700)
FIELDS = {row.field: row for row in RESPONSE_ROWS}
OPUS, OLD = "claude-opus-5-5", "claude-haiku-4-5"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": None,
}


def taken(**asked: Any) -> TakenResponse:
    return take_response(msgspec.json.encode({"model": OPUS, "input": "Hello", **asked}), TERMS)


def body_of(**asked: Any) -> dict[str, Any]:
    body = taken(**asked).body
    parse_request(body)
    document: dict[str, Any] = msgspec.json.decode(body)
    return document


def lost(**asked: Any) -> tuple[str, ...]:
    return taken(**asked).report.fields


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def call(number: int, arguments: str = '{"city": "Paris"}') -> dict[str, Any]:
    return {"type": "function_call", "call_id": f"call_{number}", "name": "get_weather", "arguments": arguments}


def output(number: int, value: object = "sunny") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": f"call_{number}", "output": value}


def heard(stream: bytes) -> dict[str, Any]:
    """The response that the last event of a stream holds."""
    response: dict[str, Any] = msgspec.json.decode(SseDecoder().feed(stream)[-1].data)["response"]
    return response
