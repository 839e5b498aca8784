"""The Admin API, asked over a socket."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.audit.reconcile.scenes import month, provider
from tests.audit.reconcile.served import ADMIN_KEY, AdminServer, cost_pages
from tests.fixtures import TestClock, serving
from tests.scripted import Script, answering, upstream
from thriftgate.audit.reconcile.pull import TRIES_MAX, AdminApi, Pulled, pull
from thriftgate.core.errors import BrokenReply, ConfigError, ThriftgateError, Unreachable, UpstreamError
from thriftgate.providers.http1_transport import Http1Transport

DAYS = ("2026-11-02", "2026-11-05")


async def pulled(url: str, key: str = ADMIN_KEY, clock: TestClock | None = None) -> Pulled:
    transport = Http1Transport()
    try:
        return await pull(AdminApi(url, key), *DAYS, transport, clock or TestClock())
    finally:
        await transport.close()


def test_all_pages_are_fetched() -> None:
    made = provider(month())
    server = AdminServer(made, rows_per_page=10)
    with serving(server) as url:
        found = asyncio.run(pulled(url))
    assert [msgspec.json.decode(line) for line in found.cost.splitlines()] == cost_pages(made, 10)
    assert len(found.usage.splitlines()) == len(server.pages["/v1/organizations/usage_report/messages"]) > 1
    path, query, headers = server.asked[0]
    assert path == "/v1/organizations/cost_report"
    assert query == {
        "starting_at": ["2026-11-02T00:00:00Z"],
        "ending_at": ["2026-11-05T00:00:00Z"],
        "bucket_width": ["1d"],
        "group_by[]": ["workspace_id", "description"],
        "limit": ["31"],
    }
    assert headers["anthropic-version"] == "2023-06-01"
    assert server.asked[1][1]["page"] == ["page_10"]
    path, query, _ = server.asked[-1]
    assert path == "/v1/organizations/usage_report/messages"
    assert set(query["group_by[]"]) >= {"model", "workspace_id", "service_tier", "inference_geo", "speed"}


def test_it_waits_as_told_and_not_for_ever() -> None:
    clock = TestClock()
    with serving(AdminServer(provider(month()), busy=3, retry_after="7")) as url:
        asyncio.run(pulled(url, clock=clock))
    assert clock.slept == [7.0, 7.0, 7.0]
    clock = TestClock()
    server = AdminServer(provider(month()), busy=99, retry_after="86400")
    with serving(server) as url, pytest.raises(UpstreamError, match=f"answered 429 {TRIES_MAX} times: slow down"):
        asyncio.run(pulled(url, clock=clock))
    assert clock.slept == [60.0] * (TRIES_MAX - 1)
    assert len(server.asked) == TRIES_MAX


def test_a_wrong_key_is_said_and_not_shown() -> None:
    with serving(AdminServer(provider(month()))) as url, pytest.raises(ConfigError) as raised:
        asyncio.run(pulled(url, key="sk-ant-admin01-wrong"))
    assert "answered 401: invalid x-api-key; check THRIFTGATE_ADMIN_KEY" in str(raised.value)
    assert "sk-ant-admin01-wrong" not in str(raised.value)
    assert "sk-ant" not in repr(AdminApi("https://api.anthropic.com", ADMIN_KEY))


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        (answering(b"<html>"), BrokenReply, "no page of a report"),
        (answering(b'{"data": [], "has_more": true}'), BrokenReply, "does not say where"),
        (answering(b'{"data": [], "has_more": true, "next_page": "same"}'), BrokenReply, "does not say where"),
        (answering(b"no such thing", status=404), UpstreamError, "answered 404: no such thing"),
        (
            answering(f'{{"error": {{"message": "bad key {ADMIN_KEY}"}}}}'.encode(), status=403),
            ConfigError,
            "403: bad key …;",
        ),
    ],
)
async def test_useless_answers(script: Script, error: type[ThriftgateError], words: str) -> None:
    async with upstream(script) as server:
        with pytest.raises(error, match=words):
            await pulled(server.url)


async def test_a_broken_server_is_asked_again_a_little_later_each_time() -> None:
    clock = TestClock()
    async with upstream(answering(b"oops", status=503)) as server:
        with pytest.raises(UpstreamError, match="answered 503 6 times"):
            await pulled(server.url, clock=clock)
    assert clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [
        ("https://api.anthropic.com", "", "set THRIFTGATE_ADMIN_KEY"),
        ("http://api.anthropic.com", ADMIN_KEY, "over https only"),
        ("api.anthropic.com", ADMIN_KEY, "write it like https"),
        ("http://127.0.0.1:9", f"{ADMIN_KEY}\nx: y", "line break"),
    ],
)
async def test_what_is_not_sent(url: str, key: str, words: str) -> None:
    with pytest.raises((ConfigError, Unreachable), match=words):
        await pulled(url, key)
