"""Recordings become traces: who shares what with whom, what could be known when, whose account it is on."""

import gzip
import os
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.audit.traces.grow import Call, Points, Tree, assemble
from thriftgate.audit.traces.loaders import WORKING_DAY_S, WORKING_DAYS, load
from thriftgate.audit.traces.trace import Ask, Trace, digest
from thriftgate.core.tokens import estimate_text

TRACES = os.environ.get("THRIFTGATE_TRACES")
DAY_S = 86_400


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb") as file:
        file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path


def check(trace: Trace) -> None:
    """What holds of every trace."""
    assert [ask.at_s for ask in trace.asks] == sorted(ask.at_s for ask in trace.asks)
    assert {ask.session for ask in trace.asks} == set(range(trace.sessions))
    revealed: set[int] = set()
    for ask in trace.asks:
        known = [int.from_bytes(name, "big") for name in ask.prefix.chain]
        revealed.add(known[-1])
        assert ask.begins_s > ask.at_s
        assert ask.path[-1] == known[-1]
        assert set(known) <= set(ask.path)
        assert revealed & set(ask.path) <= set(known)
        assert ask.cumulative == tuple(trace.depths[node] for node in known)
        assert all(shallow < deep for shallow, deep in pairwise((0, *(trace.depths[node] for node in ask.path))))
        blocks = ask.prefix.blocks
        assert [block.part.tokens for block in blocks] == [deep - flat for flat, deep in pairwise((0, *ask.cumulative))]
        order = [("tools", "system", "messages").index(block.section) for block in blocks]
        assert order == sorted(order)
        said = [block.index for block in blocks if block.section == "messages"]
        assert said == sorted(said)


@given(st.lists(st.text("ab", min_size=1, max_size=12), min_size=1, max_size=12))
def test_boundaries_are_known_from_the_past_alone(texts: list[str]) -> None:
    points = Points()
    tree = Tree(points, 1)
    ends = [tree.insert(text, len(text)) for text in texts]
    calls = [Call(float(at), at + 1.0, at, points.way(end)) for at, end in enumerate(ends)]
    trace = assemble("texts", calls, points.depth)
    check(trace)
    for at, (ask, text) in enumerate(zip(trace.asks, texts, strict=True)):
        assert set(ask.cumulative) == _boundaries(text, texts[:at])
        assert {trace.depths[node] for node in ask.path} == _boundaries(text, texts)
    nodes = {text[: trace.depths[node]]: node for ask, text in zip(trace.asks, texts, strict=True) for node in ask.path}
    assert len(nodes) == len(trace.depths) - 1  # one node for each prefix, whoever sends it


def _shared(text: str, other: str) -> int:
    return next(
        (at for at, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), min(len(text), len(other))
    )


def _boundaries(text: str, others: list[str]) -> set[int]:
    """By comparing each with each. Where two others part on this text's way, one of them parts from it as well."""
    return {_shared(text, other) for other in others if other[0] == text[0]} | {len(text)}


def chat(at_ms: int, length: int, ids: list[int], answer: int = 10) -> dict[str, Any]:
    return {"timestamp": at_ms, "input_length": length, "output_length": answer, "hash_ids": ids}


def test_mooncake_turns_are_linked_through_private_blocks(tmp_path: Path) -> None:
    rows = [
        chat(0, 1_300, [0, 1, 2]),
        chat(1_000, 1_400, [0, 3, 4]),
        chat(5_000, 2_100, [0, 1, 5, 6, 7]),  # goes on from the first: its end lies in the block that is 5 now
        chat(6_000, 2_200, [0, 1, 8, 9, 10]),  # another way on, no one knows whether from the first's end
        chat(7_000, 1_400, [0, 3, 4]),  # the second once more
        chat(8_000, 1_450, [0, 3, 11]),  # goes on from it within the same block
        chat(9_000, 700, [0, 12]),
        chat(9_500, 800, [0, 13]),  # block 0 is everyone's
    ]
    trace = load(write(tmp_path / "conversation.jsonl.gz", rows), random.Random(1))
    check(trace)
    assert trace.name == "mooncake"
    assert [ask.cumulative for ask in trace.asks] == [
        (1_300,),
        (512, 1_400),
        (512, 1_300, 2_100),
        (512, 1_024, 2_200),
        (512, 1_400),
        (512, 1_400, 1_450),
        (512, 700),
        (512, 800),
    ]
    assert [trace.depths[node] for node in trace.asks[2].path] == [512, 1_024, 1_300, 2_100]
    assert [ask.session for ask in trace.asks] == [0, 1, 0, 2, 1, 1, 3, 4]
    assert [block.index for block in trace.asks[5].prefix.blocks] == [0, 0, 2]
    assert trace.asks[2].begins_s == pytest.approx(5.0 + 1 + 0.21)


