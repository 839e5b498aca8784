"""What is kept of a logged request: boundaries, no text."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.audit.tables import OLD_OPUS, OPUS, call
from thriftgate.audit.prompts import Prompts
from thriftgate.audit.records import Record

TEXT = "Answer briefly, and only from what the customer has told you. " * 40
SECRET = "the customer's own words"
PROMPTS = Prompts()


def body(**members: Any) -> dict[str, Any]:
    return {"model": OPUS, "max_tokens": 64, "messages": [{"role": "user", "content": SECRET}], **members}


def read(request: dict[str, Any] | bytes, **fields: Any) -> Record:
    data = request if isinstance(request, bytes) else msgspec.json.encode(request)
    return PROMPTS.of(call(1, body=data, **fields))


def test_boundaries_in_the_order_of_the_prompt() -> None:
    found = read(
        body(
            tools=[{"name": "look", "description": TEXT, "input_schema": {"type": "object"}}],
            system=[{"type": "text", "text": TEXT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            messages=[
                {"role": "user", "content": SECRET},
                {"role": "assistant", "content": "yes"},
                {"role": "user", "content": [{"type": "text", "text": "go", "cache_control": {"type": "ephemeral"}}]},
            ],
        )
    )
    assert [(block.section, block.mark) for block in found.prompt] == [
        ("tools", ""), ("system", "1h"), ("messages", ""), ("messages", ""), ("messages", "5m"),
    ]  # fmt: skip
    ends = [block.end for block in found.prompt]
    assert ends == sorted(ends)
    assert ends[0] > 100
    assert [block.index for block in found.prompt if block.section == "messages"] == [0, 1, 2]
    assert (found.body, found.max_tokens) == (b"", 64)


def test_no_text_is_kept() -> None:
    kept = msgspec.json.encode(read(body(system=TEXT)))
    assert SECRET.encode() not in kept
    assert b"Answer briefly" not in kept


def test_a_shared_beginning_has_shared_digests() -> None:
    one = read(body(system=TEXT))
    two = read(body(system=TEXT, messages=[{"role": "user", "content": "something else"}]))
    assert one.prompt[0] == two.prompt[0]
    assert one.prompt[-1].digest != two.prompt[-1].digest
    assert read(body(system=TEXT)).prompt == one.prompt


def test_automatic_caching_marks_the_end() -> None:
    marks = [block.mark for block in read(body(system=TEXT, cache_control={"type": "ephemeral", "ttl": "1h"})).prompt]
    assert marks == ["", "1h"]


def test_both_tokenizers_count() -> None:
    new, old = read(body(system=TEXT)), read(body(system=TEXT, model=OLD_OPUS))
    assert new.prompt[-1].end == new.new_tokens
    assert old.prompt[-1].end == old.old_tokens
    assert 0 < new.old_tokens < new.new_tokens
    assert (old.old_tokens, old.new_tokens) != (old.new_tokens, old.old_tokens)


def test_what_the_log_tells_of_the_limit_counts() -> None:
    assert read(body(), max_tokens=9).max_tokens == 9


def test_what_is_no_request_leaves_the_record_as_it_was() -> None:
    plain = call(1, input=5)
    for data in (b"{", b"[]", b"null", b'{"model": 5}', b'{"model": "x", "messages": 7}', b"\xff", b"{}" * 9, b"[" * 9_000):
        found = PROMPTS.of(replace(plain, body=data))
        assert replace(found, prompt=(), old_tokens=0, new_tokens=0) == plain


scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5)
names = st.sampled_from(["type", "text", "role", "content", "cache_control", "ttl", "source", "input", "name"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(["system", "tools", "messages", "cache_control", "thinking", "tool_choice"]), values))
def test_no_body_is_a_traceback(members: dict[str, Any]) -> None:
    found = read({"model": OPUS, "messages": [], **members})
    assert found.body == b""
    assert found.input == 0


# --- what would be sent instead -------------------------------------------------------------------------------------------

DATED = "Today is 2026-11-{:02}.\n" + 3 * TEXT


def test_a_prompt_that_needs_rewriting_is_kept_twice() -> None:
    one, two = (read(body(system=DATED.format(day), model=OLD_OPUS)) for day in (20, 21))
    assert one.prompt[0].digest != two.prompt[0].digest  # the date stands first: nothing is shared
    assert [len(record.stabilised) for record in (one, two)] == [3, 3]
    assert one.stabilised[0] == two.stabilised[0]
    assert one.stabilised[1].digest != two.stabilised[1].digest
    assert one.stabilised[0].end > 0.9 * one.stabilised[1].end
    kept = msgspec.json.encode(one)
    assert SECRET.encode() not in kept
    assert b"2026-11" not in kept


def test_tools_in_any_order_are_one_prompt() -> None:
    tools = [{"name": name, "description": TEXT, "input_schema": {"type": "object"}} for name in ("b", "a")]
    shuffled = read(body(tools=tools, model=OLD_OPUS))
    sorted_ = read(body(tools=tools[::-1], model=OLD_OPUS))
    assert [block.digest for block in shuffled.stabilised] == [
        block.digest for block in sorted_.stabilised or sorted_.prompt
    ]
    assert shuffled.prompt[0].digest != shuffled.stabilised[0].digest


def test_what_is_stable_is_kept_once() -> None:
    for request in (body(model=OLD_OPUS), body(system=3 * TEXT, model=OLD_OPUS), body(system=DATED.format(20), model=OPUS)):
        assert read(request).stabilised == ()
    marked = [{"type": "text", "text": DATED.format(20), "cache_control": {"type": "ephemeral"}}]
    assert read(body(system=marked, model=OLD_OPUS)).stabilised == ()


def test_marks_come_along() -> None:
    said = [{"role": "user", "content": [{"type": "text", "text": "go", "cache_control": {"type": "ephemeral"}}]}]
    found = read(body(system=DATED.format(20), messages=said, model=OLD_OPUS))
    assert [block.mark for block in found.prompt] == ["", "5m"]
    assert [block.mark for block in found.stabilised] == ["", "", "5m"]
