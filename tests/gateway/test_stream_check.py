"""The stream that clients try their way with."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.fixtures import TestClock, engine_on, settings_of
from tests.scripted import Provider
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.stream_check import EVENTS, PAUSE_S


async def test_events_come_one_by_one_and_name_headers_without_what_they_hold() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    headers = [(b"x-api-key", b"sk-ant-never-tell-this"), (b"anthropic-version", b"2023-06-01"), (b"cookie", b"a=b")]
    scope = {"type": "http", "method": "GET", "path": "/thriftgate/stream-check", "query_string": b"", "headers": headers}
    async with engine_on(Provider()) as engine:
        await Gateway(settings_of(), engine)(scope, receive, send)
        assert isinstance(engine.clock, TestClock)
        assert engine.clock.slept == [PAUSE_S] * (EVENTS - 1)
    start, *pieces, end = sent
    assert (start["status"], dict(start["headers"])[b"thriftgate-check"]) == (200, b"1")
    assert dict(start["headers"])[b"content-type"].startswith(b"text/event-stream")
    events = [msgspec.json.decode(piece["body"].partition(b"data: ")[2]) for piece in pieces]
    assert [event["number"] for event in events] == list(range(EVENTS))
    assert events[0]["arrived"] == ["x-api-key", "anthropic-version"]
    assert all(piece["more_body"] for piece in pieces)
    assert not end.get("more_body")
    assert b"never-tell-this" not in b"".join(piece["body"] for piece in pieces)