def test_later_rows_do_not_change_what_was_known(tmp_path: Path) -> None:
    rows = [chat(1_000 * at, 512 * (2 + at % 4) + 40 * (at % 5) + 7, [0, *_ids(at)]) for at in range(60)]
    whole = load(write(tmp_path / "whole.jsonl.gz", rows), random.Random(1))
    check(whole)
    for count in (1, 7, 30):
        early = load(write(tmp_path / f"{count}.jsonl.gz", rows[:count]), random.Random(1))
        assert [ask.cumulative for ask in early.asks] == [ask.cumulative for ask in whole.asks[:count]]
        assert [ask.prefix.blocks[-1].index for ask in early.asks] == [
            ask.prefix.blocks[-1].index for ask in whole.asks[:count]
        ]


def _ids(at: int) -> list[int]:
    """Blocks behind the first: three conversations, each of which forks."""
    kind = at % 3
    return [10 * kind + 1, *([10 * kind + 2] if at % 2 else [10 * kind + 5]), 100 + kind, 1_000 + at, 2_000 + at][
        : 2 + at % 4
    ]


def request(t: float, tokens: int, lcp: int, new: list[list[int]], **more: Any) -> dict[str, Any]:
    said = {
        "type": "n",
        "model": "opus",
        "out": 5,
        "input_types": ["tool_result"],
        "output_types": ["text"],
        "stop": "end_turn",
    }
    return {"t": t, "in": tokens, "lcp": lcp, "new": new, **said, **more}


def session(*requests: dict[str, Any]) -> dict[str, Any]:
    return {"id": "trace", "models": [], "block_size": 64, "tool_tokens": 130, "system_tokens": 70, "requests": requests}


def agent(t: float, *requests: dict[str, Any]) -> dict[str, Any]:
    return {"t": t, "type": "subagent", "tool_tokens": 64, "system_tokens": 64, "requests": requests}


CODING = session(
    request(0.0, 330, 0, [[1, 5]], input_types=["text"], ttft=1.5, api_time=9.0),
    request(10.0, 640, 5, [[6, 5]], api_time=0.5),
    agent(
        12.0,
        request(0.0, 330, 0, [[1, 5]], model="haiku", input_types=["text"]),
        request(4.0, 400, 5, [[90, 1]], model="haiku"),
    ),
    request(14.0, 1_300, 9, [[11, 11]]),  # 640 = 10 blocks, but its last tokens open the answer: 9 blocks agree, all it said
    request(20.0, 1_400, 7, [[40, 14]]),
)


def test_claude_code_sessions(tmp_path: Path) -> None:
    trace = load(write(tmp_path / "claude" / "sessions.jsonl.gz", [CODING]).parent, random.Random(1))
    check(trace)
    assert (trace.name, trace.sessions) == ("claude-code", 1)
    start = trace.asks[0].at_s
    assert 0 <= start % DAY_S < WORKING_DAY_S
    assert start // DAY_S < WORKING_DAYS
    assert [ask.at_s - start for ask in trace.asks] == pytest.approx([0, 10, 12, 14, 16, 20])
    assert [ask.begins_s - ask.at_s for ask in trace.asks] == pytest.approx([1.5, 0.5, 1.033, 1.13, 1.04, 1.14])
    main, other = (130, 194), (66, 130)
    assert [ask.cumulative for ask in trace.asks] == [
        (*main, 330),
        (*main, 330, 640),
        (*other, 330),  # another model has another cache
        (*main, 330, 640, 1_300),
        (*other, 330, 400),
        (*main, 330, 7 * 64 + 2, 1_400),
    ]
    assert not set(trace.asks[0].path) & set(trace.asks[2].path)
    blocks = trace.asks[3].prefix.blocks
    assert [block.section for block in blocks] == ["tools", "system", "messages", "messages", "messages"]
    assert [block.part.kind for block in blocks] == ["tool", "text", "text", "tool_result", "tool_result"]
    assert [block.index for block in blocks] == [0, 1, 0, 2, 4]


