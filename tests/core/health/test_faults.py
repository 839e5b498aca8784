"""What failures say of a target."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.core.errors import (
    BrokenReply,
    ClientLeft,
    Crowded,
    SpendCapped,
    Unreachable,
    UpstreamError,
    UpstreamTimeout,
)
from thriftgate.core.health.faults import KINDS, Fault, fault_in, fault_of


def body(kind: str, message: str = "", code: str = "") -> bytes:
    error: dict[str, object] = {"type": kind, "message": message}
    if code:
        error["details"] = {"error_code": code}
    return msgspec.json.encode({"type": "error", "error": error})


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (429, body("rate_limit_error", code="enforced_spend_limit_reached"), "spend"),
        (400, body("invalid_request_error", "You have reached your specified workspace API usage limits."), "spend"),
        (402, body("billing_error"), "balance"),
        (400, body("invalid_request_error", "Your credit balance is too low to access the API."), "balance"),
        (429, body("rate_limit_error", "insufficient quota"), "balance"),
        (401, body("authentication_error"), "auth"),
        (403, body("permission_error"), "auth"),
        (404, body("not_found_error"), "model"),
        (429, body("rate_limit_error"), "rate"),
        (529, body("overloaded_error"), "overload"),
        (500, b"<html>", "overload"),
        (503, b"", "overload"),
        (504, b"\xff", "overload"),
    ],
)
def test_a_failure_has_a_kind(status: int, said: bytes, kind: str) -> None:
    fault = fault_of(status, said)
    assert fault is not None
    assert fault.kind == kind


@pytest.mark.parametrize("status", [200, 400, 409, 413, 422])
def test_what_is_the_requests_own_fault_says_nothing_of_the_target(status: int) -> None:
    assert fault_of(status, body("invalid_request_error", "max_tokens: Field required")) is None


def test_an_organisations_limit_holds_for_all_its_keys_and_a_workspaces_for_one() -> None:
    whole = fault_of(400, body("invalid_request_error", "You have reached your specified API usage limits."))
    part = fault_of(400, body("invalid_request_error", "You have reached your specified workspace API usage limits."))
    assert whole is not None
    assert part is not None
    assert whole.shared
    assert not part.shared


def test_when_it_is_worth_trying_again() -> None:
    assert fault_of(429, body("rate_limit_error"), 12.0) == Fault("rate", retry_after_s=12.0)
    assert fault_of(529, body("overloaded_error"), 3.0) == Fault("overload", retry_after_s=3.0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unreachable("x"), "unreachable"),
        (UpstreamTimeout("x"), "slow"),
        (BrokenReply("x"), "slow"),
        (SpendCapped("x"), "spend"),
        (Crowded("x", 4), "rate"),
    ],
)
def test_no_answer_has_a_kind(error: UpstreamError, kind: str) -> None:
    fault = fault_in(error)
    assert fault is not None
    assert fault.kind == kind
    assert kind in KINDS


def test_a_client_that_left_says_nothing() -> None:
    assert fault_in(ClientLeft("x")) is None
