"""From files to both sides."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.audit.reconcile.scenes import month, provider
from tests.audit.reconcile.served import cost_pages, usage_pages
from thriftgate.audit.reconcile.reading import COST_REPORTS, USAGE_REPORTS, our_records, report_records
from thriftgate.core.errors import InputError

LINE = {
    "type": "assistant", "uuid": "u", "sessionId": "s", "requestId": "req_1", "timestamp": "2026-11-02T10:00:00.000Z",
    "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5-5", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "done"}],
        "usage": {
            "input_tokens": 7, "output_tokens": 9, "cache_read_input_tokens": 3, "inference_geo": "us",
            "iterations": [{"type": "message", "input_tokens": 7, "output_tokens": 9, "cache_read_input_tokens": 3}],
        },
    },
}  # fmt: skip


def test_copies_of_a_call_are_one(tmp_path: Path) -> None:
    log = tmp_path / "session.jsonl"
    log.write_bytes(msgspec.json.encode(LINE) + b"\n" + msgspec.json.encode(LINE | {"uuid": "v"}) + b"\n")
    (record,) = our_records([str(log)], tmp_path)
    assert (record.call_id, record.input, record.read, record.output, record.geo) == ("msg_1", 7, 3, 9, "us")
    assert [one.tokens.output for one in record.iterations] == [9]
    assert record.bill_pico is None


def test_a_log_without_calls_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="no calls found"):
        list(our_records([str(tmp_path / "notes.txt")], tmp_path))


def test_reports_are_read_whole(tmp_path: Path) -> None:
    made = provider(month())
    cost, usage = tmp_path / "cost.json", tmp_path / "usage.json"
    cost.write_bytes(msgspec.json.encode(cost_pages(made, 10)))
    usage.write_bytes(msgspec.json.encode(usage_pages(made, 10)))
    notes: list[str] = []
    read = list(report_records([str(cost)], COST_REPORTS, notes))
    assert sum(one.bill_pico or 0 for one in read) == sum(made.charges.values())
    counts = list(report_records([str(usage)], USAGE_REPORTS, notes))
    assert sum(one.output for one in counts) == sum(count for key, count in made.tokens.items() if key[5] == "output")
    assert notes == []


def test_a_console_export(tmp_path: Path) -> None:
    file = tmp_path / "cost.csv"
    file.write_text(
        "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,cost_type\n"
        "2026-11-02,Claude Opus 5.5,Default,k,standard,≤ 200k,output,1.23,token\n"
    )
    (record,) = report_records([str(file)], COST_REPORTS, [])
    assert (record.bill_pico, record.token_type) == (123 * 10**10, "output")


def test_rows_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    file = tmp_path / "cost.json"
    pages = cost_pages(provider(month()))
    pages[0]["data"][0]["results"][0]["amount"] = "much"
    file.write_bytes(msgspec.json.encode(pages))
    notes: list[str] = []
    assert list(report_records([str(file)], COST_REPORTS, notes))
    assert [note.rpartition("(")[0].strip() for note in notes] == [f"{file}: 1 rows left out"]


def test_another_file_is_no_report(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(msgspec.json.encode(LINE))
    with pytest.raises(InputError, match=r"is no Admin API cost report \(JSON\) or Console cost export"):
        list(report_records([str(file)], COST_REPORTS, []))
    file.write_bytes(b"\x1f\x8bbroken")
    with pytest.raises(InputError, match="cannot be read to its end"):
        list(report_records([str(file)], COST_REPORTS, []))
