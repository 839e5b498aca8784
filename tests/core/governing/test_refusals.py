"""What errors of the provider mean, held against those of the simulator."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.core.governing.refusals import Refusal, is_spend_limit, refusal_of
from thriftgate.core.governing.told import INPUT, OUTPUT, REQUESTS
from thriftgate.simulator import errors
from thriftgate.simulator.errors import ApiError, invalid, overloaded, rate_limited

TIER = ApiError("rate_limit_error", "The monthly spend limit.", details={"error_code": "enforced_spend_limit_reached"})


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (rate_limited("your organization's rate limit of 50 input tokens per minute", 3), Refusal("rate", INPUT)),
        (rate_limited("the rate limit of 50 output tokens per minute", 3), Refusal("rate", OUTPUT)),
        (rate_limited("your organization's rate limit of 50 requests per minute", 3), Refusal("rate", REQUESTS)),
        (rate_limited("maximum usage increase rate for input tokens per minute", 3), Refusal("surge")),
        (rate_limited("Acceleration limit of requests", 3), Refusal("surge")),
        (rate_limited("Simulated rate limit", None), Refusal("surge")),
        (TIER, Refusal("spend")),
        (invalid(errors.SPEND_ORGANIZATION), Refusal("spend")),
        (invalid(errors.SPEND_WORKSPACE), Refusal("spend", shared=False)),
        (invalid("messages: Field required"), Refusal()),
        (overloaded(), Refusal("overload")),
        (errors.internal(), Refusal()),
    ],
    ids=lambda one: one.message if isinstance(one, ApiError) else "",
)
def test_each_error_by_what_helps_against_it(error: ApiError, meant: Refusal) -> None:
    assert refusal_of(error.status, error.body("req_1")) == meant


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"error": 1}', b"[" * 100_000])
def test_a_body_that_cannot_be_read_names_no_limit(body: bytes) -> None:
    assert refusal_of(429, body) == Refusal("surge")
    assert refusal_of(400, body) == Refusal()
    assert not is_spend_limit(body)


def test_the_cap_of_a_tier() -> None:
    assert is_spend_limit(TIER.body("req_1"))
    assert not is_spend_limit(msgspec.json.encode({"error": {"type": "rate_limit_error", "message": "later"}}))
