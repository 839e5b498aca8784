"""What one block is: its identity, its breakpoint, whether it may carry one, and what of a request is no block at all."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from thriftgate.core.blocks import DIGEST_BYTES, Part, Run, digest_of, lenient, read_message, read_system, read_tools
from thriftgate.core.errors import InputError

MARK = {"type": "ephemeral"}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]}


def message(content: Any, role: str = "user") -> Run:
    return read_message(msgspec.json.encode({"role": role, "content": content}), 3, "claude47")


def part(block: Any) -> Part:
    """The only block of a message with this content."""
    (only,) = message([block] if isinstance(block, dict) else block).blocks
    return only.part


def text(value: str, **members: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **members}


SAME: list[tuple[Any, Any]] = [
    ("x", text("x")),
    (text("x"), {"text": "x", "type": "text"}),
    (text("x"), text("x", citations=None)),
    (text("x"), text("x", citations=[])),
    (text("x"), text("x", cache_control=MARK)),
    (RESULT, RESULT | {"cache_control": MARK}),
    (RESULT, RESULT | {"content": [text("x", cache_control=MARK)]}),
    ({"type": "image", "source": {}}, {"type": "image", "cache_control": None, "source": {}}),
]
DIFFERENT: list[tuple[Any, Any]] = [
    ("x", "x "),
    (text("x"), text("x", citations=[{"type": "char_location"}])),
    (
        {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1, "b": 2}},
        {"type": "tool_use", "id": "t", "name": "n", "input": {"b": 2, "a": 1}},
    ),
    (RESULT, RESULT | {"is_error": True}),
    ({"type": "document", "source": {}}, {"type": "document", "source": {}, "citations": {"enabled": True}}),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_the_same_block(one: Any, two: Any) -> None:
    assert part(one).digest == part(two).digest
    assert len(part(one).digest) == DIGEST_BYTES


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_another_block(one: Any, two: Any) -> None:
    assert part(one).digest != part(two).digest


def test_the_one_who_speaks_belongs_to_the_block() -> None:
    assert message("x", "user").blocks[0].part.digest != message("x", "assistant").blocks[0].part.digest


def test_white_space_around_a_breakpoint_leaves_no_trace() -> None:
    """A client that moves its breakpoint writes the block without it the next time."""
    plain = json.dumps({"role": "user", "content": [RESULT]}).encode()
    marked = json.dumps({"role": "user", "content": [RESULT | {"cache_control": MARK}]}).encode()
    first, second = (read_message(raw, 0, "claude3").blocks[0].part for raw in (plain, marked))
    assert first.digest == second.digest
    assert (first.tokens, first.mark, second.mark) == (second.tokens, None, "5m")


MARKABLE: list[tuple[Any, bool]] = [
    ("x", True),
    (text("x"), True),
    (text(" "), False),
    (text(""), False),
    ({"type": "thinking", "thinking": "t", "signature": "s"}, False),
    ({"type": "redacted_thinking", "data": "d"}, False),
    ({"type": "fallback"}, False),
    ({"type": "never_heard_of"}, False),
    ({"type": "image", "source": {}}, True),
    ({"type": "tool_use", "id": "t", "name": "n", "input": {}}, True),
    (RESULT, True),
    ({"type": "web_search_tool_result", "tool_use_id": "t", "content": []}, True),
]


@pytest.mark.parametrize(("block", "markable"), MARKABLE)
def test_what_may_carry_a_breakpoint(block: Any, markable: bool) -> None:
    assert part(block).markable is markable


HOUR = {"type": "ephemeral", "ttl": "1h"}
MARKS: list[tuple[Any, str | None]] = [
    (text("x"), None),
    (text("x", cache_control=None), None),
    (text("x", cache_control=MARK), "5m"),
    (text("x", cache_control=HOUR), "1h"),
    (RESULT | {"cache_control": HOUR}, "1h"),
    (RESULT | {"content": [text("x", cache_control=HOUR)]}, "1h"),
    (RESULT | {"content": [text("x", cache_control=HOUR), text("y", cache_control=MARK)]}, "5m"),
    (RESULT | {"content": [text("x", cache_control=HOUR)], "cache_control": MARK}, "5m"),
    (RESULT | {"content": "cache_control"}, None),
]


@pytest.mark.parametrize(("block", "ttl"), MARKS)
def test_breakpoints(block: Any, ttl: str | None) -> None:
    assert part(block).mark == ttl


IMAGES: list[tuple[Any, bool]] = [
    ({"type": "image", "source": {}}, True),
    (RESULT, False),
    (RESULT | {"content": [{"type": "image", "source": {}}]}, True),
    (RESULT | {"content": [text("image")]}, False),
    (RESULT | {"content": "image"}, False),
    (text("image"), False),
]


@pytest.mark.parametrize(("block", "has_image"), IMAGES)
def test_images(block: Any, has_image: bool) -> None:
    assert part(block).has_image is has_image
    assert message([block]).has_image is has_image


CITES: list[tuple[Any, bool]] = [
    ({"type": "document", "source": {}, "citations": {"enabled": True}}, True),
    ({"type": "document", "source": {}, "citations": {"enabled": False}}, False),
    ({"type": "document", "source": {}, "citations": None}, False),
    ({"type": "document", "source": {}}, False),
    (text("x", citations=[{"type": "char_location"}]), False),
]


@pytest.mark.parametrize(("block", "cites"), CITES)
def test_citations(block: Any, cites: bool) -> None:
    assert message([block]).cites is cites


RUNS: list[tuple[Any, str, tuple[bool, bool, bool]]] = [
    ("x", "user", (True, False, False)),
    ([RESULT], "user", (False, False, False)),
    ([RESULT, text("and")], "user", (True, False, False)),
    ([], "user", (False, False, False)),
    ("x", "assistant", (False, False, False)),
    ([{"type": "thinking", "thinking": "t", "signature": "s"}, text("x")], "assistant", (False, True, False)),
    ([{"type": "compaction", "content": "so far"}], "assistant", (False, False, True)),
]


@pytest.mark.parametrize(("content", "role", "flags"), RUNS)
def test_what_a_message_does(content: Any, role: str, flags: tuple[bool, bool, bool]) -> None:
    run = message(content, role)
    assert (run.speaks, run.thinks, run.compacts) == flags


def test_places() -> None:
    assert [block.path() for block in message([text("a"), text("b")]).blocks] == [
        ("messages", 3, "content", 0),
        ("messages", 3, "content", 1),
    ]
    assert message("a").blocks[0].path() == ("messages", 3, "content")
    assert read_system(b'"be brief"', "claude47").blocks[0].path() == ("system",)
    assert read_system(b'[{"type":"text","text":"a"}]', "claude47").blocks[0].path() == ("system", 0)
    assert read_tools(b'[{"name":"a"}]', "claude47").blocks[0].path() == ("tools", 0)


EMPTY = ("null", '""', "[]")


@pytest.mark.parametrize("raw", EMPTY)
def test_nothing_is_no_block(raw: str) -> None:
    assert read_system(raw.encode(), "claude47") == Run()
    assert read_message(f'{{"role":"assistant","content":{raw}}}'.encode(), 0, "claude47").blocks == ()


def test_no_tools_are_no_blocks() -> None:
    assert read_tools(b"null", "claude47") == read_tools(b"[]", "claude47") == Run()


def test_a_deferred_tool_is_no_part_of_the_prompt_yet() -> None:
    raw = b'[{"name":"a"},{"name":"b","defer_loading":true},{"name":"c","defer_loading":false}]'
    assert [block.index for block in read_tools(raw, "claude47").blocks] == [0, 2]


def test_web_tools_are_told_apart() -> None:
    raw = b'[{"name":"a"},{"type":"web_search_20250305","name":"web_search"},{"type":"web_fetch_20250910","name":"f"}]'
    assert [block.part.kind for block in read_tools(raw, "claude47").blocks] == ["tool", "web_tool", "web_tool"]


ATTRIBUTION = "x-anthropic-billing-header: cc_version=2.1.197.abc;"
SYSTEMS: list[tuple[Any, list[int]]] = [
    ([text(ATTRIBUTION), text("be brief")], [1]),
    ([text("be brief"), text(ATTRIBUTION)], [0, 1]),
    ([text(f"quoting {ATTRIBUTION}")], [0]),
    ([text("be brief"), text(f'"{ATTRIBUTION}')], [0, 1]),
    (ATTRIBUTION, []),
]


@pytest.mark.parametrize(("system", "left"), SYSTEMS)
def test_the_attribution_block_never_reaches_the_cache(system: Any, left: list[int]) -> None:
    assert [block.index for block in read_system(msgspec.json.encode(system), "claude47").blocks] == left


MALFORMED: list[tuple[bytes, str]] = [
    (b'{"role":"user","content":7}', r"messages\.3\.content: Input should be a valid string or list"),
    (b'{"role":"user","content":[7]}', r"messages\.3\.content: not a valid content block"),
    (b'{"role":7,"content":"x"}', r"messages\.3"),
    (b'{"role":"\xff","content":"x"}', r"messages\.3"),
    (b'{"role":"user","content":[{"type":"\xff"}]}', r"messages\.3\.content"),
    (b"7", r"messages\.3"),
]


@pytest.mark.parametrize(("raw", "words"), MALFORMED)
def test_what_is_no_message_is_told_with_its_place(raw: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_message(raw, 3, "claude47")


@pytest.mark.parametrize("raw", [b'"tools"', b"{}", b"[7]", b'[{"type":7}]'])
def test_what_are_no_tools(raw: bytes) -> None:
    with pytest.raises(InputError, match="tools"):
        read_tools(raw, "claude47")


def test_a_text_with_bytes_that_are_no_text_is_the_providers_to_judge() -> None:
    (block,) = read_message(b'{"role":"user","content":"\xff"}', 0, "claude47").blocks
    assert block.part.kind == "text"


def test_lenient_reads_what_fits_and_nothing_else() -> None:
    assert lenient(b"7", int) == 7
    assert lenient(b'"7"', int) is None
    assert lenient(b'"\xff"', str) is None
    assert lenient(b"[" * 9_000, int) is None


def test_digests_keep_their_pieces_apart() -> None:
    assert digest_of(b"a", b"b") != digest_of(b"ab", b"")
