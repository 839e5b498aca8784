"""A request for another model: each translation, each refusal, and the simulator's word that it takes what was made."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest

from tests.core.planning import MODELS, NOW_S, prefix_of, request_of
from tests.fixtures import HEADERS, simulator
from thriftgate.core.cost import day_of
from thriftgate.core.memo import PartMemo
from thriftgate.core.prefix import read_prefix
from thriftgate.core.request import parse_request
from thriftgate.core.routing.retarget import Retargeted, Unfit, retarget, thinks
from thriftgate.core.splice import apply
from thriftgate.pricing.load import claude_models
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts

OPUS, SONNET, HAIKU, OLD = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-haiku-4-5-20251001"
USER = {"role": "user", "content": "hello"}
SYSTEM, OFF = {"role": "system", "content": "x"}, {"type": "disabled"}
TOOL = {"name": "look", "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
FORMAT = {"type": "json_schema", "schema": {"type": "object", "properties": {}, "additionalProperties": False}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
MANY_IMAGES = [{"role": "user", "content": [*[IMAGE] * 105, {"type": "text", "text": "which?"}]}]


def made(served: str, effort: str = "", now_s: float = NOW_S, **members: Any) -> Retargeted | Unfit:
    request = request_of(**members)
    return retarget(request, prefix_of(request).turns, MODELS[served], effort=effort, now_s=now_s)


def body(served: str, effort: str = "", **members: Any) -> dict[str, Any]:
    """The request as the other model gets it."""
    request = request_of(**members)
    outcome = retarget(request, prefix_of(request).turns, MODELS[served], effort=effort, now_s=NOW_S)
    assert isinstance(outcome, Retargeted), outcome
    decoded: dict[str, Any] = msgspec.json.decode(apply(request.body, outcome.edits))
    return decoded


# --- translated -------------------------------------------------------------------------------------------------------


def test_only_the_name_changes_where_nothing_else_must() -> None:
    raw = b'{ "max_tokens":9, "x": 1.50, "model" : "claude-opus-4-8","messages":[{"role":"user","content":"h\\u00e9"}]}'
    request = parse_request(raw)
    outcome = retarget(request, prefix_of(request).turns, MODELS[HAIKU])
    assert isinstance(outcome, Retargeted)
    assert apply(raw, outcome.edits) == raw.replace(b"claude-opus-4-8", b"claude-haiku-5-5")
    assert outcome.notes == ()


@pytest.mark.parametrize(
    ("served", "sent", "got"),
    [
        (OPUS, {"temperature": 1, "top_p": 1.0}, {}),
        (OPUS, {"temperature": None}, {}),
        (OLD, {"temperature": 1, "top_p": 1.0}, {}),
        (OLD, {"temperature": 0.2, "top_p": 1}, {"temperature": 0.2}),
        (OLD, {"temperature": 1, "top_p": 0.9}, {"top_p": 0.9}),
        (OLD, {"temperature": 0.2, "top_k": 5}, {"temperature": 0.2, "top_k": 5}),
        (
            OLD,
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
        (HAIKU, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"thinking": {"type": "adaptive"}}),
        (HAIKU, {"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
        (OLD, {"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
        (HAIKU, {"thinking": {"type": "between_tools"}}, {"thinking": {"type": "disabled"}}),
        (HAIKU, {"thinking": None}, {"thinking": None}),
        (OLD, {"output_config": {"effort": "low"}}, {"output_config": {}}),
        (OLD, {"output_config": {"effort": "low", "format": FORMAT}}, {"output_config": {"format": FORMAT}}),
        ("claude-opus-4-5-20251101", {"output_config": {"effort": "max"}}, {"output_config": {"effort": "high"}}),
        (HAIKU, {"output_config": {"effort": "max"}}, {"output_config": {"effort": "max"}}),
    ],
    ids=str,
)
def test_translated(served: str, sent: dict[str, Any], got: dict[str, Any]) -> None:
    found = body(served, max_tokens=2_000, **sent) if None not in sent.values() else _with_nulls(served, sent)
    assert found == {"model": served, "max_tokens": 2_000, "messages": [{"role": "user", "content": "hello there"}]} | got


def _with_nulls(served: str, sent: dict[str, Any]) -> dict[str, Any]:
    whole = {
        "model": "claude-opus-4-8",
        "max_tokens": 2_000,
        "messages": [{"role": "user", "content": "hello there"}],
    } | sent
    request = request_of(msgspec.json.encode(whole))
    outcome = retarget(request, prefix_of(request).turns, MODELS[served], now_s=NOW_S)
    assert isinstance(outcome, Retargeted)
    decoded: dict[str, Any] = msgspec.json.decode(apply(request.body, outcome.edits))
    return decoded


@pytest.mark.parametrize(
    ("effort", "sent", "got"),
    [
        ("low", {}, {"effort": "low"}),
        ("low", {"output_config": {"effort": "high", "format": FORMAT}}, {"effort": "low", "format": FORMAT}),
        ("medium", {"output_config": {"effort": "medium"}}, {"effort": "medium"}),
        ("low", {"output_config": {}}, {"effort": "low"}),
    ],
)
def test_the_effort_of_the_arm(effort: str, sent: dict[str, Any], got: dict[str, Any]) -> None:
    assert body(SONNET, effort, **sent)["output_config"] == got


def test_what_was_translated_is_said() -> None:
    outcome = made(HAIKU, max_tokens=2_000, temperature=1, thinking={"type": "enabled", "budget_tokens": 1024}, effort="low")
    assert isinstance(outcome, Retargeted)
    assert outcome.notes == (
        "sampling parameters at their defaults left out",
        "thinking enabled became adaptive",
        "effort by default became low",
    )


# --- not to be had ----------------------------------------------------------------------------------------------------

UNFIT: list[tuple[str, dict[str, Any], str]] = [
    ("claude-nobody", {}, "claude-nobody is not in the capability table"),
    ("claude-3-haiku-20240307", {}, "claude-3-haiku-20240307 is retired"),
    (HAIKU, {"thread": {"id": "t"}}, "the provider holds this conversation"),
    (HAIKU, {"fallbacks": [{"model": SONNET}]}, "the call names fallbacks of its own"),
    (HAIKU, {"speed": "fast"}, "claude-haiku-5-5 has no fast mode"),
    ("claude-opus-5", {"speed": "fast"}, "fast mode of claude-opus-5 needs a beta header of its own"),
    (OLD, {"inference_geo": "us"}, f"{OLD} cannot be held to an inference geography"),
    (OLD, {"max_tokens": 64_001}, f"max_tokens is 64001, and {OLD} writes 64000 at most"),
    (HAIKU, {"messages": [USER, {"role": "assistant", "content": "So"}]}, "claude-haiku-5-5 takes no prefilled answer"),
    (HAIKU, {"messages": [USER, SYSTEM, USER]}, "claude-haiku-5-5 takes no system messages within a conversation"),
    (SONNET, {"tools": [TOOL], "tool_choice": {"type": "any"}}, "claude-sonnet-5-5 takes no forced tool choice"),
    (SONNET, {"tools": [TOOL], "tool_choice": {"type": "tool"}}, "claude-sonnet-5-5 takes no forced tool choice"),
    (OLD, {"output_config": {"task_budget": {"total": 20_000}}}, f"{OLD} takes no task budget"),
    (OLD, {"messages": MANY_IMAGES}, f"{OLD} reads 100 images at most"),
    (HAIKU, {"temperature": 0}, "claude-haiku-5-5 takes no temperature"),
    (HAIKU, {"top_p": 0.5}, "claude-haiku-5-5 takes no top_p"),
    (HAIKU, {"top_k": 5}, "claude-haiku-5-5 takes no top_k"),
    (OLD, {"temperature": 0, "top_p": 0.5}, f"{OLD} takes temperature or top_p, not both"),
    (OLD, {"thinking": {"type": "adaptive"}}, f"{OLD} wants a thinking budget, and the call names none"),
    ("claude-fable-5", {"thinking": {"type": "disabled"}}, "claude-fable-5 always thinks, and the call wants none"),
    (HAIKU, {"thinking": OFF, "output_config": {"effort": "max"}}, f"{HAIKU} cannot go without thinking at effort max"),
    (HAIKU, {"output_config": {"effort": "enormous"}}, "claude-haiku-5-5 does not know effort enormous"),
]  # fmt: skip


@pytest.mark.parametrize(("served", "sent", "reason"), UNFIT, ids=lambda value: value if isinstance(value, str) else "")
def test_unfit(served: str, sent: dict[str, Any], reason: str) -> None:
    assert made(served, **sent) == Unfit(reason)


def test_an_effort_that_the_arm_cannot_have() -> None:
    assert made(OLD, "low") == Unfit(f"{OLD} knows no effort levels")


def test_a_model_is_retired_from_its_day_on() -> None:
    name = "claude-3-5-haiku-20241022"  # 2026-02-19
    assert isinstance(made(name, now_s=1_771_459_199.0), Retargeted)
    assert made(name, now_s=1_771_459_200.0) == Unfit(f"{name} is retired")


def test_thinking_that_was_sent_back() -> None:
    spoken = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}
    assert thinks(prefix_of(request_of(messages=[USER, spoken, USER])).turns)
    assert not thinks(prefix_of(request_of(messages=[USER])).turns)


# --- against the simulator --------------------------------------------------------------------------------------------

FEATURES: list[dict[str, Any]] = [
    {},
    {"temperature": 1},
    {"temperature": 0.5},
    {"temperature": None},
    {"top_p": 0.96},
    {"top_p": 1},
    {"top_k": 5},
    {"temperature": 1, "top_p": 1},
    {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 3000},
    {"thinking": {"type": "adaptive"}},
    {"thinking": {"type": "adaptive", "display": "omitted"}},
    {"thinking": {"type": "disabled"}},
    {"thinking": {"type": "between_tools"}},
    {"messages": [USER, {"role": "assistant", "content": "So"}]},
    {"messages": [USER, {"role": "assistant", "content": "hi"}, USER, {"role": "system", "content": "be brief"}]},
    {"messages": MANY_IMAGES},
    {"tools": [TOOL], "tool_choice": {"type": "any"}},
    {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "look"}},
    {"tools": [TOOL], "tool_choice": {"type": "auto"}},
    {"output_config": {"task_budget": {"type": "tokens", "total": 20000}}},
    {"output_config": {"format": FORMAT}},
    {"output_format": FORMAT},
    *({"output_config": {"effort": effort}} for effort in ("low", "medium", "high", "xhigh", "max", None)),
    {"speed": "standard"},
    {"inference_geo": "us"},
    {"inference_geo": "global"},
    {"max_tokens": 8_192},
    {"max_tokens": 64_000},
    {"max_tokens": 128_000},
    {"max_tokens": 0},
    {"stop_sequences": ["X"]},
    {"stream": True},
    {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
]
UNSERVED = "claude-mythos-preview"
ROWS = [row for row in claude_models().rows if not row.is_retired(day_of(NOW_S)) and row.id != UNSERVED]
BETAS = {"anthropic-beta": "task-budgets-2026-03-13,context-management-2025-06-27"}


def joined(*features: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {"model": "", "max_tokens": 200, "messages": [USER]}
    for feature in features:
        for name, value in feature.items():
            whole[name] = whole[name] | value if name == "output_config" and name in whole else value
    return whole


def requests() -> Iterator[dict[str, Any]]:
    """Each feature alone, and some hundred of them in company."""
    for feature in FEATURES:
        yield joined(feature)
    random = Random(5)
    for _ in range(120):
        yield joined(*random.sample(FEATURES, random.choice((2, 2, 3))))


async def test_the_simulator_takes_what_was_made_for_the_other_model() -> None:
    transport = AsgiTransport(simulator())
    headers = tuple((name.encode(), value.encode()) for name, value in (HEADERS | BETAS).items())

    async def accepts(raw: bytes) -> str:
        incoming = await transport.send(Outgoing("POST", "http://simulator.invalid/v1/messages", headers, raw), Timeouts())
        answer = await incoming.read()
        return "" if incoming.status == 200 else answer.decode()

    random, made_for, kept_from = Random(7), 0, 0
    for wanted in requests():
        for asked in random.sample(ROWS, 4):
            raw = msgspec.json.encode(wanted | {"model": asked.id})
            if await accepts(raw):
                continue
            request = parse_request(raw)
            turns = read_prefix(request, asked, PartMemo(), b"").turns
            for served in random.sample(ROWS, 6):
                outcome = retarget(request, turns, served, effort=random.choice(("", "", "low", "max")), now_s=NOW_S)
                if isinstance(outcome, Unfit):
                    kept_from += 1
                    continue
                made_for += 1
                complaint = await accepts(apply(raw, outcome.edits))
                assert not complaint, (asked.id, served.id, wanted, complaint)
    assert made_for > 500
    assert kept_from > 200
