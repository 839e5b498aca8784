"""The generated month: the same for the same seed, of the shape of real logs, and its truth adds up by plain loops."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from benchmarks.audit.month import TRUTH, Truth, generate, read_truth

CALLS = 6_000
LIST_PRICES = {  # dollars a million tokens: in, written for 5 minutes, read, out
    "claude-opus-4-8": ("5", "6.25", "0.5", "25"),
    "claude-sonnet-5": ("2", "2.5", "0.2", "10"),
    "claude-opus-5-5": ("4", "5", "0.2", "20"),
    "claude-sonnet-5-5": ("2", "2.5", "0.1", "10"),
    "claude-haiku-4-5-20251001": ("1", "1.25", "0.1", "5"),
    "claude-haiku-5-5": ("0.1", "0.125", "0.01", "0.5"),
}


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("month")
    return folder, generate(folder, CALLS, seed=7)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def logs(folder: Path) -> dict[Path, list[dict[str, Any]]]:
    return {path: lines_of(path) for path in sorted((folder / "projects").rglob("*.jsonl"))}


def is_answer(line: dict[str, Any]) -> bool:
    return line["type"] == "assistant" and not line.get("isApiErrorMessage")


def price(model: str, day: str, usage: dict[str, Any]) -> Decimal:
    rates = [Decimal(rate) for rate in LIST_PRICES[model]]
    if model == "claude-sonnet-5-5" and day < "2026-10-07":
        rates[2] = Decimal("0.2")
    buckets = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    if model == "claude-haiku-5-5" and sum(usage[name] for name in buckets) > 100_000:
        rates = [rate * 5 for rate in rates]
    return sum((usage[name] * rate for name, rate in zip((*buckets, "output_tokens"), rates, strict=True)), Decimal(0))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_seed_makes_the_same_bytes_and_another_others(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate(tmp_path / name, 500, seed)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a") != content(tmp_path / "c")


def test_the_truth_is_what_plain_loops_find(month: tuple[Path, Truth]) -> None:
    folder, truth = month
    answers: dict[str, dict[str, Any]] = {}
    usage_lines = synthetic = lines = 0
    for entries in logs(folder).values():
        lines += len(entries)
        for line in entries:
            synthetic += bool(line.get("isApiErrorMessage"))
            if not is_answer(line):
                continue
            usage_lines += 1
            message = line["message"]
            known = answers.setdefault(message["id"], {"line": line, **message["usage"]})
            known["output_tokens"] = max(known["output_tokens"], message["usage"]["output_tokens"])
    assert len(answers) == truth.calls == CALLS
    assert (usage_lines, synthetic, lines) == (truth.usage_lines, truth.synthetic, truth.lines)
    tokens = truth.tokens
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    found = tuple(sum(one[name] for one in answers.values()) for name in names)
    assert found == (tokens.input, tokens.write_5m, tokens.read, tokens.output)
    dollars: Counter[str] = Counter()
    days: Counter[str] = Counter()
    models: Counter[str] = Counter()
    for one in answers.values():
        model, day = one["line"]["message"]["model"], one["line"]["timestamp"][:10]
        pico = int(price(model, day, one) * 10**6)
        dollars[model] += pico
        days[day] += pico
        models[model] += 1
    assert dict(models) == {name: one.calls for name, one in truth.models.items()}
    assert dict(dollars) == {name: one.pico for name, one in truth.models.items()}
    assert dict(days) == truth.days
    assert sum(dollars.values()) == truth.pico


def test_files_are_counted_and_the_truth_stands_beside_them(month: tuple[Path, Truth]) -> None:
    folder, truth = month
    paths = list((folder / "projects").rglob("*.jsonl"))
    agents = [path for path in paths if path.parent.name == "subagents"]
    assert (len(paths), len(agents)) == (truth.files, truth.agents)
    assert len(paths) - len(agents) == truth.sessions + truth.forks
    assert sum(path.stat().st_size for path in paths) == truth.bytes
    assert read_truth(folder) == truth
    assert TRUTH not in {path.name for path in (folder / "projects").rglob("*")}
    for path in agents:
        assert path.with_suffix(".meta.json").exists()
        assert all(line["isSidechain"] and f"agent-{line['agentId']}" == path.stem for line in lines_of(path))


def test_it_has_all_that_real_logs_have(month: tuple[Path, Truth]) -> None:
    folder, truth = month
    entries = [line for lines in logs(folder).values() for line in lines]
    assert truth.agents > 5
    assert truth.forks > 0
    assert truth.side_questions > 0
    assert truth.hidden_calls > 5
    assert set(truth.models) == set(LIST_PRICES)
    boundaries = [line for line in entries if line.get("subtype") == "compact_boundary"]
    assert len({line["uuid"] for line in boundaries}) == truth.hidden_calls
    assert any(line.get("isCompactSummary") for line in entries)
    copies = Counter(line["message"]["id"] for line in entries if is_answer(line))
    assert max(copies.values()) > 2
    early = [line for line in entries if is_answer(line) and line["message"]["stop_reason"] is None]
    assert 0 < len(early) < len(entries) / 4
    assert all(line["message"]["usage"]["output_tokens"] < 9 for line in early)
    requests: dict[str, set[str]] = {}
    for line in filter(is_answer, entries):
        requests.setdefault(line["message"]["id"], set()).add(line["requestId"])
    assert sum(len(each) > 1 for each in requests.values()) > 0  # repeated by a side question
    assert any("usage" in line.get("toolUseResult", {}) for line in entries)
    twice = Counter(line["uuid"] for line in entries if is_answer(line))
    assert max(twice.values()) > 1  # copied by a fork
    sizes = [len(json.dumps(line)) for line in entries if line["type"] == "user"]
    assert max(sizes) > 10_000
    assert sorted(sizes)[len(sizes) // 2] < 1_000


def calls_of(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls of one conversation in order: when each was sent, what it read and wrote, what came right before."""
    calls: dict[str, dict[str, Any]] = {}
    before: dict[str, Any] = {}
    mark = ""
    for line in entries:
        if line.get("subtype") == "compact_boundary":
            mark = "compacted"
        if not is_answer(line):
            before = line if "timestamp" in line and not line.get("isApiErrorMessage") else before
            continue
        if line["isSidechain"] and "agentId" not in line:
            mark = mark or "side"
            continue
        message = line["message"]
        if message["id"] not in calls:
            usage = message["usage"]
            read, write = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
            began = datetime.fromisoformat(before["timestamp"])
            calls[message["id"]] = {"began": began, "read": read, "write": write, "mark": mark, "id": message["id"]}
            mark = ""
        calls[message["id"]]["ended"] = datetime.fromisoformat(line["timestamp"])
    return list(calls.values())


