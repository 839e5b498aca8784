"""Recorded prompts as text: what they share, how long they are."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from thriftgate.audit.traces.texts import FAMILY, TOKENS_MIN, load_texts
from thriftgate.core.tokens import estimate_text

SYSTEM = "You are an agent that works on a repository, one step at a time. " * 40


def tokens(text: str) -> int:
    return estimate_text(text.encode(), FAMILY).tokens


def spoken(path: Path, *rows: tuple[int, str, str]) -> Path:
    lines = [{"timestamp": at * 1_000_000, "input": text, "output": "done", "session_id": name} for at, name, text in rows]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return path


def test_files_are_one_trace_in_order_of_time(tmp_path: Path) -> None:
    first = spoken(tmp_path / "a.jsonl", (10, "a", SYSTEM + "one"), (30, "a", SYSTEM + "one and more" * 30))
    second = spoken(tmp_path / "b.jsonl", (20, "b", SYSTEM + "two"))
    trace = load_texts([first, second], 1.0, random.Random(1))
    assert [(ask.at_s, ask.session) for ask in trace.asks] == [(10, 0), (20, 1), (30, 0)]
    shared = [set(ask.prefix.chain) for ask in trace.asks]
    assert shared[1] & shared[2]
    assert trace.asks[0].prefix.chain[-1] in shared[2]
    for ask, text in zip(trace.asks, (SYSTEM + "one", SYSTEM + "two", SYSTEM + "one and more" * 30), strict=True):
        assert ask.tokens == pytest.approx(tokens(text), rel=0.03)
        assert ask.output_tokens == tokens("done")
        assert ask.begins_s == pytest.approx(ask.at_s + 1 + ask.tokens / 10_000)


def test_short_prompts_are_left_out(tmp_path: Path) -> None:
    assert tokens("word " * 100) < TOKENS_MIN <= tokens(SYSTEM)
    path = spoken(tmp_path / "a.jsonl", (10, "a", "word " * 100), (20, "a", SYSTEM))
    assert len(load_texts([path], 1.0, random.Random(1)).asks) == 1


def test_a_sample_keeps_whole_sessions(tmp_path: Path) -> None:
    rows = [(at, f"s{at % 4}", SYSTEM + f"question {at} " * at) for at in range(12)]
    trace = load_texts([spoken(tmp_path / "a.jsonl", *rows)], 0.5, random.Random(1))
    assert (len(trace.asks), trace.sessions) == (6, 2)
