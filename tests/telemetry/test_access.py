"""The log of calls, through a live gateway: what it says is what the books say, and nothing of it was said by anybody."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fixtures import HEADERS, client, message, running, serving, simulator
from tests.telemetry.receiver import receiving
from thriftgate.core.money import usd_from_pico
from thriftgate.ledger.entries import BASELINE, UPSTREAM
from thriftgate.ledger.sql import SqlLedger
from thriftgate.telemetry.access import EVENT

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACED = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
SECRETS = (
    "sk-ant-api03-do-not-tell-me",
    "the combination is 4711",
    '\u202e}{"event": "forged"}',
    "${jndi:ldap://evil}",
    "<script>alert(1)</script>",
)


def calls_in(stderr: str) -> list[Mapping[str, Any]]:
    """Every line is one JSON document, but for the two that greet."""
    lines = [line for line in stderr.splitlines() if line.startswith("{")]
    events = [msgspec.json.decode(line) for line in lines]
    return [event for event in events if event["event"] == EVENT]


async def drive(at: str) -> int:
    """Prompts, keys, paths and headers with secrets in them, well-formed and not. How many calls that were."""
    bodies: list[bytes] = []
    for secret in SECRETS:
        bodies += [
            msgspec.json.encode(message(secret, system=secret)),
            msgspec.json.encode(message(secret, stream=True, metadata={"user_id": secret})),
            msgspec.json.encode(message(secret) | {"model": secret if secret != SECRETS[0] else "claude-2"}),
            msgspec.json.encode(message(secret) | {"max_tokens": secret}),
            b'{"messages": "' + secret.encode(),
        ]
    async with client() as session:
        for at_body, body in enumerate(bodies):
            headers = HEADERS | TRACED | {"x-api-key": SECRETS[0], "thriftgate-task": "tickets"}
            if at_body % 5 == 4:
                headers["authorization"] = f"Bearer {SECRETS[0]}"
            async with session.post(f"{at}/v1/messages", data=body, headers=headers) as response:
                await response.read()
        for path in (f"/v1/models/{SECRETS[1]}", f"/v1/{SECRETS[1]}", "/v1/messages/batches"):
            async with session.get(at + path, headers=HEADERS | {"x-api-key": SECRETS[0]}) as response:
                await response.read()
    return len(bodies)


async def test_hostile_calls_leave_no_text_anywhere(tmp_path: Path) -> None:
    """A gateway with all of it switched on, as a process; then everything that it wrote is searched."""
    path = tmp_path / "books.db"
    environ = {"THRIFTGATE_TELEMETRY__ON": "true", "THRIFTGATE_TELEMETRY__LOG_CALLS": "true"}
    with receiving() as receiver, serving(simulator()) as url:
        environ["THRIFTGATE_TELEMETRY__ENDPOINT"] = receiver.url
        with running("serve", "--port", "0", "--upstream", url, "--ledger", str(path), environ=environ) as gateway:
            sent = await drive(gateway.url)
            async with client() as session, session.get(f"{gateway.url}/thriftgate/metrics") as response:
                page = await response.read()
            gateway.stop()
        told = gateway.stderr
    everything = [told.encode(), page, *receiver.bodies]
    assert b"unreadable" in page, "a prompt in the place of a model"
    for secret in SECRETS:
        assert all(secret.encode() not in text for text in everything), secret
        escaped = msgspec.json.encode(secret)[1:-1]
        assert all(escaped not in text for text in everything), secret
    for file in tmp_path.iterdir():
        assert SECRETS[0].encode() not in file.read_bytes(), file
    calls = calls_in(told)
    assert len(calls) == sent
    ledger = SqlLedger.open(path)
    try:
        entries = {entry.id: entry for entry in await ledger.entries()}
    finally:
        await ledger.close()
    assert {one["call"] for one in calls} == set(entries)
    for one in calls:
        entry = entries[one["call"]]
        assert one["trace"] == TRACE
        assert (one["key"], one["outcome"]) == (entry.key, entry.outcome)
        assert one["cost_usd"] == usd_from_pico(-entry.posted(UPSTREAM))
        assert one["saved_usd"] == usd_from_pico(entry.posted(BASELINE) + entry.posted(UPSTREAM))
        assert one["tokens_in"] == entry.usage.total.prompt
        assert one["latency_ms"] == entry.latency_ms
    assert {one["outcome"] for one in calls} >= {"answered", "refused"}


async def test_no_line_unless_it_was_asked_for(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with serving(simulator()) as url, running("serve", "--port", "0", "--upstream", url, "--ledger", ":memory:") as gateway:
        async with client() as session:
            body = msgspec.json.encode(message())
            async with session.post(f"{gateway.url}/v1/messages", data=body, headers=HEADERS) as response:
                assert response.status == 200
        gateway.stop()
    assert calls_in(gateway.stderr) == []
