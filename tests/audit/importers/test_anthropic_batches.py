"""Results of batches: joined with their requests and their batch, whatever else lies in the folder."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tests.audit.importers.reading import claims, lines, one, read
from thriftgate.audit.importers.anthropic_batches import AnthropicBatches
from thriftgate.audit.records import Record
from thriftgate.audit.sources import Source

BATCHES = AnthropicBatches()
NINE = 1_793_610_000_000_000  # 2026-11-02T09:00:00Z


def result(identity: str) -> dict[str, object]:
    usage = {"input_tokens": 3, "output_tokens": 4}
    message = {"id": f"msg_{identity}", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "usage": usage}
    return {"custom_id": identity, "result": {"type": "succeeded", "message": message}}


def request(identity: str, tokens: int = 9) -> dict[str, object]:
    return {"custom_id": identity, "params": {"model": "claude-haiku-4-5", "max_tokens": tokens, "messages": []}}


def batch(identity: str, created: str, ended: str | None = None) -> dict[str, object]:
    state: dict[str, object] = {"id": identity, "type": "message_batch", "processing_status": "ended", "request_counts": {}}
    return state | {"created_at": created, "ended_at": ended}


def put(path: Path, *values: object) -> None:
    path.write_text(lines(*values))


def records_of(path: Path) -> list[Record]:
    return [found for found in BATCHES.read(Source(path)) if isinstance(found, Record)]


def test_without_a_batch_the_date_of_the_file_is_the_end(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    put(path, result("a"))
    os.utime(path, ns=(NINE * 1000, NINE * 1000))
    (found,) = records_of(path)
    assert (found.at_us, found.ended_us, found.at_is_end, found.estimated) == (NINE, NINE, True, False)
    assert (found.mode, found.call_id, found.session, found.body) == ("batch", "msg_a", "", b"")


def test_the_batch_beside_tells_the_times(tmp_path: Path) -> None:
    put(tmp_path / "batch.json", batch("msgbatch_1", "2026-11-02T09:00:00Z", "2026-11-02T09:00:05Z"))
    found = one(BATCHES, tmp_path / "results.jsonl", lines(result("a")))
    assert (found.at_us, found.ended_us, found.at_is_end) == (NINE, NINE + 5_000_000, False)


def test_of_several_batches_the_named_one_tells_the_times(tmp_path: Path) -> None:
    page = {
        "data": [batch("msgbatch_2", "2026-11-05T09:00:00Z"), batch("msgbatch_1", "2026-11-02T09:00:00Z")],
        "has_more": False,
    }
    put(tmp_path / "list.json", page)
    assert claims(lines(page)) == ["anthropic-batches"]
    assert one(BATCHES, tmp_path / "msgbatch_1_results.jsonl", lines(result("a"))).at_us == NINE
    unnamed = tmp_path / "results.jsonl"
    put(unnamed, result("a"))
    os.utime(unnamed, ns=(7_000_000_000_000_000_000, NINE * 1000 + 3_000_000_000))
    assert [found.at_us for found in records_of(unnamed)] == [NINE + 3_000_000]


def test_own_times_of_a_result_go_first(tmp_path: Path) -> None:
    put(tmp_path / "batch.json", batch("msgbatch_1", "2026-11-05T09:00:00Z"))
    found = one(BATCHES, tmp_path / "results.jsonl", lines(result("a") | {"created_at": "2026-11-02T09:00:00Z"}))
    assert found.at_us == NINE


def test_requests_beside_give_the_bodies_in_any_order(tmp_path: Path) -> None:
    put(tmp_path / "input.jsonl", request("a", 1), request("b", 2), request("never-ran", 3), "{")
    records, _ = read(BATCHES, tmp_path / "results.jsonl", lines(result("b"), result("a"), result("unknown")))
    assert [record.max_tokens for record in records] == [2, 1, 0]
    assert records[0].body == b'{"model":"claude-haiku-4-5","max_tokens":2,"messages":[]}'


@pytest.mark.parametrize("name", ["requests_south.jsonl", "requests_north.jsonl"])
def test_the_same_ids_in_two_batches_are_told_apart_by_name(tmp_path: Path, name: str) -> None:
    put(tmp_path / "requests_north.jsonl", request("a", 1))
    put(tmp_path / "requests_south.jsonl", request("a", 2))
    found = one(BATCHES, tmp_path / name.replace("requests", "results"), lines(result("a")))
    assert found.max_tokens == (1 if "north" in name else 2)


def test_a_file_that_holds_all_is_better_than_a_similar_name(tmp_path: Path) -> None:
    put(tmp_path / "result.jsonl", request("a", 1))
    put(tmp_path / "todo.jsonl", request("a", 2), request("b", 3))
    records, _ = read(BATCHES, tmp_path / "results.jsonl", lines(result("a"), result("b")))
    assert [record.max_tokens for record in records] == [2, 3]


def test_requests_in_parts_are_put_together(tmp_path: Path) -> None:
    put(tmp_path / "part1.jsonl", request("a", 1))
    (tmp_path / "part2.jsonl.gz").write_bytes(gzip.compress(lines(request("b", 2)).encode()))
    records, _ = read(BATCHES, tmp_path / "results.jsonl", lines(result("a"), result("b")))
    assert [record.max_tokens for record in records] == [1, 2]


def test_broken_files_beside_are_no_obstacle(tmp_path: Path) -> None:
    packed = gzip.compress(os.urandom(200_000))
    (tmp_path / "broken.gz").write_bytes(packed[:1000])
    (tmp_path / "cut.jsonl.gz").write_bytes(
        gzip.compress(lines(*(request(f"x{n}") for n in range(30_000))).encode())[:20_000]
    )
    (tmp_path / "empty").write_bytes(b"")
    put(tmp_path / "requests.jsonl", request("a", 5))
    assert one(BATCHES, tmp_path / "results.jsonl", lines(result("a"))).max_tokens == 5


def test_what_is_not_billed(tmp_path: Path) -> None:
    kinds = [{"custom_id": kind, "result": {"type": kind}} for kind in ("errored", "canceled", "expired", "lost")]
    records, issues = read(BATCHES, tmp_path / "results.jsonl", lines(*kinds, {"custom_id": "b"}, '{"custom_id":'))
    assert not records
    assert issues == {"not_billed": 3, "malformed": 2, "not_a_call": 1}


def test_requests_alone_are_no_calls(tmp_path: Path) -> None:
    put(tmp_path / "results.jsonl", result("a"))
    assert read(BATCHES, tmp_path / "in.jsonl", lines(request("a"), request("b"))) == ([], {"not_a_call": 2})
    posted = lines({"requests": [request("a"), request("b"), request("c")]})
    assert read(BATCHES, tmp_path / "posted.json", posted) == ([], {"not_a_call": 3})
    assert claims(posted) == claims(lines(request("a"))) == claims(lines(result("a"))) == ["anthropic-batches"]


def test_batches_of_others_are_not_taken() -> None:
    theirs = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-9"}}
    assert not claims(lines(theirs))
    assert not claims(lines({"id": "b", "custom_id": "a", "response": {"status_code": 200, "body": {}}, "error": None}))