def test_a_share_of_the_sessions_is_part_of_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "sessions.jsonl.gz", [CODING] * 10)
    whole = load(path, random.Random(3))
    assert whole == load(path, random.Random(3))
    assert whole.sessions == 10
    part = load(path, random.Random(3), share=0.3)
    check(part)
    assert part.sessions == 3
    assert {ask.at_s for ask in part.asks} < {ask.at_s for ask in whole.asks}
    assert {ask.at_s for ask in part.asks} != {ask.at_s for ask in load(path, random.Random(4), share=0.3).asks}
    assert load(path, random.Random(1), share=0.001).sessions == 1


def test_a_sample_of_conversations_keeps_its_links_and_forgets_the_others(tmp_path: Path) -> None:
    rows = [chat(0, 1_300, [0, 1, 2]), chat(1_000, 1_400, [0, 3, 4]), chat(5_000, 2_100, [0, 1, 5, 6, 7])]
    path = write(tmp_path / "conversation.jsonl.gz", rows)
    seen = {tuple(ask.cumulative for ask in load(path, random.Random(seed), share=0.5).asks) for seed in range(20)}
    assert seen == {((1_300,), (1_300, 2_100)), ((1_400,),)}


def test_agent_texts(tmp_path: Path) -> None:
    system = "You are an agent that works on a repository. " * 40
    texts = [system + "one", system + "one" + " and then another step" * 20, system + "two" * 9, "too short"]
    for number, name in enumerate(("b", "a")):
        rows = [
            {"timestamp": 1_000_000 * (2 * at + number), "input": text, "output": "done", "session_id": f"{name}{at // 2}"}
            for at, text in enumerate(texts)
        ]
        write(tmp_path / f"{name}.jsonl.gz", rows)
    trace = load(tmp_path, random.Random(1))
    check(trace)
    assert (trace.name, len(trace.asks), trace.sessions) == ("agent-texts", 6, 4)
    assert [ask.at_s for ask in trace.asks] == [0, 1, 2, 3, 4, 5]
    assert [len(ask.cumulative) for ask in trace.asks] == [1, 1, 2, 2, 2, 2]
    assert len(trace.depths) == 1 + 4
    estimate = estimate_text(texts[1].encode(), "claude47").tokens
    assert trace.asks[2].tokens == pytest.approx(estimate, rel=0.03)


def test_azure_prompts_share_nothing(tmp_path: Path) -> None:
    lines = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.5,3180,8\r\n"
    )
    path = tmp_path / "code.csv.gz"
    path.write_bytes(gzip.compress(lines.encode()))
    trace = load(path, random.Random(1))
    check(trace)
    assert (trace.name, trace.sessions) == ("azure-code", 2)
    assert [ask.cumulative for ask in trace.asks] == [(4808,), (3180,)]
    assert trace.asks[1].at_s - trace.asks[0].at_s == pytest.approx(0.52004)
    assert [ask.output_tokens for ask in trace.asks] == [10, 8]


def test_what_cannot_be_replayed_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="bodies tell no times"):
        load(tmp_path, random.Random(1))
    with pytest.raises(ValueError, match="no kind of trace"):
        load(write(tmp_path / "other.jsonl.gz", [{"a": 1}]), random.Random(1))
    write(tmp_path / "more.jsonl.gz", [chat(0, 600, [0, 1])])
    with pytest.raises(ValueError, match="several traces"):
        load(tmp_path, random.Random(1))


def test_blocks_are_shared() -> None:
    points = Points()
    first = points.add(0, 5_000)
    calls = [Call(float(at), at + 1.0, 0, points.way(points.add(first, 6_000 + at))) for at in range(4)]
    asks: tuple[Ask, ...] = assemble("shared", calls, points.depth).asks
    assert asks[1].prefix.blocks[0] is asks[3].prefix.blocks[0]
    assert asks[1].prefix.chain[0] is asks[3].prefix.chain[0]
    assert asks[1].prefix.chain[-1] == digest(asks[1].path[-1])


@pytest.mark.skipif(TRACES is None, reason="needs the recorded traces")
@pytest.mark.parametrize(
    ("name", "requests", "sessions"),
    [("claude-code-sessions", 22_879, 335), ("mooncake", 12_031, 8_078), ("agent-texts", 549, 31)],
)
def test_recorded_traces(name: str, requests: int, sessions: int) -> None:
    trace = load(Path(TRACES or "") / name, random.Random(1))
    check(trace)
    assert (len(trace.asks), trace.sessions) == (requests, sessions)
