"""A call's output shaped, lever by lever. That the provider takes all of it: tests/laws/test_output_shaping.py."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.output.shaping import (
    BEGUN,
    BUDGET,
    CITED,
    FORMAT,
    HAIKU,
    OLD,
    OLDER,
    OPUS,
    PLAIN,
    RAW,
    SAID,
    SONNET,
    THOUGHT,
    TOOL,
    USER,
    made,
    reason,
    rule,
    shaped,
)
from thriftgate.core.output.directive import LEVERS
from thriftgate.core.output.facts import Told
from thriftgate.core.output.rules import BREVITY, CAP, EARLY_STOP, EFFORT, LENGTHS, PREFILL, STOP, usual_table
from thriftgate.core.output.rules import SCHEMA as HELD
from thriftgate.core.output.shape import Shaped
from thriftgate.core.splice import apply

EVERYTHING = rule(
    cap=64, stop=("END",), brevity="line", effort="low", thinking="off", until="json", prefill="{", schema=RAW,
    strict_tools=True, repair=True,
)  # fmt: skip


def test_everything_at_once() -> None:
    found = made(replace(EVERYTHING, stop=()), model=HAIKU, system="Sort.", tools=[TOOL])
    assert {lever: told.applied for lever, told in found.told.items()} == {
        EFFORT: True, HELD: True, STOP: False, EARLY_STOP: False, PREFILL: False, BREVITY: True, CAP: False,
    }  # fmt: skip
    assert (found.schema, found.repair, found.fences, found.in_prompt, found.prefilled) == (RAW, True, False, True, "")
    assert shaped(EVERYTHING, model=HAIKU, system="Sort.", tools=[TOOL]) == {
        "model": HAIKU,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hello there"}],
        "system": [{"type": "text", "text": "Sort."}, {"type": "text", "text": LENGTHS["line"]}],
        "tools": [TOOL | {"strict": True}],
        "thinking": {"type": "disabled"},
        "output_config": {"effort": "low", "format": FORMAT},
    }


def test_levers_that_are_off_do_and_tell_nothing() -> None:
    assert made(EVERYTHING, levers=()) == Shaped((), {})
    only = made(EVERYTHING, levers=[CAP])
    assert list(only.told) == [CAP]
    assert [edit.path for edit in only.edits] == [("max_tokens",)]


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"thread": {"id": "t"}}, "the provider holds this conversation"),
        ({"fallbacks": [{"model": SONNET}]}, "the call names fallbacks, which may not take it"),
        ({"model": OLDER}, f"{OLDER} is retired"),
    ],
)
def test_calls_that_are_left_alone(members: dict[str, Any], why: str) -> None:
    assert made(EVERYTHING, **members) == Shaped((), dict.fromkeys(LEVERS, Told(applied=False, reason=why)))


def test_a_rule_without_orders_does_nothing() -> None:
    found = made(rule())
    assert found.edits == ()
    assert not found.in_prompt
    assert {lever: told.reason for lever, told in found.told.items()} == {
        CAP: "the rule names no cap",
        STOP: "the rule names no stop sequences",
        BREVITY: "the rule names no length",
        EFFORT: "the rule orders neither effort nor thinking",
        EARLY_STOP: "the rule does not say when an answer is complete",
        PREFILL: "the rule names nothing that answers begin with",
        HELD: "the rule names no schema",
    }


# --- the cap ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orders", "members", "limit"),
    [
        ({"cap": 64}, {}, 64),
        ({"cap": "learned"}, {"cap_tokens": 70}, 70),
        ({"cap": "learned"}, {"cap_tokens": 70, "model": HAIKU}, 70),
        ({"cap": 64, "thinking": "off"}, {"model": HAIKU}, 64),
        ({"cap": 64}, {"model": SONNET, "thinking": {"type": "between_tools"}}, 64),
        ({"cap": "learned"}, {"cap_tokens": 1_025, "max_tokens": 2_000, "model": OLD, "thinking": BUDGET}, 1_025),
        ({"cap": 64}, {"tools": [TOOL], "tool_choice": {"type": "none"}}, 64),
        ({"cap": 64}, {"messages": [USER, SAID, USER]}, 64),
    ],
    ids=str,
)
def test_capped(orders: dict[str, Any], members: dict[str, Any], limit: int) -> None:
    found = made(rule(**orders), **members)
    asked = members.get("max_tokens", 100)
    assert shaped(rule(**orders), **members)["max_tokens"] == limit
    assert found.full_tokens == asked
    assert found.told[CAP].reason == (
        f"max_tokens {asked} became {limit}; an answer that is cut is asked for again at the full limit"
    )


@pytest.mark.parametrize(
    ("orders", "members", "why"),
    [
        ({"cap": "learned"}, {}, "too few answers were seen"),
        ({"cap": "learned"}, {"cap_tokens": 0}, "too few answers were seen"),
        ({"cap": 100}, {}, "the call asks for 100 tokens at most, no more than the cap of 100"),
        ({"cap": 64}, {"max_tokens": 0}, "the call has no answer to cap"),
        ({"cap": 64}, {"tools": [TOOL]}, "a call of a tool that is cut is lost"),
        ({"cap": 64}, {"model": HAIKU}, "thinking counts towards max_tokens"),
        ({"cap": 64, "thinking": "off"}, {"model": OPUS}, "thinking counts towards max_tokens"),
        ({"cap": "learned"}, {"cap_tokens": 1_024, "max_tokens": 2_000, "model": OLD, "thinking": BUDGET},
         "thinking alone may take 1024 tokens"),
    ],
    ids=str,
)  # fmt: skip
def test_not_capped(orders: dict[str, Any], members: dict[str, Any], why: str) -> None:
    assert reason(rule(**orders), CAP, **members).startswith(why)


# --- stop sequences, early stop ---------------------------------------------------------------------------------------


def test_stop_sequences_stand_behind_the_clients_own() -> None:
    found = made(rule(stop=("END", "###", "END", " ")), stop_sequences=["\n\nHuman:", "###"])
    assert found.stops == ("END",)
    assert found.told[STOP].reason == "the answer also stops at 'END'"
    assert shaped(rule(stop=("END",)), stop_sequences=["###"])["stop_sequences"] == ["###", "END"]
    raw = b'{"model":"claude-opus-4-8","max_tokens":9,"messages":[{"role":"user","content":"a"}],"stop_sequences":null}'
    assert b'"stop_sequences":["END"]' in apply(raw, made(rule(stop=("END",)), raw).edits)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"stop_sequences": ["END"]}, "the call stops at them already"),
        ({"stop_sequences": "END"}, "stop_sequences has a form that is not known"),
        ({"tools": [TOOL]}, "what a model says between calls of tools is not to be cut"),
        ({"output_config": {"format": FORMAT}}, "JSON that stops at a sequence would be broken"),
    ],
    ids=str,
)
def test_no_stop_sequences(members: dict[str, Any], why: str) -> None:
    assert reason(rule(stop=("END",)), STOP, **members) == why


def test_an_early_stop_is_only_told() -> None:
    found = made(rule(until="items:3"), model=OPUS, messages=[USER, THOUGHT, USER])
    assert (found.until, found.edits, found.in_prompt) == ("items:3", (), False)
    assert found.told[EARLY_STOP] == Told(applied=True, reason="the answer is ended at: items:3")
    for members, why in (
        ({"tools": [TOOL]}, "an answer that may call tools is read to its end"),
        ({"messages": [{"role": "user", "content": [CITED]}]}, "an answer with citations is read to its end"),
        ({"max_tokens": 0}, "the call has no answer"),
    ):
        assert reason(rule(until="json"), EARLY_STOP, **members) == why


# --- prefill ----------------------------------------------------------------------------------------------------------


def test_a_prefill_where_the_model_takes_one() -> None:
    found = made(rule(prefill="Label:\n"), model=OLD)
    assert (found.prefilled, found.in_prompt) == ("Label:", False)
    body = shaped(rule(prefill="Label:\n"), model=OLD, messages=[USER, SAID, USER])
    assert body["messages"] == [USER, SAID, USER, {"role": "assistant", "content": "Label:"}]
    assert "system" not in body


def test_what_stands_before_a_prefill_keeps_its_bytes() -> None:
    raw = b'{"model":"claude-haiku-4-5","max_tokens":9,"messages":[ {"content":"h\\u00e9","role":"user"} ] , "top_k":1}'
    whole = apply(raw, made(rule(prefill="{"), raw).edits)
    assert whole == raw.replace(b'"user"}', b'"user"},{"role":"assistant","content":"{"}')


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"thinking": BUDGET, "max_tokens": 2_000}, "a prefilled answer does not go with thinking"),
        ({"output_config": {"format": FORMAT}}, "a prefilled answer does not go with structured outputs"),
        ({"tools": [TOOL]}, "an answer that has begun can call no tool first"),
        ({"messages": [USER, BEGUN]}, "the answer has begun already"),
        ({"messages": [{"role": "user", "content": [CITED]}]}, "a prefilled answer could not be cited from"),
        ({"cache_control": {"type": "ephemeral"}}, "the call's automatic breakpoint would stand on it"),
        ({"max_tokens": 0}, "the call has no answer"),
    ],
    ids=str,
)
def test_no_prefill(members: dict[str, Any], why: str) -> None:
    assert reason(rule(prefill="Label:"), PREFILL, model=OLD, **members).startswith(why)


def test_other_models_are_told_how_to_begin_or_held_to_the_schema() -> None:
    told = shaped(rule(prefill="Label:"), model=HAIKU)
    assert told["system"] == [{"type": "text", "text": "Begin your answer with: Label:"}]
    assert told["messages"][-1]["role"] == "user"
    found = made(rule(prefill="{", schema=RAW), model=HAIKU)
    assert found.told[PREFILL].reason == "the schema sees to how the answer begins"
    assert [edit.path for edit in found.edits] == [("output_config",)]
    old = made(rule(prefill="{", schema=RAW), model=OLD)
    assert old.told[PREFILL].reason == "a prefilled answer does not go with structured outputs"
    assert old.schema == RAW


# --- what is said -----------------------------------------------------------------------------------------------------


def test_a_schema_in_words_where_the_model_cannot_be_held_to_one() -> None:
    found = made(replace(EVERYTHING, prefill="", strict_tools=False), model=OLDER, now_s=0.0)
    assert found.told[HELD] == Told(
        applied=True, reason="the model cannot be held to a schema, so the system prompt asks for it"
    )
    assert (found.schema, found.fences, found.repair, found.in_prompt) == (RAW, True, True, True)


@pytest.mark.parametrize(
    ("model", "messages", "how", "why"),
    [
        (OPUS, [USER, THOUGHT, USER], {"warm": False}, "thinking in this conversation is bound to the prompt as it was"),
        (OPUS, [USER, SAID, USER], {}, "the conversation began without it, and its cache would be lost"),
        (OPUS, [USER, THOUGHT, USER], {"begun": True}, ""),
        (PLAIN, [USER, THOUGHT, USER], {"warm": False}, ""),
    ],
    ids=str,
)
def test_a_conversation_is_not_told_in_its_middle(model: str, messages: list[Any], how: dict[str, Any], why: str) -> None:
    told = made(rule(brevity="line"), model=model, messages=messages, **how).told[BREVITY]
    assert told == Told(applied=not why, reason=why or "the system prompt ends with the length that is wanted")


def test_it_is_said_alike_in_each_turn() -> None:
    """Whatever the call asks of its answer besides, what stands in front of the messages is the same."""
    one = rule(brevity="line", prefill="{", schema=RAW)
    others: list[dict[str, Any]] = [
        {"output_config": {"format": FORMAT}},
        {"thinking": {"type": "adaptive"}},
        {"tool_choice": {"type": "none"}, "tools": [TOOL]},
        {"messages": [USER, SAID, {"role": "user", "content": [CITED]}], "begun": True},
        {"max_tokens": 0},
    ]
    for model in (OPUS, OLD, "claude-nobody"):
        said = shaped(one, model=model, system="Sort.")["system"]
        assert all(shaped(one, model=model, system="Sort.", **members)["system"] == said for members in others)


def test_done_twice_is_done_once() -> None:
    for model in (OPUS, HAIKU, PLAIN, OLD):
        for one in (EVERYTHING, *usual_table()):
            first = shaped(one, model=model, system=[{"type": "text", "text": "a"}], tools=[TOOL], cap_tokens=50)
            assert shaped(one, cap_tokens=50, begun=True, **first) == first
