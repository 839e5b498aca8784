"""Spans and metrics as a receiver reads them: the trees, the attributes, and money that equals the books."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.fixtures import HEADERS, KEY, MODEL, books, client, message, serving, settings_of, simulator
from tests.scripted import MESSAGE, answering, upstream
from tests.telemetry.receiver import Receiver, attributes, receiving
from thriftgate.core.errors import ConfigError
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.entries import BASELINE, UPSTREAM
from thriftgate.settings import Settings

SECRET = "the combination is 4711"
LONG = {"type": "text", "text": SECRET + " and more words" * 2_000}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = {**HEADERS, "traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=opaque"}


def telling(receiver: Receiver, url: str, path: Path | str = ":memory:", **members: Any) -> Settings:
    table = {"on": True, "endpoint": receiver.url, "headers": {"x-team-key": "hidden"}, "interval_s": 1} | members
    return settings_of(upstream={"url": url}, ledger={"path": str(path)}, telemetry=table)


async def post(at: str, body: dict[str, Any], headers: dict[str, str]) -> bytes:
    async with (
        client() as session,
        session.post(f"{at}/v1/messages", data=msgspec.json.encode(body), headers=headers) as got,
    ):
        return await got.read()


async def test_the_tree_of_a_call_and_its_money(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with receiving() as receiver, serving(simulator()) as url, serving(Gateway(telling(receiver, url, path))) as at:
        for stream in (False, True, True):
            await post(at, message(system=[LONG], stream=stream), TRACED | {"thriftgate-task": "tickets"})
    async with books(path) as ledger:
        entries = await ledger.entries()
    roots = receiver.named("POST /v1/messages")
    assert len(roots) == len(entries) == 3
    assert {attributes(root)["http.response.status_code"] for root in roots} == {200}
    for root in roots:
        assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
        assert root.kind == Span.SPAN_KIND_SERVER
        (call,) = receiver.below(root)
        assert (call.name, call.kind) == (f"chat {MODEL}", Span.SPAN_KIND_CLIENT)
        stages = receiver.below(call)
        assert [one.name for one in stages] == ["plan", "hold", "upstream", "settle"]
        assert stages[0].start_time_unix_nano == call.start_time_unix_nano
        assert [one.end_time_unix_nano for one in stages[:-1]] == [one.start_time_unix_nano for one in stages[1:]]
        assert stages[-1].end_time_unix_nano == call.end_time_unix_nano <= root.end_time_unix_nano
    by_id = {attributes(span)["thriftgate.call.id"]: attributes(span) for span in receiver.named(f"chat {MODEL}")}
    for entry in entries:
        told, total = by_id[entry.id], entry.usage.total
        assert told["thriftgate.cost_pico_usd"] == -entry.posted(UPSTREAM) > 0
        assert told["thriftgate.baseline_pico_usd"] == entry.posted(BASELINE)
        assert told["thriftgate.saved_pico_usd"] == entry.posted(BASELINE) + entry.posted(UPSTREAM)
        assert told["thriftgate.cost_usd"] == pytest.approx(told["thriftgate.cost_pico_usd"] / 1e12)
        by_lever = {name: pico for name, pico in told.items() if name.startswith("thriftgate.saved_pico_usd.")}
        assert sum(by_lever.values()) == told["thriftgate.saved_pico_usd"] != 0
        assert (told["gen_ai.operation.name"], told["gen_ai.provider.name"]) == ("chat", "anthropic")
        assert (told["gen_ai.request.model"], told["gen_ai.response.model"]) == (entry.model, entry.served_model)
        assert told["gen_ai.usage.input_tokens"] == total.prompt, "with the cached part, as the conventions count"
        assert told["gen_ai.usage.output_tokens"] == total.output
        assert told["gen_ai.usage.cache_read.input_tokens"] == total.read
        assert told["gen_ai.usage.cache_creation.input_tokens"] == total.write_5m + total.write_1h
        assert told["gen_ai.response.id"] == entry.message_id
        assert told["gen_ai.response.finish_reasons"] == (entry.stop_reason,)
        assert told["thriftgate.task"] == entry.task == "tickets"
        assert ("gen_ai.response.time_to_first_chunk" in told) is entry.stream
    assert sum(attributes(one)["gen_ai.usage.cache_read.input_tokens"] for one in receiver.named(f"chat {MODEL}")) > 0
    assert {one["service.name"] for one in receiver.resources} == {"thriftgate"}
    assert {one["x-team-key"] for one in receiver.headers} == {"hidden"}
    for private in (SECRET, KEY, "hidden"):
        assert all(private.encode() not in body for body in receiver.bodies)


async def test_metrics_equal_the_books(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with receiving() as receiver, serving(simulator()) as url, serving(Gateway(telling(receiver, url, path))) as at:
        for _ in range(3):
            await post(at, message(system=[LONG], stream=True), HEADERS)
    async with books(path) as ledger:
        entries = await ledger.entries()
        report = await ledger.report()
    (duration,) = receiver.newest("gen_ai.client.operation.duration").histogram.data_points
    assert (duration.count, duration.explicit_bounds[0]) == (3, 0.01)
    assert attributes(duration)["gen_ai.request.model"] == MODEL
    (first,) = receiver.newest("gen_ai.client.operation.time_to_first_chunk").histogram.data_points
    assert first.count == 3
    tokens = receiver.newest("gen_ai.client.token.usage").histogram.data_points
    by_type = {attributes(point)["gen_ai.token.type"]: point.sum for point in tokens}
    assert by_type == {
        "input": sum(one.usage.total.prompt for one in entries),
        "output": sum(one.usage.total.output for one in entries),
    }
    (cost,) = receiver.newest("thriftgate.cost").sum.data_points
    assert cost.as_double == pytest.approx(report.paid_pico / 1e12, abs=1e-12)
    saved = receiver.newest("thriftgate.saved").sum.data_points
    by_lever = {attributes(point)["thriftgate.lever"]: point.as_double for point in saved}
    assert by_lever
    assert by_lever == pytest.approx({lever: pico / 1e12 for lever, pico in report.levers.items()}, abs=1e-12)


async def test_the_provider_is_told_where_it_stands() -> None:
    """Our span below the client's trace; the provider's own spans come below `upstream`."""
    with receiving() as receiver:
        async with upstream(answering(MESSAGE)) as provider:
            with serving(Gateway(telling(receiver, provider.url))) as at:
                await post(at, message(), TRACED)
                await post(at, message("again"), HEADERS | {"traceparent": "00-nonsense", "tracestate": "vendor=opaque"})
    first, second = (dict(one.headers) for one in provider.requests)
    upstreams = {one.span_id.hex(): one for one in receiver.named("upstream")}
    _, trace, span, flags = first["traceparent"].split("-")
    assert (trace, flags, first["tracestate"]) == (TRACE, "01", "vendor=opaque")
    assert upstreams[span].trace_id.hex() == TRACE
    _, trace, span, flags = second["traceparent"].split("-")
    assert trace not in (TRACE, "0" * 32)
    assert upstreams[span].trace_id.hex() == trace
    assert "tracestate" not in second, "of a trace that is not ours to go on with"


async def test_headers_pass_untouched_without_tracing() -> None:
    async with upstream(answering(MESSAGE)) as provider:
        for table in ({}, {"log_calls": True}):
            settings = settings_of(upstream={"url": provider.url}, telemetry=table)
            with serving(Gateway(settings)) as at:
                await post(at, message(), TRACED)
    for seen in provider.requests:
        told = [(name, value) for name, value in seen.headers if name in ("traceparent", "tracestate")]
        assert told == [(name, TRACED[name]) for name in ("traceparent", "tracestate")]


async def test_what_went_wrong_is_told_by_its_kind() -> None:
    failure = msgspec.json.encode({"type": "error", "error": {"type": "api_error", "message": SECRET}})
    with receiving() as receiver:
        async with upstream(answering(failure, status=500)) as provider:
            with serving(Gateway(telling(receiver, provider.url))) as at:
                await post(at, message(), HEADERS | {"x-stainless-retry-count": "0"})
                await post(at, message(), HEADERS | {"thriftgate-max-cost-usd": "0.000000001"})
                await post(at, message(SECRET) | {"messages": SECRET}, HEADERS)
    calls = [span for span in receiver.spans if span.name.startswith("chat")]
    errors = {attributes(one)["thriftgate.outcome"]: attributes(one)["error.type"] for one in calls}
    assert errors == {"failed": "500", "refused": "refused"}
    assert {one.status.code for one in calls} == {Status.STATUS_CODE_ERROR}
    refused = [one for one in calls if attributes(one)["thriftgate.outcome"] == "refused"]
    assert all(not receiver.below(one) for one in refused), "they were never sent"
    statuses = sorted(attributes(one)["http.response.status_code"] for one in receiver.named("POST /v1/messages"))
    assert statuses == [400, 400, 500]
    assert all(SECRET.encode() not in body for body in receiver.bodies)


async def test_a_share_of_traces_and_the_word_of_the_client() -> None:
    unrecorded = TRACED | {"traceparent": f"00-{secrets.token_hex(16)}-{PARENT}-00"}
    with receiving() as receiver, serving(simulator()) as url, serving(Gateway(telling(receiver, url, sample=0.0))) as at:
        for headers in (HEADERS, unrecorded, TRACED):
            await post(at, message(), headers)
    assert {span.trace_id.hex() for span in receiver.spans} == {TRACE}
    assert receiver.newest("thriftgate.calls").sum.data_points[0].as_int == 3, "metrics count them all"


async def test_a_dead_receiver_hurts_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    """Calls are answered as ever; what could not be delivered is counted, and told once, without its URL."""
    with receiving() as receiver:
        receiver.status = 400
        with serving(simulator()) as url, serving(Gateway(telling(receiver, url))) as at:
            answers = await asyncio.gather(*(post(at, message(), HEADERS) for _ in range(20)))
            assert all(b'"end_turn"' in answer for answer in answers)
            async with asyncio.timeout(10):
                while "telemetry is not delivered" not in (err := capfd.readouterr().err):
                    await asyncio.sleep(0.05)
            async with client() as session, session.get(f"{at}/thriftgate/metrics") as got:
                page = await got.text()
    lost = [line for line in page.splitlines() if line.startswith('thriftgate_telemetry_dropped_total{signal="calls"}')]
    assert float(lost[0].split()[-1]) > 0
    assert receiver.url not in err + capfd.readouterr().err


async def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "thriftgate.telemetry.otlp", None)
    gateway = Gateway(settings_of(telemetry={"on": True}))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await gateway({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.failed"]
    assert isinstance(gateway.failure, ConfigError)
    assert "thriftgate[otel]" in str(gateway.failure)
