"""From an entry to spans, without the SDK: times that fit into each other, errors by their kind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.entries import OPENED_US, entry_of
from thriftgate.core.misses import Miss
from thriftgate.core.usage import Tokens, Usage
from thriftgate.engine.tracing import Held
from thriftgate.providers.trace_context import Place
from thriftgate.telemetry.spans import call_span, error_type, request_span, stage_spans
from thriftgate.telemetry.told import ToldCall, ToldRequest

HERE = Place(1, 2, True)
AT = ("api.anthropic.com", 443)
MS = 1_000


def told(held: Held | None = None, **members: Any) -> ToldCall:
    return ToldCall(entry_of(**members), HERE, 3, OPENED_US + 2_000 * MS, held)


def test_stages_follow_each_other() -> None:
    held = Held(7, OPENED_US + 10 * MS, 5 * MS)
    stages = list(stage_spans(told(held, latency_ms=1_000)))
    assert [(one.name, one.began_us - OPENED_US, one.ended_us - OPENED_US) for one in stages] == [
        ("plan", 0, 10 * MS),
        ("hold", 10 * MS, 15 * MS),
        ("upstream", 15 * MS, 1_010 * MS),
        ("settle", 1_010 * MS, 2_000 * MS),
    ]
    assert [one.span_id for one in stages] == [0, 0, 7, 0], "the provider was told of one of them"


@pytest.mark.parametrize("latency_ms", [0, 10**9])
def test_no_stage_ends_before_it_begins(latency_ms: int) -> None:
    for one in stage_spans(told(Held(7, OPENED_US - 5, 20), latency_ms=latency_ms)):
        assert one.began_us <= one.ended_us


def test_what_was_never_sent_has_no_stages() -> None:
    assert list(stage_spans(told(outcome="refused"))) == []


def test_what_is_not_known_is_not_told() -> None:
    bare = call_span(told(usage_source="none", usage=Usage(), postings=(), decisions=(), served_model=""), AT)
    assert "gen_ai.usage.input_tokens" not in bare.attributes
    assert "gen_ai.response.model" not in bare.attributes
    assert "thriftgate.levers" not in bare.attributes
    assert "" not in bare.attributes.values()


def test_what_has_no_name_in_the_conventions_is_ours() -> None:
    usage = Usage(Tokens(input=1, write_5m=2, write_1h=4, read=8, output=16, thinking=6))
    found = call_span(
        told(usage=usage, miss=Miss("expired", 9, 8, ""), asked_model="claude-x", parent="tg_0"), AT
    ).attributes
    assert found["gen_ai.usage.input_tokens"] == 15
    assert found["gen_ai.usage.cache_creation.input_tokens"] == 6
    assert found["gen_ai.usage.reasoning.output_tokens"] == 6
    assert found["thriftgate.usage.cache_creation_1h.input_tokens"] == 4
    assert (found["thriftgate.cache_miss.cause"], found["thriftgate.cache_miss.tokens"]) == ("expired", 9)
    assert (found["thriftgate.asked_model"], found["thriftgate.call.parent"]) == ("claude-x", "tg_0")
    assert found["thriftgate.levers"] == ("cache.breakpoints",)
    assert (found["server.address"], found["server.port"]) == AT


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        ("answered", 200, ""),
        ("left", 200, ""),
        ("failed", 529, "529"),
        ("failed", 0, "failed"),
        ("timeout", 0, "timeout"),
        ("refused", 402, "refused"),
    ],
)
def test_error_type(outcome: str, status: int, error: str) -> None:
    assert error_type(entry_of(outcome=outcome, status=status)) == error


@pytest.mark.parametrize(("status", "error"), [(200, ""), (429, ""), (502, "502"), (0, "no_answer")])
def test_requests(status: int, error: str) -> None:
    one = request_span(ToldRequest(HERE, 0, "POST", "/v1/messages", status, 1, 2))
    assert (one.name, one.kind, one.error) == ("POST /v1/messages", "SERVER", error)
    assert ("http.response.status_code" in one.attributes) is bool(status)