def test_what_is_read_follows_from_five_minutes_of_the_whole_prompt(month: tuple[Path, Truth]) -> None:
    kept = lapsed = 0
    for entries in logs(month[0]).values():
        for before, call in pairwise(calls_of(entries)):
            gap = (call["began"] - before["began"]).total_seconds()
            if call["mark"]:
                continue
            expected = before["read"] + before["write"] if gap < 300 else 0
            assert call["read"] == expected, (call, before)
            kept, lapsed = kept + (gap < 300), lapsed + (gap >= 300)
    assert kept > 5_000
    assert lapsed > 100


def test_compaction_keeps_the_system_prompt_and_drops_the_rest(month: tuple[Path, Truth]) -> None:
    read: list[int] = []
    for entries in logs(month[0]).values():
        for before, call in pairwise(calls_of(entries)):
            if call["mark"] == "compacted":
                assert call["read"] + call["write"] < 0.3 * (before["read"] + before["write"])
                read.append(call["read"])
    assert read
    assert sum(8_000 <= tokens < 24_000 for tokens in read) > 0.8 * len(read)


def test_gaps_are_those_of_coding_sessions_and_no_call_spans_midnight(month: tuple[Path, Truth]) -> None:
    gaps: list[float] = []
    for entries in logs(month[0]).values():
        calls = calls_of(entries)
        gaps += [(two["began"] - one["began"]).total_seconds() for one, two in pairwise(calls)]
        assert all(call["began"].date() == call["ended"].date() and call["began"] < call["ended"] for call in calls)
        assert all(one["ended"] < two["began"] for one, two in pairwise(calls))
    gaps.sort()
    assert 12 < gaps[len(gaps) // 2] < 26
    assert 90 < gaps[len(gaps) * 9 // 10] < 200
    assert 0.03 < sum(gap > 300 for gap in gaps) / len(gaps) < 0.08
    assert 0.002 < sum(gap > 3600 for gap in gaps) / len(gaps) < 0.015


@pytest.mark.parametrize("calls", [1, 2, 37])
def test_it_has_exactly_as_many_calls_as_were_asked_for(tmp_path: Path, calls: int) -> None:
    truth = generate(tmp_path, calls, seed=calls)
    found = {line["message"]["id"] for entries in logs(tmp_path).values() for line in entries if is_answer(line)}
    assert len(found) == truth.calls == calls


def test_it_refuses_nothing_and_never_writes_over_logs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one call"):
        generate(tmp_path, 0)
    (tmp_path / "projects").mkdir()
    with pytest.raises(ValueError, match="has logs already"):
        generate(tmp_path, 1)
