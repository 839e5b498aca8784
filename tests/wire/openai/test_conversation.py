"""Conversations that grow block by block."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import InputError
from thriftgate.wire.openai.conversation import OPENING, Conversation
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.parts import Block

FIELD = "messages[].role=system"


def block(text: str) -> Block:
    return {"type": "text", "text": text}


def told(turns: str, *, takes_system: bool = True) -> tuple[list[str], list[tuple[str, list[str]]], Report]:
    """Turns as letters: s, u and a, each with its place as text; the system, the messages and the report."""
    report = Report()
    conversation = Conversation(takes_system=takes_system, report=report, field=FIELD)
    for at, who in enumerate(turns):
        if who == "s":
            conversation.instruct([block(f"{who}{at}")])
        else:
            conversation.say("user" if who == "u" else "assistant", [block(f"{who}{at}")])
    conversation.end({})
    messages: list[tuple[str, list[str]]] = []
    for message in conversation.messages:
        content = message["content"]
        assert isinstance(content, list)
        messages.append((str(message["role"]), [one["text"] for one in content]))
    return [one["text"] for one in conversation.system], messages, report


def test_what_stands_first_is_the_system() -> None:
    assert told("ssua")[:2] == (["s0", "s1"], [("user", ["u2"]), ("assistant", ["a3"])])


def test_turns_of_one_side_are_one_message() -> None:
    assert told("uuaau")[1] == [("user", ["u0", "u1"]), ("assistant", ["a2", "a3"]), ("user", ["u4"])]


@pytest.mark.parametrize("turns", ["usa", "us"])
def test_a_later_instruction_where_messages_takes_it(turns: str) -> None:
    _, messages, report = told(turns)
    assert messages[:2] == [("user", ["u0"]), ("system", ["s1"])]
    assert not report.fields
    _, messages, report = told(turns, takes_system=False)
    assert messages[0] == ("user", ["u0", "<system>\ns1\n</system>"])
    assert report.fields == (FIELD,)


@pytest.mark.parametrize("turns", ["usu", "uasu", "uas"])
def test_a_later_instruction_where_messages_does_not_take_it(turns: str) -> None:
    """Only between the user's turn and the model's."""
    _, messages, report = told(turns)
    assert all(role != "system" for role, _ in messages)
    assert any(text.startswith("<system>\ns") for _, texts in messages for text in texts)
    assert report.fields == (FIELD,)


def test_a_conversation_that_the_user_does_not_begin() -> None:
    assert told("au")[1] == [("user", [OPENING]), ("assistant", ["a0"]), ("user", ["u1"])]
    assert told("s")[:2] == (["s0"], [("user", [OPENING])])


def test_no_conversation() -> None:
    with pytest.raises(InputError, match=r"^messages: "):
        told("")
