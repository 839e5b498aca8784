"""Tools and the choice among them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.wire.openai.completions import MODELS
from thriftgate.core.errors import InputError
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.members import Members
from thriftgate.wire.openai.tools import Tools, choice_of, input_of

CLOSED = b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}'


def made(model: str, *functions: bytes) -> tuple[list[dict[str, Any]], Report]:
    report = Report()
    tools = Tools(MODELS[model], report)
    for function in functions:
        tools.add(Members(function, "tools[0].function", "tools[].function"))
    return msgspec.json.decode(msgspec.json.encode(tools.made)), report


def test_a_function_keeps_its_schema_byte_for_byte() -> None:
    report = Report()
    tools = Tools(MODELS["claude-opus-4-8"], report)
    tools.add(Members(b'{"name":"f","description":"d","parameters":{"type":"object", "x":1.0e2}}'))
    assert msgspec.json.encode(tools.made) == (
        b'[{"name":"f","description":"d","input_schema":{"type":"object", "x":1.0e2}}]'
    )


def test_a_schema_gets_a_type() -> None:
    tools, _ = made("claude-opus-4-8", b'{"name":"f"}', b'{"name":"g","parameters":{}}')
    assert [tool["input_schema"]["type"] for tool in tools] == ["object", "object"]


def test_strict_where_it_can_be() -> None:
    strict = b'{"name":"f","strict":true,"parameters":' + CLOSED + b"}"
    tools, report = made("claude-opus-4-8", strict)
    assert tools[0]["strict"] is True
    assert not report.fields
    for model, function in (("claude-3-5-haiku-20241022", strict), ("claude-opus-4-8", b'{"name":"f","strict":true}')):
        tools, report = made(model, function)
        assert "strict" not in tools[0]
        assert report.fields == ("tools[].function.strict",)


def test_no_more_strict_tools_than_a_request_may_have() -> None:
    functions = [b'{"name":"f%d","strict":true,"parameters":%b}' % (at, CLOSED) for at in range(22)]
    tools, report = made("claude-opus-4-8", *functions)
    assert sum("strict" in tool for tool in tools) == 20
    assert "20 tools at most" in report.told()


@pytest.mark.parametrize("function", [b"{}", b'{"name":1}', b'{"name":"f","parameters":[]}'])
def test_what_is_no_function(function: bytes) -> None:
    with pytest.raises(InputError, match=r"^tools\[0\]"):
        made("claude-opus-4-8", function)


@pytest.mark.parametrize(
    ("wanted", "named", "parallel", "choice"),
    [
        ("auto", False, None, None),
        ("auto", False, True, None),
        ("auto", False, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", False, False, {"type": "none"}),
        ("required", False, None, {"type": "any"}),
        ("auto", True, None, {"type": "tool", "name": "auto"}),
    ],
)
def test_the_choice(wanted: str, named: bool, parallel: bool | None, choice: dict[str, Any] | None) -> None:
    report = Report()
    capability = MODELS["claude-opus-4-8"]
    assert choice_of(wanted, named=named, parallel=parallel, capability=capability, report=report) == choice
    assert not report.fields


def test_a_model_that_cannot_be_forced() -> None:
    report = Report()
    capability = MODELS["claude-opus-5-5"]
    assert choice_of("required", named=False, parallel=None, capability=capability, report=report) is None
    assert report.fields == ("tool_choice",)


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"a": 1.0e2}', b'{"a": 1.0e2}'),
        ("", b"{}"),
        (" {}\n", b"{}"),
        ("no json", b'{"arguments":"no json"}'),
        ("[1]", b'{"arguments":"[1]"}'),
    ],
)
def test_arguments_keep_their_bytes(arguments: str, sent: bytes) -> None:
    assert bytes(input_of(arguments)) == sent
