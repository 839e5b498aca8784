"""Calls that can wait, through the gateway: rules, what is made at once, and webhooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.batch.queueing import CALLER, GATEWAY, OTHER, ask
from tests.fixtures import books, settings_of, until
from tests.gateway.deferring import HELD, WAITS, deferring
from tests.scripted import answering, upstream
from thriftgate.gateway.app import Gateway
from thriftgate.simulator.config import BatchRules

AT_ONCE = BatchRules(duration_s=(1.0, 1.0))
BAD = ask(temperature=7.5)  # what only the provider can judge, and refuses
RETRY = {"x-stainless-retry-count": "1"}


# --- rules -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "headers", "status"),
    [
        ({"key": "CALLER", "wait": False}, {}, 202),
        ({"key": "OTHER", "wait": False}, {}, 200),
        ({"task": "nightly", "wait": False}, {"thriftgate-task": "nightly"}, 202),
        ({"task": "nightly", "wait": False}, {"thriftgate-task": "daily"}, 200),
        ({"task": "nightly", "wait": False}, {}, 200),
        ({"key": "CALLER", "task": "nightly", "wait": False}, {"thriftgate-task": "nightly"}, 202),
        ({"key": "OTHER", "task": "nightly", "wait": False}, {"thriftgate-task": "nightly"}, 200),
        ({"wait": False}, {}, 202),
        ({"wait": True}, {"thriftgate-wait": "false"}, 202),
        ({"wait": False}, {"thriftgate-wait": "TRUE"}, 200),
        ({"wait": False}, {"thriftgate-deadline": "60s"}, 200),
        ({"wait": False, "deadline": "60s"}, {"thriftgate-deadline": "6h"}, 202),
    ],
)
async def test_rules(rule: dict[str, Any], headers: dict[str, str], status: int, tmp_path: Path) -> None:
    keys = await _key_names(tmp_path)
    table = {"deadline": "6h"} | rule | ({"key": keys[rule["key"]]} if "key" in rule else {})
    async with deferring(tmp_path, rules=AT_ONCE, flags={"batch.rules": [table]}) as gateway:
        got = await gateway.ask(ask(), headers)
        assert got.status == status


async def _key_names(path: Path) -> dict[str, str]:
    """What the reports of these books call the two callers."""
    async with deferring(path) as gateway:
        key_of = gateway.stage.engine.key_of
        return {"CALLER": key_of(CALLER), "OTHER": key_of(OTHER)}


async def test_a_rule_holds_the_connection_and_the_first_that_fits_decides(tmp_path: Path) -> None:
    rules = [{"task": "x", "deadline": "60s"}, {"deadline": "6h"}, {"deadline": "1h", "wait": False}]
    async with deferring(tmp_path, rules=AT_ONCE, flags={"batch.rules": rules}) as gateway:
        got = await gateway.ask(ask())
        assert (got.status, got.document["usage"]["service_tier"]) == (200, "batch")
        got = await gateway.ask(ask(2), {"thriftgate-task": "x"})
        assert got.document["usage"]["service_tier"] == "standard"
        assert "no time to wait" in got.headers["thriftgate-deferred"]


# --- made at once ------------------------------------------------------------------------------------------------------


async def test_without_a_word_of_waiting_nothing_is_said_of_it(tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway:
        for headers in ({}, {"thriftgate-wait": "true"}, {"thriftgate-task": "x"}):
            got = await gateway.ask(ask(), headers)
            assert got.status == 200
            assert not {"thriftgate-deferred", "thriftgate-job"} & {name.lower() for name in got.headers}


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ({"upstream.api_key": ""}, "no; the gateway has no key of the provider's to send batches with (upstream.api_key)"),
        ({"policy.levers": ["count.guard"]}, "no; batch.defer is off"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_gateway_that_has_no_queue(flags: dict[str, Any], why: str, stream: bool, tmp_path: Path) -> None:
    async with deferring(tmp_path, flags=flags) as gateway:
        got = await gateway.ask(ask(stream=stream), HELD)
        assert (got.status, got.headers["thriftgate-deferred"]) == (200, why)


async def test_a_gateway_that_cannot_serve_what_waits_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with deferring(tmp_path, flows=False) as gateway:
        name = await gateway.ticket(ask())
    assert "cannot serve" not in capsys.readouterr().err
    async with deferring(tmp_path, flags={"upstream.api_key": ""}) as gateway:
        assert (await gateway.get(f"/thriftgate/jobs/{name}")).status == 404
    assert '"jobs": 1' in next(line for line in capsys.readouterr().err.splitlines() if "cannot serve" in line)
    async with deferring(tmp_path, rules=AT_ONCE) as gateway:
        assert (await gateway.in_status(name, "answered"))["http_status"] == 200


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"max_tokens": 0}, "no; max_tokens: 0 (pre-warming) is not possible in a batch"),
        ({"thread": {"id": "thread_1"}}, "no; a conversation held by the provider cannot be batched"),
        ({"speed": "fast", "model": "claude-opus-4-8"}, "no; speed is not possible in a batch"),
    ],
)
async def test_what_no_batch_takes(members: dict[str, Any], why: str, tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway:
        got = await gateway.ask(ask(**members), WAITS | {"anthropic-beta": "fast-mode-2026-02-01"})
        assert got.status in (200, 400), "as the provider answers it"
        if "thriftgate-error" not in got.headers:
            assert got.headers["thriftgate-deferred"] == why
        assert not gateway.stage.front.times("POST /v1/messages/batches")


@pytest.mark.parametrize(
    ("flags", "headers"),
    [({}, {"thriftgate-max-cost-usd": "0.00015"}), ({"policy.cost_limit_usd": "0.00015"}, {})],
)
async def test_limits_are_kept(flags: dict[str, Any], headers: dict[str, str], tmp_path: Path) -> None:
    """The batch alone would stay below, the call that a deadline may need would not: it is refused as any call is."""
    async with deferring(tmp_path, flags=flags) as gateway:
        got = await gateway.ask(ask(), WAITS | headers)
        assert (got.status, got.headers["thriftgate-error"]) == (400, "refused")
        assert "over the limit" in got.document["error"]["message"]
        assert (await gateway.ask(ask(max_tokens=10), WAITS | headers)).status == 202


async def test_a_limit_that_cannot_be_read(tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway:
        got = await gateway.ask(ask(), WAITS | {"thriftgate-max-cost-usd": "cheap"})
        assert got.status == 400
        assert "header thriftgate-max-cost-usd" in got.document["error"]["message"]


@pytest.mark.parametrize(
    "body", [b"{", b"", b'{"model":"m","max_tokens":1,"messages":' + b"[" * 90_000 + b"]" * 90_000 + b"}"]
)
async def test_bodies_that_cannot_be_read_are_judged_as_calls(body: bytes, tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway:
        got = await gateway.ask(body, HELD)
        assert got.status == 400
        assert got.document["error"]["type"] == "invalid_request_error"


# --- webhooks, start and memory ----------------------------------------------------------------------------------------


async def test_a_receiver_is_told(tmp_path: Path) -> None:
    async with upstream(answering(b"{}")) as seen:
        flags = {"batch.webhooks": [f"{seen.url}/hooks"], "batch.webhook_secret": "whsec_c2VjcmV0"}
        async with deferring(tmp_path, rules=AT_ONCE, flags=flags) as gateway:
            name = await gateway.ticket(ask(), WAITS | {"thriftgate-webhook": f"{seen.url}/hooks/me"})

            async def called() -> bool:
                return bool(seen.requests)

            await until(called)
            assert msgspec.json.decode(seen.requests[0].body)["data"]["id"] == name
        rules = [{"deadline": "6h", "wait": False}]
        async with deferring(tmp_path, rules=AT_ONCE, flags=flags | {"batch.rules": rules}) as gateway:
            got = await gateway.ask(ask(2), {"thriftgate-webhook": f"{seen.url}/hooks/me"})
            assert got.status == 202, "a rule is leave to wait as a header is"


async def test_a_secret_that_cannot_be_read_is_told_at_the_start(tmp_path: Path) -> None:
    tables: dict[str, Any] = {
        "upstream": {"api_key": GATEWAY},
        "batch": {"webhooks": ["https://x.example"], "webhook_secret": "whsec_!"},
        "ledger": {"path": str(tmp_path / "books.db")},
    }
    gateway = Gateway(settings_of(**tables))
    said: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(told: Any) -> None:
        said.append(told["type"])

    await gateway({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.failed"]
    assert "what stands behind whsec_ is no base64" in str(gateway.failure)
    async with books(tmp_path / "books.db"):
        assert not list(tmp_path.glob("*-live-*")), "what was opened is closed"


async def test_books_in_memory_leave_nothing_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with deferring(tmp_path, rules=AT_ONCE, flags={"ledger.path": ":memory:"}) as gateway:
        assert (await gateway.ask(ask(), HELD)).status == 200
    assert not list(tmp_path.iterdir())
