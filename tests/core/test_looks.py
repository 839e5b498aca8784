"""What is remembered of earlier requests, how much memory it takes, and what a later one is said to have changed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from thriftgate.core.cache import Breakpoint, client_breakpoints
from thriftgate.core.looks import (
    LOOKS_KEPT,
    STEP,
    Change,
    Look,
    Looks,
    Sent,
    change_since,
    head_count,
    pack,
    talk_key,
)
from thriftgate.core.memo import PartMemo
from thriftgate.core.prefix import read_prefix
from thriftgate.core.request import parse_request
from thriftgate.pricing.load import load_models

MODELS = load_models()
MEMO = PartMemo()
MARK = {"type": "ephemeral"}
MODEL = "claude-opus-4-8"


def text(words: str, *, mark: bool = False) -> dict[str, Any]:
    return {"type": "text", "text": words} | ({"cache_control": MARK} if mark else {})


def tool(name: str, words: int = 100) -> dict[str, Any]:
    return {"name": name, "description": "word " * words, "input_schema": {"type": "object"}}


def said(*words: str) -> list[dict[str, Any]]:
    """User and assistant in turn; the last message is marked."""
    last = len(words) - 1
    return [
        {"role": ("user", "assistant")[at % 2], "content": [text(word, mark=at == last)]} for at, word in enumerate(words)
    ]


def sent(number: int = 0, *, key: str = "key_a", at_s: float = 0.0, **members: Any) -> Sent:
    """Request `number`, with two tools and a system prompt unless told otherwise; None leaves a member out."""
    base: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 9,
        "tools": [tool("a"), tool("b")],
        "system": [text("be brief " * 200, mark=True)],
        "messages": said("hello"),
    }
    body = {name: value for name, value in (base | members).items() if value is not None}
    request = parse_request(msgspec.json.encode(body))
    prefix = read_prefix(request, MODELS[request.model], MEMO, key.encode())
    marks = client_breakpoints(request, prefix)
    return Sent(f"tg_{number}", key, request.model, request.mode, prefix, marks, at_s)


def look_of(one: Sent) -> Look:
    looks = Looks()
    looks.add(one, one.sent_s)
    return looks.of_talk(one)[0]


def change(before: Sent, now: Sent, *, same_talk: bool = True) -> Change | None:
    head = head_count(now.prefix)
    return change_since(look_of(before), now, pack(now.prefix.blocks), head=head, same_talk=same_talk)


def what(before: Sent, now: Sent) -> tuple[str, int | None, tuple[int, ...]] | None:
    found = change(before, now)
    return None if found is None else (found.what, found.at, found.repeated)


# --- memory ------------------------------------------------------------------------------------------------------------


def test_a_conversation_is_known_by_key_and_first_message() -> None:
    one = sent(0)
    assert talk_key(one) == talk_key(sent(1, messages=said("hello", "yes?", "more"), system=None, model="claude-opus-5-5"))
    assert talk_key(one) != talk_key(sent(1, key="key_b"))
    assert talk_key(one) != talk_key(sent(1, messages=said("good day")))


def test_the_latest_looks_of_a_conversation_are_kept() -> None:
    looks = Looks()
    for number in range(7):
        looks.add(sent(number, at_s=float(number)), number + 0.5, failed=number == 6)
    kept = looks.of_talk(sent(99))
    assert [look.id for look in kept] == [f"tg_{number}" for number in range(7 - LOOKS_KEPT, 7)]
    assert [look.id for look in looks.of_head(sent(99, messages=said("another")))] == [look.id for look in kept]
    assert (kept[-1].sent_s, kept[-1].began_s, kept[-1].failed) == (6.0, 6.5, True)
    assert len(looks) == 1


def test_other_heads_of_a_key_the_latest_first() -> None:
    looks = Looks()
    for number, system in enumerate(("one", "two", "three", "one")):
        looks.add(sent(number, system=[text(system)]), 0.0)
    assert [look.id for look in looks.of_key(sent(9, system=[text("two")]))] == ["tg_3", "tg_2"]
    assert list(looks.of_key(sent(9, key="key_b"))) == []
    assert looks.of_head(sent(9, tools=None, system=None)) == []


def test_a_growing_conversation_keeps_what_was_packed() -> None:
    looks = Looks()
    words: list[str] = []
    for number in range(6):
        words += [f"question {number}", f"answer {number}"]
        one = sent(number, messages=said(*words[:-1]))
        looks.add(one, 0.0)
        look = looks.of_talk(one)[-1]
        assert look.blocks == pack(one.prefix.blocks)
        assert (look.count, look.head) == (len(one.prefix.blocks), 3)
    edited = sent(9, messages=said("question 0", "not so", "question 1"))
    looks.add(edited, 0.0)
    assert looks.of_talk(edited)[-1].blocks == pack(edited.prefix.blocks)


def test_memory_is_bounded_by_conversations_and_by_bytes() -> None:
    few = Looks(conversations_max=10)
    for number in range(50):
        few.add(sent(number, messages=said(f"talk {number}")), 0.0)
    assert len(few) == 10
    assert few.of_talk(sent(99, messages=said("talk 39"))) == []
    assert len(few.of_talk(sent(99, messages=said("talk 40")))) == 1
    small = Looks(bytes_max=20_000)
    for number in range(200):
        small.add(sent(number, key=f"key_{number % 50}", messages=said(f"talk {number}")), 0.0)
        assert small.bytes_held <= 20_000
    assert 0 < len(small) < 20


def test_what_is_forgotten_is_no_longer_counted() -> None:
    looks = Looks(conversations_max=1, bytes_max=1)
    looks.add(sent(0), 0.0)
    assert (looks.bytes_held, len(looks)) == (0, 0)


def test_a_request_without_blocks_leaves_nothing() -> None:
    looks = Looks()
    nothing = sent(0, tools=None, system=None, messages=[])
    looks.add(nothing, 0.0)
    assert (len(looks), looks.bytes_held, looks.of_talk(nothing)) == (0, 0, [])


def test_how_long_what_it_marked_lives() -> None:
    one = sent(0, at_s=100.0)
    assert look_of(one).held_until_s() == 400.0
    hour = msgspec.structs.replace(one, breakpoints=(Breakpoint(2, "1h"), Breakpoint(3, "5m")))
    assert look_of(hour).held_until_s() == 3_700.0
    assert look_of(msgspec.structs.replace(one, breakpoints=())).held_until_s() == 100.0


@pytest.mark.parametrize(("ttl", "read", "refused"), [("1h", 0, True), ("5m", 0, False), ("1h", 700, False)])
def test_an_hour_that_was_refused_is_noted(ttl: Any, read: int, refused: bool) -> None:
    looks = Looks()
    one = msgspec.structs.replace(sent(0), breakpoints=(Breakpoint(2, ttl),))
    for number in range(2):
        looks.add(msgspec.structs.replace(one, id=f"tg_{number}"), 0.0)
    looks.hour_refused(one, [100, 200, 700, 705], read)
    assert [look.hour_refused for look in looks.of_talk(one)] == [refused, False]


def test_the_head_ends_where_messages_begin() -> None:
    assert head_count(sent(0).prefix) == 3
    assert head_count(sent(0, tools=None).prefix) == 1
    assert head_count(sent(0, tools=None, system=None).prefix) == 0
    assert len(pack(sent(0).prefix.blocks)) == 4 * STEP


# --- changes -----------------------------------------------------------------------------------------------------------

LATER: dict[str, Any] = {"messages": said("hello", "yes?", "go on")}


def test_a_conversation_that_goes_on_changes_nothing() -> None:
    assert what(sent(0), sent(1)) is None
    assert what(sent(0), sent(1, **LATER)) is None
    assert what(sent(0, **LATER), sent(1)) is None  # taken back to an earlier state
    assert what(sent(0), sent(1, messages=said("hello", "yes?", "go on"), tools=[tool("a"), tool("b")])) is None


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({"model": "claude-opus-5-5"}, ("model", None, (0, 1, 2, 3))),
        ({"speed": "fast"}, ("speed", None, (0, 1, 2, 3))),
        ({"tool_choice": {"type": "any"}}, ("tool_choice", None, (0, 1, 2, 3))),
        ({"thinking": {"type": "adaptive"}}, ("thinking", None, (0, 1, 2, 3))),
        ({"output_config": {"effort": "low"}}, ("effort", None, (0, 1, 2, 3))),
        ({"tools": [tool("a"), tool("c")]}, ("blocks", 1, (0, 1, 2, 3))),
        ({"tools": [tool("a"), tool("c", 300)]}, ("blocks", 1, (0, 2, 3))),
        ({"tools": [tool("b"), tool("a")]}, ("blocks", 0, (0, 1, 2, 3))),
        ({"tools": [tool("a"), tool("c"), tool("b")]}, ("blocks", 1, (0, 1, 2, 3, 4))),
        ({"tools": [tool("a")]}, ("blocks", 1, (0, 1, 2))),
        ({"tools": None}, ("blocks", 0, (0, 1))),
        ({"tools": [tool("c"), tool("b")], "tool_choice": {"type": "any"}}, ("blocks", 0, (0, 1, 2, 3))),
        ({"messages": said("hello", "no", "go on", "so", "well")}, None),
    ],
)
def test_what_changed_where_and_what_had_been_sent(
    now: dict[str, Any], expected: tuple[str, int | None, tuple[int, ...]] | None
) -> None:
    assert what(sent(0), sent(1, **(LATER | now))) == expected


def test_a_default_that_is_spelled_out_is_no_change() -> None:
    assert what(sent(0), sent(1, tool_choice={"type": "auto"}, thinking={"type": "disabled"})) is None


def test_an_edited_history_is_found_but_not_a_last_question_asked_anew() -> None:
    before = sent(0, messages=said("hello", "yes?", "go on", "gladly", "and then?"))
    assert what(before, sent(1, messages=said("hello", "yes!", "go on", "gladly", "and then?"))) == (
        "blocks",
        4,
        (0, 1, 2, 3, 4, 5, 6, 7),
    )
    assert what(before, sent(1, messages=said("hello", "yes?", "go on", "gladly", "or else?"))) is None


def test_of_another_conversation_only_the_head_is_compared() -> None:
    before = sent(0, **LATER)
    assert change(before, sent(1, messages=said("other")), same_talk=False) is None
    moved = change(before, sent(1, messages=said("other"), tools=[tool("a"), tool("c")]), same_talk=False)
    assert moved is not None
    assert (moved.what, moved.at, moved.repeated, moved.marked) == ("blocks", 1, (0, 1, 2), True)


def test_without_a_breakpoint_all_that_is_shared_counts_and_nothing_was_marked() -> None:
    before = msgspec.structs.replace(sent(0), breakpoints=())
    found = change(before, sent(1, tool_choice={"type": "any"}, **LATER))
    assert found is not None
    assert (found.repeated, found.marked) == ((0, 1, 2, 3), False)


def test_behind_the_deepest_breakpoint_nothing_could_have_been_read() -> None:
    before = msgspec.structs.replace(sent(0), breakpoints=(Breakpoint(1, "5m"),))
    found = change(before, sent(1, tool_choice={"type": "any"}))
    assert found is not None
    assert found.repeated == (0, 1)


@pytest.mark.parametrize(("words", "alike"), [(700, True), (720, True), (900, False), (40, False)])
def test_a_lone_system_prompt_is_the_same_text_changed_when_its_length_hardly_differs(words: int, alike: bool) -> None:
    before = sent(0, tools=None, system=[text("Monday " + "word " * 700, mark=True)])
    now = sent(1, tools=None, system=[text("Tuesday " + "word " * words, mark=True)], messages=said("other"))
    assert (change(before, now, same_talk=False) is not None) == alike


def test_short_system_prompts_of_one_length_are_different_applications() -> None:
    before = sent(0, tools=None, system=[text("You write poems.", mark=True)])
    now = sent(1, tools=None, system=[text("You sell shoes.", mark=True)], messages=said("other"))
    assert change(before, now, same_talk=False) is None


def test_the_short_hash_is_the_digest_of_the_block_as_it_was() -> None:
    before = sent(0)
    found = change(before, sent(1, tools=[tool("a"), tool("c")]))
    assert found is not None
    assert found.before == before.prefix.blocks[1].part.digest.hex()[:8]
