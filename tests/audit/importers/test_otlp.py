"""Spans and events come out the same, however they were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.audit.importers.reading import head_of
from thriftgate.audit.importers.otlp import (
    Event,
    InputReading,
    Span,
    claim,
    count,
    events,
    first,
    holds_events,
    holds_spans,
    spans,
    text,
)
from thriftgate.audit.importers.tally import Tally
from thriftgate.audit.sources import Source
from thriftgate.core.errors import InputError

NOON_US = 1_793_534_400_000_000
PAIRS = [
    {"key": "text", "value": {"stringValue": "a"}},
    {"key": "whole", "value": {"intValue": "7"}},
    {"key": "real", "value": {"doubleValue": 0.5}},
    {"key": "truth", "value": {"boolValue": False}},
    {"key": "many", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {"stringValue": "y"}]}}},
    {"key": "other", "value": {"bytesValue": "AA=="}},
    {"key": "none"},
]
PLAIN = {"text": "a", "whole": "7", "real": 0.5, "truth": False, "many": ["x", "y"], "other": None}
OTLP_SPAN = {
    "traceId": "t",
    "spanId": "s",
    "name": "call",
    "startTimeUnixNano": "1793534400000000000",
    "endTimeUnixNano": 1793534401500000000,
    "attributes": PAIRS,
    "status": {"code": 2},
}


def source_of(folder: Path, *values: Any) -> Source:
    file = folder / "log.jsonl"
    file.write_bytes(b"".join((one if isinstance(one, bytes) else msgspec.json.encode(one)) + b"\n" for one in values))
    return Source(file)


def spans_of(folder: Path, *values: Any) -> tuple[list[Span], list[tuple[str, int]]]:
    source = source_of(folder, *values)
    tally = Tally(source)
    found = list(spans(source, tally))
    return found, [(issue.reason, issue.count) for issue in tally.issues()]


def events_of(folder: Path, *values: Any) -> tuple[list[Event], list[tuple[str, int]]]:
    source = source_of(folder, *values)
    tally = Tally(source)
    found = list(events(source, tally))
    return found, [(issue.reason, issue.count) for issue in tally.issues()]


@pytest.mark.parametrize("key", ["resourceSpans", "batches"])
def test_an_export_request(tmp_path: Path, key: str) -> None:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "bot"}}]}
    export = {key: [{"resource": resource, "scopeSpans": [{"scope": {"name": "lib"}, "spans": [OTLP_SPAN, OTLP_SPAN]}]}]}
    found, issues = spans_of(tmp_path, export)
    assert issues == []
    assert found == [Span(1, "call", "t", NOON_US, NOON_US + 1_500_000, PLAIN, "lib", "bot", failed=True)] * 2


def test_spans_one_a_line(tmp_path: Path) -> None:
    flat = {
        "name": "call",
        "context": {"trace_id": "t", "span_id": "s"},
        "start_time": "2026-11-01T12:00:00Z",
        "end_time": "2026-11-01T13:00:01.5+01:00",
        "status_code": "ERROR",
        "attributes": {"llm": {"model_name": "m", "token_count": {"prompt": 3}}, "a.b": [1]},
        "scope": {"name": "lib"},
        "resource": {"attributes": {"service.name": "bot"}},
    }
    found, issues = spans_of(tmp_path, flat, OTLP_SPAN)
    attributes = {"llm.model_name": "m", "llm.token_count.prompt": 3, "a.b": [1]}
    assert found[0] == Span(1, "call", "t", NOON_US, NOON_US + 1_500_000, attributes, "lib", "bot", failed=True)
    assert found[1] == Span(2, "call", "t", NOON_US, NOON_US + 1_500_000, PLAIN, "", "", failed=True)
    assert issues == []


def test_a_span_without_times_has_none(tmp_path: Path) -> None:
    found, _ = spans_of(tmp_path, {"name": "call", "startTimeUnixNano": "0", "attributes": {}})
    assert (found[0].start_us, found[0].end_us, found[0].failed) == (0, 0, False)


def test_contents_are_not_decoded(tmp_path: Path) -> None:
    found, _ = spans_of(tmp_path, {"traceId": "t", "attributes": {"prompt": "x" * 70_000, "tokens": 3}})
    assert found[0].attributes == {"tokens": 3}


def test_broken_values_are_counted_and_reading_goes_on(tmp_path: Path) -> None:
    found, issues = spans_of(
        tmp_path,
        {"name": "other"},
        {"name": "call", "attributes": {}, "start_time": "soon"},
        {"name": 7, "attributes": {}},
        b'{"name": "caf\xff", "attributes": {}}',
        b"[" * 20_000,
        {"name": "call", "attributes": {"a": 1}},
    )
    assert [span.attributes for span in found] == [{"a": 1}]
    assert issues == [("not_a_call", 1), ("malformed", 1), ("malformed", 3)]


def test_events_however_written(tmp_path: Path) -> None:
    record = {
        "timeUnixNano": "1793534400000000000",
        "body": {"stringValue": "tool.call"},
        "attributes": [{"key": "a", "value": {"intValue": 1}}],
    }
    found, issues = events_of(
        tmp_path,
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [record, record | {"eventName": "named"}]}]}]},
        {"timestamp": "2026-11-01T12:00:00Z", "body": "tool.call", "attributes": {"a": 1}},
        {"timestamp": 1793534400000000, "body": {"any": 1}, "attributes": {"a": 1, "event.name": "told"}},
        {"observedTimeUnixNano": "1793534400000000000", "attributes": {"a": 1}},
        {"resourceMetrics": []},
        {"timestamp": {}, "attributes": {}},
        {"timestamp": "soon", "attributes": {}},
    )
    assert [event.name for event in found] == ["tool.call", "named", "tool.call", "told", ""]
    assert {event.at_us for event in found} == {NOON_US}
    assert all(event.attributes["a"] == 1 for event in found)
    assert issues == [("not_a_call", 1), ("malformed", 1), ("malformed", 1)]


def test_the_events_own_time_stands_in_for_one_that_is_not_told(tmp_path: Path) -> None:
    told = {"timeUnixNano": "0", "attributes": {"event.timestamp": "2026-11-01T12:00:00Z"}, "observedTimeUnixNano": "5"}
    found, _ = events_of(tmp_path, told)
    assert found[0].at_us == NOON_US


def test_what_a_file_may_hold() -> None:
    assert holds_spans(head_of({"resourceSpans": []}))
    assert holds_spans(head_of({"traceId": "t", "attributes": []}))
    assert not holds_spans(head_of({"traceId": "t", "type": "GENERATION"}))
    assert not holds_spans(head_of({"traceId": "t", "body": "x", "attributes": {}}))
    assert not holds_spans(head_of({"resourceLogs": []}))
    assert holds_events(head_of({"resourceLogs": []}))
    assert holds_events(head_of({"resourceMetrics": []}))
    assert holds_events(head_of({"body": "x", "attributes": {}}))
    assert not holds_events(head_of({"resourceSpans": []}))
    assert not holds_events(head_of({"body": "x"}))


def test_attributes_by_several_names() -> None:
    told = {"a": "", "b": ["x", "y"], "c": 3, "d": "4", "e": "many", "f": 0}
    assert text(told, "missing", "a", "b") == "x"
    assert text(told, "c") == ""
    assert first(told, "missing", "f", "c") == 0
    assert first(told, "missing") is None
    assert [count(told, name) for name in ("c", "d", "f", "missing")] == [3, 4, 0, 0]
    with pytest.raises(InputError, match="e is no count"):
        count(told, "e")


@pytest.mark.parametrize(
    ("value", "pico"),
    [(0.0313903, 31_390_300_000), ("0.002", 2_000_000_000), (0, 0), (None, None), (True, None), ("dear", None), ([1], None)],
)
def test_claims(value: object, pico: int | None) -> None:
    assert claim(value) == pico


def test_an_input_smaller_than_its_cached_part_gives_the_instrumentation_away() -> None:
    reading = InputReading()
    assert reading.fresh("one", 1000, 900) == 100
    assert reading.fresh("other", 3, 900) == 3
    assert reading.fresh("other", 1000, 900) == 1000
    assert reading.fresh("one", 1000, 1000) == 0
