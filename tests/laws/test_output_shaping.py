"""The law of shaping: what the provider takes unshaped it takes shaped, and no conversation is ever broken.

Random calls and rules for every model of the table through the simulator's gates; conversations with thinking bound to its
prefix as on new accounts.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest

from tests.core.output.shaping import (
    ALL,
    BEGUN,
    BUDGET,
    CITED,
    FORMAT,
    HAIKU,
    OLD,
    OPUS,
    RAW,
    RESULT,
    SAID,
    SCHEMA,
    SONNET,
    TOOL,
    USER,
    rule,
)
from tests.core.planning import MODELS, NOW_S
from tests.fixtures import simulator
from thriftgate.core.cost import day_of
from thriftgate.core.memo import PartMemo
from thriftgate.core.output.directive import LEVERS
from thriftgate.core.output.rules import OutputRule, usual_table
from thriftgate.core.output.shape import shape
from thriftgate.core.prefix import read_prefix
from thriftgate.core.request import parse_request
from thriftgate.core.splice import apply
from thriftgate.simulator import Simulator
from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.identity import Caller

SYSTEMS: tuple[Any, ...] = (
    None, "", [], "Sort.", [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
    [{"type": "text", "text": "x-anthropic-billing-header: cc_version=1;"}, {"type": "text", "text": "b"}],
)  # fmt: skip
CALLED = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {"a": "b"}}]}
LOOSE = {"name": "loose", "input_schema": {"type": "object", "properties": {"x": {"type": "string"}}}}
SERVER = {"type": "web_search_20250305", "name": "web_search"}
FEATURES: list[dict[str, Any]] = [
    *({"system": system} for system in SYSTEMS),
    *({"tools": tools} for tools in ([], [TOOL], [TOOL, LOOSE, SERVER], [TOOL | {"strict": True}])),
    *({"tools": [TOOL], "tool_choice": {"type": kind}} for kind in ("auto", "any", "none")),
    *({"output_config": {"effort": effort}} for effort in ("low", "medium", "high", "xhigh", "max", None)),
    {"output_config": None},
    {"output_config": {"format": FORMAT}},
    {"output_config": {"task_budget": {"type": "tokens", "total": 20_000}}},
    {"output_format": FORMAT},
    *({"thinking": thinking} for thinking in (None, {"type": "adaptive"}, {"type": "disabled"}, {"type": "between_tools"})),
    {"thinking": BUDGET, "max_tokens": 3_000},
    {"thinking": {"type": "adaptive", "display": "omitted"}},
    {"messages": [USER, BEGUN]},
    {"messages": [USER, SAID, USER]},
    {"messages": [USER, CALLED, RESULT], "tools": [TOOL]},
    {"messages": [{"role": "user", "content": [CITED, {"type": "text", "text": "why?"}]}]},
    {"messages": [USER, {"role": "system", "content": "be kind"}]},
    *({"max_tokens": limit} for limit in (0, 1, 8_192, 64_000, 128_000)),
    *({"stop_sequences": stops} for stops in (None, [], ["X", "END"])),
    {"temperature": 1},
    {"temperature": 0.5},
    {"top_p": 0.9},
    {"top_k": 5},
    {"stream": True},
    {"speed": "fast"},
    {"inference_geo": "us"},
    {"cache_control": {"type": "ephemeral"}},
    {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
]
ROWS = [row for row in MODELS.rows if not row.is_retired(day_of(NOW_S)) and row.id != "claude-mythos-preview"]  # not served
BETAS = frozenset({"task-budgets-2026-03-13", "context-management-2025-06-27"})


def some_rule(random: Random) -> OutputRule:
    if random.random() < 0.2:
        return random.choice(usual_table())
    return rule(
        cap=random.choice((0, 1, 64, "learned")),
        stop=random.choice(((), ("END",), ("X", " ", "Y"))),
        brevity=random.choice(("", "word", "brief", "In verse.")),
        effort=random.choice(("", "low", "medium", "high", "xhigh", "max")),
        thinking=random.choice(("", "off", "adaptive")),
        until=random.choice(("", "json")),
        prefill=random.choice(("", "{", "Label: \n")),
        schema=random.choice((b"", RAW, b'{"type":"object"}')),
        strict_tools=random.random() < 0.5,
        repair=random.random() < 0.5,
    )


def some_body(random: Random, model: str) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "max_tokens": 200, "messages": [USER]}
    for feature in random.sample(FEATURES, random.choice((0, 1, 1, 2, 3))):
        for name, value in feature.items():
            both = isinstance(value, dict) and isinstance(body.get(name), dict) and name == "output_config"
            body[name] = body[name] | value if both else value
    return body


def complaint(app: Simulator, raw: bytes) -> str:
    try:
        app.service.prepare(
            msgspec.json.decode(raw), Caller("sim", "k", "k"), version="2023-06-01", betas=BETAS, now=NOW_S, counting=False
        )
    except ApiError as problem:
        return problem.message
    return ""


def assert_documented(body: dict[str, Any], sent: dict[str, Any]) -> None:
    """What the simulator has no gate for: structured outputs beside citations, schemas that they do not take."""
    wanted = (body.get("output_config") or {}).get("format")
    if wanted != (sent.get("output_config") or {}).get("format"):
        assert wanted == FORMAT
        assert b'"citations":{"enabled":true}' not in msgspec.json.encode(body["messages"])
        assert not body.get("output_format")
    for tool, before in zip(body.get("tools") or [], sent.get("tools") or [], strict=True):
        assert tool == before or (tool == before | {"strict": True} and tool["input_schema"] == SCHEMA)
    assert all(stop.strip() for stop in body.get("stop_sequences") or [])


@pytest.mark.parametrize("seed", range(4))
def test_what_is_taken_unshaped_is_taken_shaped(seed: int) -> None:
    random, app = Random(seed), simulator()
    seen: Counter[str] = Counter()
    for _ in range(150):
        for row in ROWS:
            sent = some_body(random, row.id)
            raw = msgspec.json.encode(sent)
            if complaint(app, raw):
                continue
            seen["tried"] += 1
            request = parse_request(raw)
            found = shape(
                request,
                read_prefix(request, row, PartMemo(), b"").turns,
                some_rule(random),
                row,
                levers=ALL if random.random() < 0.7 else frozenset(random.sample(LEVERS, 3)),
                cap_tokens=random.choice((None, 40, 1_500)),
                begun=random.random() < 0.3,
                warm=random.random() < 0.5,
                now_s=NOW_S,
            )
            whole = apply(raw, found.edits)
            assert not complaint(app, whole), (sent, whole, complaint(app, whole))
            assert_documented(msgspec.json.decode(whole), sent)
            seen.update(lever for lever, told in found.told.items() if told.applied)
            assert all(told.reason and "\n" not in told.reason for told in found.told.values())
    assert seen["tried"] > 1_500
    assert min(seen[lever] for lever in LEVERS) > 30, seen


def answered(app: Simulator, raw: bytes) -> tuple[str, dict[str, Any]]:
    try:
        call = app.service.prepare(
            msgspec.json.decode(raw), Caller("sim", "k", "k"), version="2023-06-01", betas=BETAS, now=NOW_S
        )
    except ApiError as problem:
        return problem.message, {}
    return "", app.service.answer(call, NOW_S).message


class Client:
    """One conversation: the client sends back what it got, and asks now for this and now for that."""

    def __init__(self, app: Simulator, model: str, random: Random) -> None:
        self.app, self.random, self.row = app, random, MODELS[model]
        self.rule = some_rule(random)
        self.first = random.choice((0, 0, 1, 2))  # the first turn that is shaped
        self.tools = random.choice(([], [TOOL], [TOOL, LOOSE]))
        self.messages: list[dict[str, Any]] = []
        self.thought: list[bool] = []  # whether it was shaped, of each turn that thought
        self.barred = 0

    def speak(self, turn: int) -> dict[str, Any]:
        last = self.messages[-1]["content"] if self.messages else []
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "42"}
            for block in last
            if block["type"] == "tool_use"
        ]
        calls = bool(self.tools) and self.random.random() < 0.4
        said = f"{turn} [[sim: {'tool=look times=1' if calls else 'think=30 out=9'}]]"
        self.messages.append({"role": "user", "content": results or [{"type": "text", "text": said}]})
        body = {"model": self.row.id, "max_tokens": 3_000, "messages": self.messages, "system": "Sort.", "tools": self.tools}
        more: dict[str, Any] = self.random.choice(
            ({}, {}, {"output_config": {"effort": "low"}}, {"output_config": {"format": FORMAT}})
        )
        return body | (more if self.row.effort else {})

    def turn(self, turn: int) -> bool:
        """One turn; whether it was answered."""
        sent = self.speak(turn)
        raw = msgspec.json.encode(sent)
        request = parse_request(raw)
        turns = read_prefix(request, self.row, PartMemo(), b"").turns
        begun = bool(self.thought) and all(self.thought) if self.first else turn > 0
        found = shape(request, turns, self.rule, self.row, levers=ALL, begun=begun, warm=False, now_s=NOW_S)
        is_shaped = turn >= self.first
        self.barred += is_shaped and "bound to the prompt" in " ".join(told.reason for told in found.told.values())
        problem, answer = answered(self.app, apply(raw, found.edits) if is_shaped else raw)
        assert not problem, (problem, self.rule, sent)
        assert not answer.get("input_transformations"), (self.rule, sent)
        content = [block for block in answer["content"] if block["type"] != "text" or block["text"]]
        if any(block["type"] == "thinking" for block in content):
            self.thought.append(is_shaped)
        self.messages.append({"role": "assistant", "content": content})
        return bool(content)


@pytest.mark.parametrize("model", [OPUS, SONNET, HAIKU, "claude-fable-5-2", OLD, "claude-opus-4-6"])
def test_no_conversation_is_broken(model: str) -> None:
    """Thinking and tools, on models that check what thinking is bound to. Some conversations are shaped from their first
    call on, others have begun before."""
    random, app = Random(model), simulator(enforce_prefix_binding=True)
    thought = barred = 0
    for _ in range(40):
        client = Client(app, model, random)
        for turn in range(5):
            if not client.turn(turn):
                break
        thought, barred = thought + sum(client.thought), barred + client.barred
    assert thought > 20 or not MODELS[model].thinking_default_on
    assert barred > 5 or not MODELS[model].prefix_bound_thinking
