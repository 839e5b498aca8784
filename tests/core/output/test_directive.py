"""What is said at the end of the system prompt, and where exactly."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.core.output.shaping import ALL, HAIKU, OLD, OLDER, PLAIN, RAW, rule
from tests.core.planning import MODELS, request_of
from thriftgate.core.output.directive import at_the_end, directive, prefill_of, schema_instead
from thriftgate.core.output.rules import BREVITY, LENGTHS, PREFILL, SCHEMA
from thriftgate.core.splice import Edit, apply

TEXT = {"type": "text", "text": "be brief"}
MARK = {"cache_control": {"type": "ephemeral"}}
ATTRIBUTION = {"type": "text", "text": "x-anthropic-billing-header: cc_version=1;"}


@pytest.mark.parametrize(
    ("system", "whole"),
    [
        (None, [TEXT]),
        ("", [TEXT]),
        ([], [TEXT]),
        ("You sort mail.", [{"type": "text", "text": "You sort mail."}, TEXT]),
        ([{"type": "text", "text": "a"} | MARK], [{"type": "text", "text": "a"} | MARK, TEXT]),
        ([ATTRIBUTION, {"type": "text", "text": "a"}], [ATTRIBUTION, {"type": "text", "text": "a"}, TEXT]),
    ],
    ids=str,
)
def test_it_stands_last(system: Any, whole: list[Any]) -> None:
    request = request_of(system=system)
    edit = at_the_end(request, "be brief")
    assert isinstance(edit, Edit)
    body = apply(request.body, [edit])
    assert msgspec.json.decode(body)["system"] == whole
    assert at_the_end(request_of(body), "be brief") is None


def test_what_stands_before_it_keeps_its_bytes() -> None:
    raw = b'{"model":"m","max_tokens":1,"messages":[],"system": [ {"text":"h\\u00e9" ,"type":"text"} ]}'
    edit = at_the_end(request_of(raw), "x")
    assert isinstance(edit, Edit)
    assert apply(raw, [edit]).endswith(b'[ {"text":"h\\u00e9" ,"type":"text"},{"type":"text","text":"x"}]}')


def test_where_it_may_not_stand() -> None:
    assert at_the_end(request_of(system=ATTRIBUTION["text"]), "x") == (
        "the system prompt is an attribution block, which must stay as it is"
    )
    assert at_the_end(request_of(system=3), "x") == "the system prompt has a form that is not known"


def test_one_that_carries_a_breakpoint_is_found_again() -> None:
    assert at_the_end(request_of(system=[TEXT | MARK]), "be brief") is None


@pytest.mark.parametrize(
    ("members", "model", "said"),
    [
        ({}, PLAIN, {}),
        ({"brevity": "line"}, PLAIN, {BREVITY: LENGTHS["line"]}),
        ({"brevity": " In French. "}, PLAIN, {BREVITY: "In French."}),
        ({"prefill": "Label:\n"}, PLAIN, {PREFILL: "Begin your answer with: Label:"}),
        ({"prefill": "Label:"}, OLD, {}),
        ({"prefill": "{", "schema": RAW}, HAIKU, {}),
        ({"prefill": "Sure: {", "schema": RAW}, HAIKU, {PREFILL: "Begin your answer with: Sure: {"}),
        ({"prefill": "{"}, HAIKU, {PREFILL: "Begin your answer with: {"}),
        ({"schema": RAW}, HAIKU, {}),
    ],
    ids=str,
)
def test_directive(members: dict[str, Any], model: str, said: dict[str, str]) -> None:
    assert directive(rule(**members), ALL, MODELS[model]) == said


def test_a_model_that_cannot_be_held_to_a_schema_is_asked_for_it_first() -> None:
    found = directive(rule(schema=RAW, brevity="brief"), ALL, MODELS[OLDER])
    assert list(found) == [SCHEMA, BREVITY]
    assert found[SCHEMA].endswith(RAW.decode())


def test_levers_that_are_off_say_nothing() -> None:
    one = rule(schema=RAW, brevity="brief", prefill="{")
    assert directive(one, frozenset(), MODELS[OLDER]) == {}
    assert list(directive(one, frozenset({PREFILL}), MODELS[HAIKU])) == [PREFILL]
    assert not schema_instead(one, frozenset({PREFILL}), MODELS[HAIKU])
    assert prefill_of(rule(prefill=" a \n")) == " a"
