"""The declared table against the SDK: what it lets a client write has a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

import pytest
from openai.types import responses as sdk
from openai.types.responses import response_create_params, response_input_item_param

from tests.wire.openai.responses_asked import FIELDS, WEATHER, taken
from thriftgate.wire.openai.responses_losses import RESPONSE_ANSWER_ROWS, RESPONSE_ROWS

SEARCH = {"type": "web_search"}
# Items and tools that are carried, with what they must hold; every other member is set as well.
WRITTEN: list[tuple[Any, str, Mapping[str, Any]]] = [
    (sdk.EasyInputMessageParam, "input", {"role": "user", "content": "a", "type": "message"}),
    (response_input_item_param.Message, "input", {"role": "user", "content": [], "type": "message"}),
    (sdk.ResponseOutputMessageParam, "input", {"role": "assistant", "content": [], "type": "message"}),
    (sdk.ResponseFunctionToolCallParam, "input", {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}),
    (
        response_input_item_param.FunctionCallOutput,
        "input",
        {"type": "function_call_output", "call_id": "c", "output": "x", "name": "n"},
    ),
    (sdk.ResponseReasoningItemParam, "input", {"type": "reasoning", "encrypted_content": "x"}),
    (sdk.ResponseFunctionWebSearchParam, "input", {"type": "web_search_call", "id": "ws_1"}),
    (sdk.FunctionToolParam, "tools", WEATHER),
    (
        sdk.WebSearchToolParam,
        "tools",
        {"type": "web_search", "external_web_access": True, "filters": {}, "user_location": {}},
    ),
]


def test_every_field_that_the_sdk_knows_is_declared() -> None:
    declared = {row.field.partition(".")[0].partition("[")[0].partition("=")[0] for row in RESPONSE_ROWS}
    known = set(get_type_hints(response_create_params.ResponseCreateParamsStreaming))
    assert known <= declared


@pytest.mark.parametrize(("kind", "where", "needed"), WRITTEN, ids=lambda one: getattr(one, "__name__", ""))
def test_every_member_of_what_is_carried_is_declared(kind: Any, where: str, needed: Mapping[str, Any]) -> None:
    members = {name.removesuffix("_"): "x" for name in get_type_hints(kind)}
    asked = [{**members, **needed}] if where == "tools" else [{"role": "user", "content": "a"}, {**members, **needed}]
    assert set(taken(**{where: asked}).report.fields) <= FIELDS.keys()


def test_rows_are_said_once() -> None:
    for rows in (RESPONSE_ROWS, RESPONSE_ANSWER_ROWS):
        assert len({row.field for row in rows}) == len(rows)
