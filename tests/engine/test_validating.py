"""Answers against a schema, and the repair as the simulator takes it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fixtures import HEADERS, simulator
from thriftgate.engine.validating import check, repair_body, text_in
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts

SCHEMA = msgspec.json.encode(
    {
        "type": "object",
        "properties": {"label": {"enum": ["a", "b"]}, "items": {"type": "array", "items": {"type": "integer"}}},
        "required": ["label"],
        "additionalProperties": False,
    }
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"label": "a"}', ""),
        (' {"label":"b","items":[1,2]}\n', ""),
        ('{"label": "A"}', "$.label: 'A' is not one of ['a', 'b']"),
        ('{"label": "a", "items": [1, "2"]}', "$.items[1]: '2' is not of type 'integer'"),
        ("{}", "$: 'label' is a required property"),
        ("", "it is not valid JSON: "),
        ("```json\n{}\n```", "it is not valid JSON: "),
        ("\ud800", "it is not valid JSON: "),
        ("[" * 100_000, "it is not valid JSON: "),
    ],
    ids=lambda value: value[:30].encode("unicode_escape").decode(),
)
def test_check(text: str, problem: str) -> None:
    found = check(text, SCHEMA)
    assert found.startswith(problem)
    assert bool(found) is bool(problem)
    assert len(found) <= 160


def test_a_problem_is_short_however_long_the_answer() -> None:
    assert len(check(msgspec.json.encode({"label": "x" * 5_000}).decode(), SCHEMA)) == 160


@pytest.mark.parametrize("reference", ["https://example.com/nowhere.json", "#/$defs/none", "#"])
def test_a_schema_that_cannot_be_applied_finds_nothing(reference: str) -> None:
    assert check("{}", msgspec.json.encode({"$ref": reference})) == ""


def test_the_text_of_an_answer() -> None:
    content = [{"type": "thinking", "thinking": "no"}, {"type": "text", "text": '"a":'}, {"type": "text", "text": "1}"}]
    assert text_in(content, prefilled="{") == '{"a":1}'
    fenced = [{"type": "text", "text": '\n```json\n{"a": 1}\n```\n'}]
    assert text_in(fenced) == '\n```json\n{"a": 1}\n```\n'
    assert text_in(fenced, fences=True) == '{"a": 1}'
    assert text_in([{"type": "text", "text": "so:\n```\n{}\n```"}], fences=True) == "so:\n```\n{}\n```"
    assert text_in([]) == ""


# --- the repair -------------------------------------------------------------------------------------------------------

HEAD = (
    b'{ "model":"claude-opus-5-5", "max_tokens" : 900,'
    b'"messages":[ {"role":"user","content":"h\\u00e9 [[sim: think=40 out=60]]"}'
)


async def sent(app: Any, raw: bytes) -> tuple[int, dict[str, Any]]:
    headers = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())
    incoming = await AsgiTransport(app).send(Outgoing("POST", "http://s.invalid/v1/messages", headers, raw), Timeouts())
    return incoming.status, msgspec.json.decode(await incoming.read())


async def test_the_repair_is_the_request_with_more_behind_it() -> None:
    """On a model that binds thinking to its prefix: what thinking the answer had goes back and is valid."""
    app = simulator()
    body = HEAD + b' ],"stop_sequences":[ ]}'
    status, answer = await sent(app, body)
    assert status == 200
    assert answer["content"][0]["type"] == "thinking"
    raw = repair_body(body, answer["content"], "$: 'label' is a required property")
    assert raw.startswith(HEAD)
    assert raw.endswith(b' ],"stop_sequences":[ ]}')
    messages = msgspec.json.decode(raw)["messages"]
    assert [one["role"] for one in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"] == answer["content"]
    assert "$: 'label' is a required property" in messages[2]["content"]
    status, again = await sent(app, raw)
    assert (status, again.get("input_transformations")) == (200, None)


async def test_a_prefilled_answer_takes_the_place_of_its_beginning() -> None:
    asked = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "{"}]
    body = msgspec.json.encode({"model": "claude-haiku-4-5", "max_tokens": 90, "messages": asked})
    app = simulator()
    status, answer = await sent(app, body)
    assert status == 200
    raw = repair_body(body, answer["content"], "p", prefilled="{")
    messages = msgspec.json.decode(raw)["messages"]
    assert messages[0] == asked[0]
    assert messages[1]["content"] == [answer["content"][0] | {"text": "{" + answer["content"][0]["text"]}]
    assert [one["role"] for one in messages] == ["user", "assistant", "user"]
    status, _ = await sent(app, raw)
    assert status == 200
    assert msgspec.json.decode(repair_body(body, [], "p", prefilled="{"))["messages"][1]["content"] == [
        {"type": "text", "text": "{"}
    ]


def test_what_cannot_be_sent_back() -> None:
    body = msgspec.json.encode({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]})
    assert repair_body(body, [{"type": "tool_use", "id": "t", "name": "n", "input": {}}], "p") == b""
    empty = msgspec.json.decode(repair_body(body, [{"type": "text", "text": ""}], "p"))["messages"]
    assert [one["role"] for one in empty] == ["user", "user"]


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("```json\n{}\n```", "{}"),
        ("  ```\n{}\n\n  ```\n ", "{}\n"),
        ("```\n```", ""),
        ("```\n{}````", "{}`"),
        ("```\n{}", "```\n{}"),
        ("``` a\n{}\n```", "``` a\n{}\n```"),
        ("```", "```"),
    ],
)
def test_fences(text: str, inner: str) -> None:
    assert text_in([{"type": "text", "text": text}], fences=True) == inner
