"""Calls and rules for tests of shaping."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tests.core.planning import MODELS, NOW_S, prefix_of, request_of
from thriftgate.core.output.directive import LEVERS
from thriftgate.core.output.facts import Facts, facts_of
from thriftgate.core.output.rules import OutputRule
from thriftgate.core.output.shape import Shaped, shape
from thriftgate.core.splice import apply

OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"  # bind thinking to its prefix
PLAIN = "claude-opus-4-8"  # thinks only when asked
OLD = "claude-haiku-4-5-20251001"  # takes prefills and budgets
OLDER = "claude-opus-4-1-20250805"  # retired here; takes no structured outputs
USER = {"role": "user", "content": "hello"}
SAID = {"role": "assistant", "content": "hi"}
THOUGHT = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}
BUDGET = {"type": "enabled", "budget_tokens": 1_024}
BEGUN = {"role": "assistant", "content": "So"}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "42"}]}
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
RAW = msgspec.json.encode(SCHEMA)
TOOL = {"name": "look", "description": "looks", "input_schema": SCHEMA}
FORMAT = {"type": "json_schema", "schema": SCHEMA}
CITED = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "d"},
    "citations": {"enabled": True},
}
ALL = frozenset(LEVERS)


def rule(**members: Any) -> OutputRule:
    return OutputRule("r", **members)


def facts(model: str = PLAIN, **members: Any) -> Facts:
    request = request_of(model=model, **members)
    return facts_of(request, prefix_of(request).turns, MODELS[model], NOW_S)


def made(
    one: OutputRule,
    body: dict[str, Any] | bytes | None = None,
    *,
    levers: Iterable[str] = ALL,
    now_s: float = NOW_S,
    cap_tokens: int | None = None,
    begun: bool = False,
    warm: bool = True,
    **members: Any,
) -> Shaped:
    request = request_of(body, **members)
    return shape(
        request,
        prefix_of(request).turns,
        one,
        MODELS[request.model],
        levers=frozenset(levers),
        cap_tokens=cap_tokens,
        begun=begun,
        warm=warm,
        now_s=now_s,
    )


def shaped(one: OutputRule, **members: Any) -> dict[str, Any]:
    """The request as it goes out."""
    options = {name: members.pop(name) for name in ("levers", "cap_tokens", "begun", "warm", "now_s") if name in members}
    body: dict[str, Any] = msgspec.json.decode(apply(request_of(**members).body, made(one, **options, **members).edits))
    return body


def reason(one: OutputRule, lever: str, **members: Any) -> str:
    """Why a lever stood aside."""
    told = made(one, **members).told[lever]
    assert not told.applied, told
    return told.reason
