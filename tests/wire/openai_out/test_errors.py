"""Errors in Anthropic's shape: what the health of targets makes of them."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.core.health.faults import fault_of
from thriftgate.wire.openai_out.errors import failure_in, failure_of


def openai(message: str, code: str = "", kind: str = "") -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": kind, "code": code}})


@pytest.mark.parametrize(
    ("status", "body", "told", "kind", "fault"),
    [
        (400, openai("bad"), 400, "invalid_request_error", None),
        (422, openai("bad"), 400, "invalid_request_error", None),
        (401, openai("no"), 401, "authentication_error", "auth"),
        (402, openai("Insufficient Balance"), 402, "billing_error", "balance"),
        (402, b'{"error":{"code":402,"message":"This request requires more credits"}}', 402, "billing_error", "balance"),
        (429, openai("You exceeded your current quota", "insufficient_quota"), 402, "billing_error", "balance"),
        (400, b'{"code":"Arrearage","message":"overdue"}', 402, "billing_error", "balance"),
        (403, openai("no"), 403, "permission_error", "auth"),
        (404, openai("x", "model_not_found"), 404, "not_found_error", "model"),
        (400, openai("Model Not Exist"), 404, "not_found_error", "model"),
        (429, openai("slow down", "rate_limit_exceeded"), 429, "rate_limit_error", "rate"),
        (408, openai("timed out"), 504, "timeout_error", "overload"),
        (500, openai("x"), 500, "api_error", "overload"),
        (502, b'{"error":{"code":502,"message":"down"}}', 502, "overloaded_error", "overload"),
        (503, b"<html>", 503, "overloaded_error", "overload"),
        (
            400,
            openai("This model's maximum context length is 5", "context_length_exceeded"),
            400,
            "invalid_request_error",
            None,
        ),
        (413, b"", 413, "request_too_large", None),
        (400, b'{"object":"error","message":"m","type":"BadRequestError","code":400}', 400, "invalid_request_error", None),
        (400, b'{"error":"just text"}', 400, "invalid_request_error", None),
        (418, b"[]", 418, "invalid_request_error", None),
    ],
)
def test_status_and_type(status: int, body: bytes, told: int, kind: str, fault: str | None) -> None:
    found = failure_of(status, body, "deepseek")
    error = msgspec.json.decode(found.body)
    assert (found.status, error["type"], error["error"]["type"]) == (told, "error", kind)
    assert error["error"]["message"].startswith("deepseek: ")
    judged = fault_of(found.status, found.body)
    assert (judged.kind if judged else None) == fault


def test_a_prompt_that_is_too_long_is_told_as_clients_expect() -> None:
    body = failure_of(400, openai("maximum context length is 64000 tokens"), "vllm").body
    assert "prompt is too long: " in msgspec.json.decode(body)["error"]["message"]


def test_an_error_within_an_answer() -> None:
    assert failure_in({"code": 429, "message": "slow"}, "openrouter").status == 429
    assert failure_in({"code": "server_error", "message": "x"}, "openrouter").status == 502
    assert failure_in("odd", "openrouter").status == 502
    assert len(failure_in({"message": "x" * 9_000}, "openrouter").body) < 2_200
