from decimal import Decimal
from typing import Any

import pytest

from thriftgate.simulator import LimitRules
from thriftgate.simulator.limits import counted_input
from thriftgate.simulator.models import load_models

from .support import advance, ask, body, call, simulator


async def test_requests_per_minute_with_retry_after_and_refill() -> None:
    app = simulator(limits=LimitRules(rpm=2))
    for _ in range(2):
        assert (await ask(app, body())).status == 200
    refused = await ask(app, body())
    assert refused.status == 429
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert refused.headers["retry-after"] == "30"
    advance(app, 30)
    assert (await ask(app, body())).status == 200
    assert len(app.bill.calls) == 3


async def test_input_tokens_but_cache_reads_are_free() -> None:
    app = simulator(limits=LimitRules(itpm=6000))
    content = body(system="x" * 12_000, cache_control={"type": "ephemeral"})
    assert (await ask(app, content)).status == 200
    for _ in range(20):
        assert (await ask(app, content)).status == 200
    assert (await ask(app, body(system="y" * 12_000))).status == 429


async def test_output_counts_what_was_produced() -> None:
    app = simulator(limits=LimitRules(otpm=100))
    big = body(messages=[{"role": "user", "content": "[[sim: out=150]]"}])
    assert (await ask(app, big)).status == 200
    assert (await ask(app, big)).headers["retry-after"] == "31"


async def test_other_models_have_their_own_bucket() -> None:
    app = simulator(limits=LimitRules(rpm=1))
    assert [
        (await ask(app, body(model=model))).status for model in ("claude-opus-4-8", "claude-opus-4-7", "claude-opus-5")
    ] == [
        200,
        429,
        200,
    ]


async def test_headers() -> None:
    reply = await ask(simulator(), body())
    assert reply.headers["anthropic-ratelimit-requests-limit"] == "10000"
    assert reply.headers["anthropic-ratelimit-requests-remaining"] == "9999"
    assert reply.headers["anthropic-ratelimit-input-tokens-limit"] == "10000000"
    assert reply.headers["anthropic-ratelimit-output-tokens-remaining"] == "2000000"
    assert reply.headers["anthropic-ratelimit-tokens-limit"] in {"10000000", "2000000"}
    assert reply.headers["anthropic-ratelimit-requests-reset"].startswith("2026-11-21T12:00:00")


@pytest.mark.parametrize(
    ("limits", "status", "kind", "said"),
    [
        ({"tier_spend_cap_usd": "0.000001"}, 429, "rate_limit_error", "You have reached the monthly spend limit"),
        (
            {"organization_spend_limit_usd": "0.000001"},
            400,
            "invalid_request_error",
            "You have reached your specified API usage limits",
        ),
        (
            {"workspace_spend_limit_usd": "0.000001"},
            400,
            "invalid_request_error",
            "You have reached your specified workspace API usage limits",
        ),
    ],
)
async def test_spend_limits(limits: dict[str, str], status: int, kind: str, said: str) -> None:
    values: dict[str, Any] = {name: Decimal(value) for name, value in limits.items()}
    app = simulator(limits=LimitRules(**values))
    assert (await ask(app, body())).status == 200
    reply = await ask(app, body())
    error = reply.json()["error"]
    assert (reply.status, error["type"]) == (status, kind)
    assert error["message"].startswith(said)
    assert "retry-after" not in reply.headers
    if status == 429:
        assert error["details"] == {"error_code": "enforced_spend_limit_reached"}


async def test_count_tokens_has_its_own_limit() -> None:
    app = simulator(limits=LimitRules(tier="start"))
    for _ in range(2000):
        app.limiter.admit_simple(_caller(), "count", app.now())
    reply = await call(app, "POST", "/v1/messages/count_tokens", body())
    assert (reply.status, reply.headers["retry-after"]) == (429, "1")
    assert (await ask(app, body())).status == 200


def test_reads_count_only_on_haiku_35() -> None:
    table = load_models().by_name
    assert counted_input(table["claude-opus-5"], 1, 2, 100) == 3
    assert counted_input(table["claude-3-5-haiku-20241022"], 1, 2, 100) == 103


def _caller() -> Any:
    from thriftgate.simulator.identity import authenticate

    from .support import KEY

    return authenticate({"x-api-key": KEY})
