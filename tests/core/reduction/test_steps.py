"""Steps that leave out the older part of a conversation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.reduction.steps import Step, clearable, cut_before, next_step, with_step

BARE = st.booleans()


def raw(role: str, content: Any) -> bytes:
    return msgspec.json.encode({"role": role, "content": content})


def agent(rounds: int, *, thinks: bool = False) -> list[bytes]:
    """A question, and so many rounds of tool use."""
    messages = [raw("user", "do it")]
    for n in range(rounds):
        thought = [{"type": "thinking", "thinking": "hm", "signature": "s"}] if thinks else []
        messages.append(raw("assistant", [*thought, {"type": "tool_use", "id": f"t{n}", "name": "ls", "input": {}}]))
        messages.append(raw("user", [{"type": "tool_result", "tool_use_id": f"t{n}", "content": "file " * 60}]))
    return messages


def decoded(messages: list[bytes]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(one) for one in messages]


def test_a_cut_keeps_tool_pairs_whole() -> None:
    messages = agent(5)
    assert [cut_before(messages, wanted) for wanted in range(1, 8)] == [1, 1, 3, 3, 5, 5, 7]
    assert cut_before([raw("user", "a"), raw("assistant", "b"), raw("user", "c")], 9) == 2
    assert cut_before([raw("user", "a")], 5) is None
    assert cut_before([raw("user", "a"), b"7"], 5) is None


def test_a_window_keeps_the_head_and_says_what_is_gone() -> None:
    messages = agent(5)
    sent = with_step(messages, Step("window", keep_from=7, upto=11, head=1))
    assert sent[0] is messages[0]
    assert decoded(sent)[1] == {
        "role": "user",
        "content": "[6 earlier messages of this conversation were left out here to save space.]",
    }
    assert sent[2:] == messages[7:]


def test_a_summary_stands_for_what_it_sums_up() -> None:
    messages = agent(5)
    sent = with_step(messages, Step("compact", keep_from=9, upto=11, text="all is well"))
    assert "<summary>\nall is well\n</summary>" in decoded(sent)[0]["content"]
    assert sent[1:] == messages[9:]


def test_old_tool_results_are_emptied() -> None:
    messages = agent(3)
    sent = with_step(messages, Step("clear", keep_from=4, upto=7))
    note = decoded(sent)[2]["content"][0]["content"]
    assert note.startswith("[An old tool result of ")
    assert sent[3:] == messages[3:]
    assert sent[:2] == messages[:2]
    short = [raw("user", [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}])]
    assert with_step(short, Step("clear", keep_from=1, upto=1)) == short


def test_thinking_from_before_goes_and_later_thinking_stays() -> None:
    messages = agent(4, thinks=True)
    sent = decoded(with_step(messages, Step("window", keep_from=3, upto=5, head=1, bare=True)))
    kinds = [[block["type"] for block in one["content"]] for one in sent if one["role"] == "assistant"]
    assert kinds == [["tool_use"], ["thinking", "tool_use"], ["thinking", "tool_use"]]


def test_a_message_that_only_thought_says_so() -> None:
    """Were it left out, two messages of the user would become one."""
    only = raw("assistant", [{"type": "thinking", "thinking": "hm", "signature": "s"}])
    messages = [raw("user", "a"), only, raw("user", "b")]
    sent = decoded(with_step(messages, Step("clear", keep_from=0, upto=3, bare=True)))
    assert sent[1]["content"] == [{"type": "text", "text": "[No answer was given here.]"}]
    assert [sent[0], sent[2]] == decoded([messages[0], messages[2]])


KINDS: tuple[Any, ...] = ("window", "compact", "clear")


def test_what_is_worth_emptying() -> None:
    long, short = {"type": "tool_result", "content": "x" * 300}, {"type": "tool_result", "content": "x"}
    assert clearable(raw("user", [short, {"type": "text", "text": "y" * 300}, long])) == {2: 302}
    assert clearable(raw("assistant", [long])) == clearable(raw("user", "tool_result")) == clearable(b"7") == {}


def test_a_window_keeps_the_summary_before_it() -> None:
    messages = agent(9)[:11]
    first = next_step(None, "compact", 5, len(messages), text="all is well")
    second = next_step(first, "window", 3, len(with_step(messages, first)))
    assert second == Step("window", keep_from=7, upto=11, head=1, text="all is well")
    sent = with_step(messages, second)
    said = [one["content"] for one in decoded(sent)]
    assert "all is well" in said[0]
    assert said[1].startswith("[6 earlier messages")
    assert sent[2:] == messages[7:]
    third = next_step(second, "compact", 4, len(sent), text="new")
    assert b"all is well" not in b"".join(with_step(messages, third))


def test_a_cut_at_the_note_does_not_bring_back_what_was_left_out() -> None:
    """Half of it: the result of a call that stays away."""
    messages = agent(2)
    first = next_step(None, "window", 3, 5)
    sent = with_step(messages, first)
    assert cut_before(sent, 1) == 1
    assert with_step(messages, next_step(first, "window", 1, len(sent))) == sent


def test_emptying_does_not_bring_back_what_was_left_out() -> None:
    messages = agent(9)
    first = next_step(None, "window", 7, 11)
    second = next_step(first, "clear", 4, len(with_step(messages, first)), bare=True)
    assert second == Step("window", keep_from=7, upto=19, head=1, bare=True, cleared=9)
    sent = with_step(messages, second)
    assert sent[:2] == with_step(messages, first)[:2]
    assert b"An old tool result" in sent[3]
    assert sent[4:] == messages[9:]
    assert next_step(second, "window", 6, len(sent)).cleared == 9


@given(st.integers(2, 8), st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 30), st.integers(0, 3)), max_size=5))
def test_step_upon_step(rounds: int, plan: list[tuple[Any, int, int]]) -> None:
    """Told by the messages as they are sent, each step leaves the newest as they are, calls with their results, and no
    thinking from before any of them."""
    step: Step | None = None
    for kind, wanted, later in plan:
        messages = agent(rounds, thinks=True)
        sent = with_step(messages, step) if step is not None else messages
        at = cut_before(sent, min(wanted, len(sent) - 2))
        if at is None:
            continue
        step = next_step(step, kind, at, len(sent), text="so far" if kind == "compact" else "", bare=step is None)
        now = with_step(messages, step)
        assert len(messages) - len(now) == step.gone
        assert step.upto == len(messages)
        assert b"signature" not in b"".join(now)
        blocks = [block for one in decoded(now) if isinstance(one["content"], list) for block in one["content"]]
        calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
        assert {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"} <= calls
        rounds += later
        assert with_step(agent(rounds, thinks=True), step)[: len(now)] == now


@given(st.integers(1, 12), st.integers(1, 30), st.integers(0, 6), st.sampled_from(("window", "compact", "clear")), BARE)
def test_later_turns_only_append(rounds: int, wanted: int, later: int, kind: Any, bare: bool) -> None:
    """What was sent at one turn is the beginning of what is sent at the next."""
    messages = agent(rounds + later, thinks=True)
    now = messages[: 1 + 2 * rounds]
    cut = cut_before(now, wanted)
    if cut is None:
        pytest.fail("there is always a place behind the first message")
    step = Step(kind, keep_from=cut, upto=len(now), head=1 if kind == "window" else 0, text="so far", bare=bare)
    first, second = with_step(now, step), with_step(messages, step)
    assert second[: len(first)] == first
    assert second[len(first) :] == messages[len(now) :]
    blocks = [block for one in decoded(second) if isinstance(one["content"], list) for block in one["content"]]
    calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
    assert {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"} <= calls
