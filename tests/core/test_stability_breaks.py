"""Where and why two prefixes part."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.stability.breaks import (
    ADVICE,
    Break,
    Cause,
    Documents,
    Head,
    canonical_json,
    common_prefix,
    find_break,
    find_document_break,
    first_documents,
    similar,
)

RULES = "Sort the tickets by their urgency and answer in one word. " * 20
SECRET = "zebra"
UUIDS = ("123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174999")


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"{SECRET} {name}", "input_schema": {"type": "object", "properties": {}}} | more


TOOLS = [tool("read"), tool("write"), tool("search")]


def head(system: Any = None, tools: Any = None) -> Head:
    return Head(msgspec.json.encode(tools) if tools else b"", msgspec.json.encode(system) if system else b"")


def broken(before: Head, after: Head) -> Break:
    found = find_break(before, after, "claude47")
    assert found is not None
    assert SECRET not in repr(found)
    return found


@pytest.mark.parametrize(
    ("one", "other", "cause", "pattern", "switch"),
    [
        ("Current date: 2026-11-21", "Current date: 2026-11-22", "date", "ISO date", "split_volatile"),
        ("It is for 2026-11-21 that", "It is for 2026-12-01 that", "date", "ISO date", ""),
        ("Now: 9:05", "Now: 10:05", "date", "time of day", "split_volatile"),
        ("On Monday it", "On Tuesday it", "date", "weekday", ""),
        (f"Request id: {UUIDS[0]}", f"Request id: {UUIDS[1]}", "id", "UUID", "split_volatile"),
        ("at 1795262400.", "at 1795262417.", "id", "10 digits", ""),
        ("You have 17 tickets", "You have 18 tickets", "number", "2 digits", ""),
        ("Be brief.  Be kind.", "Be brief.\nBe kind.", "whitespace", "", ""),
        ("Be brief.", "Be kind.", "text_changed", "", ""),
        ("Be brief.", "Be brief. Be kind.", "text_changed", "", ""),
    ],
)
def test_texts(one: str, other: str, cause: Cause, pattern: str, switch: str) -> None:
    system = [f"{SECRET} first", f"{SECRET}\n{one}\n{RULES}", f"{SECRET}\n{other}\n{RULES}"]
    before, after = (
        head([{"type": "text", "text": system[0]}, {"type": "text", "text": text}], TOOLS) for text in system[1:]
    )
    found = broken(before, after)
    assert (found.cause, found.pattern, found.switch) == (cause, pattern, switch)
    assert (found.where, found.at_block) == ("system.1", 4)
    assert found.offset_chars == common_prefix(system[1], system[2])
    assert found.tokens_behind > len(RULES) // 8
    assert found.before != found.after
    assert ADVICE[found.cause]


def test_a_string_and_a_block_are_one_system() -> None:
    assert find_break(head(RULES), head([{"type": "text", "text": RULES}]), "claude47") is None


def test_breakpoints_and_the_attribution_block_break_nothing() -> None:
    marked = [{"type": "text", "text": RULES, "cache_control": {"type": "ephemeral"}}]
    assert find_break(head(marked), head([{"type": "text", "text": RULES}]), "claude47") is None
    one, other = (
        head([{"type": "text", "text": f"x-anthropic-billing-header: cc_version=1.{n};"}, {"type": "text", "text": RULES}])
        for n in (1, 2)
    )
    assert find_break(one, other, "claude47") is None


def test_a_block_more() -> None:
    found = broken(
        head([{"type": "text", "text": "a"}]), head([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])
    )
    assert (found.cause, found.where, found.pattern) == ("text_changed", "system.1", "a block more or less")


def test_tools_in_another_order() -> None:
    found = broken(head(RULES, TOOLS), head(RULES, [TOOLS[0], TOOLS[2], TOOLS[1]]))
    assert (found.cause, found.where, found.at_block, found.pattern) == ("tool_order", "tools", 1, "2 of 3 moved")
    assert found.switch == "order_tools"


def test_tools_come_and_go() -> None:
    found = broken(head(RULES, TOOLS), head(RULES, [TOOLS[0], tool("delete")]))
    assert (found.cause, found.at_block, found.pattern) == ("tools_changed", 1, "1 added, 2 removed")


def test_keys_of_a_tool() -> None:
    reordered = copy.deepcopy(TOOLS)
    reordered[1] = dict(reversed(reordered[1].items()))
    found = broken(head(RULES, TOOLS), head(RULES, reordered))
    assert (found.cause, found.where, found.switch) == ("key_order", "tools.1", "stable_json")


def test_white_space_in_a_tool() -> None:
    tight = head(RULES, TOOLS)
    loose = Head(tight.tools.replace(b'"input_schema":', b'"input_schema": '), tight.system)
    found = broken(tight, loose)
    assert (found.cause, found.where, found.switch) == ("whitespace", "tools.0", "stable_json")
    between = Head(tight.tools.replace(b"},{", b"},\n {"), tight.system)
    assert find_break(tight, between, "claude47") is None


def test_a_date_in_a_tool() -> None:
    one, other = (
        head(RULES, [*TOOLS[:2], tool("search", description=f"As of {day} only")]) for day in ("2026-11-21", "2026-11-22")
    )
    found = broken(one, other)
    assert (found.cause, found.where, found.switch) == ("date", "tools.2", "")


def test_documents() -> None:
    documents = [{"type": "document", "source": {"type": "text", "data": f"{SECRET} {n} " * 50}} for n in range(3)]

    def read(content: list[Any], role: str = "user") -> Documents:
        return first_documents(msgspec.json.encode([{"role": role, "content": content}]), "claude47")

    question = {"type": "text", "text": "which?"}
    before, after = read([*documents, question]), read([documents[0], documents[2], documents[1], question])
    found = find_document_break(before.digests, after, head(RULES, TOOLS))
    assert found is not None
    assert (found.cause, found.where, found.at_block, found.pattern) == ("document_order", "messages.0", 5, "3 documents")
    assert found.tokens_behind == after.tokens > 150
    marked = read([{**documents[0], "cache_control": {"type": "ephemeral"}}, *documents[1:], question])
    assert marked.digests == before.digests
    assert find_document_break(before.digests, marked, head(RULES)) is None
    assert find_document_break(before.digests, read(documents[:2]), head(RULES)) is None
    assert read(documents, "assistant").digests == ()
    assert first_documents(b'{"not": "a list"}', "claude47").digests == ()


def test_what_is_one_application() -> None:
    sub_agent = head("You look up the weather. Answer with a number.", [tool("weather")])
    assert similar(head(f"Today is Monday.\n{RULES}", TOOLS), head(f"Today is Friday.\n{RULES}", TOOLS[:2]))
    assert similar(head(f"a 1\n{RULES}\nb 1"), head(f"c 2\n{RULES}\nd 2"))
    assert not similar(head(RULES, TOOLS), sub_agent)
    assert not similar(head(RULES, TOOLS), head(RULES))
    assert not similar(head(RULES), head("You look up the weather."))
    assert not similar(Head(b"{broken", b""), Head(b"[1", b""))


def test_canonical_json() -> None:
    assert (
        canonical_json(b'{"b": [1.50, {"d": null, "c": "\\u00e9"}], "a": 2}')
        == '{"a":2,"b":[1.5,{"c":"é","d":null}]}'.encode()
    )


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_common_prefix(shared: str, one: str, other: str) -> None:
    at = common_prefix(shared + one, shared + other)
    assert at >= len(shared)
    assert (shared + one)[:at] == (shared + other)[:at]
    assert at == min(len(shared + one), len(shared + other)) or (shared + one)[at] != (shared + other)[at]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "name", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
RAW = st.binary(max_size=20) | JSON.map(msgspec.json.encode)


@given(RAW, RAW, RAW, RAW)
def test_anything_can_be_compared(one: bytes, two: bytes, three: bytes, four: bytes) -> None:
    before, after = Head(one, two), Head(three, four)
    similar(before, after)
    assert find_break(before, before, "claude47") is None
    find_break(before, after, "claude47")
    first_documents(one, "claude47")
