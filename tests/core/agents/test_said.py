"""What is read of a message, once."""

from __future__ import annotations

import pytest

from tests.core.agents.sessions import Session, raw_turns
from thriftgate.core.agents.said import Reader, Said, bit_of


def test_messages_are_read_once() -> None:
    reader, session = Reader(), Session().bash("ls", "a")
    first = reader.said(session.turns()[1])
    assert reader.said(session.bash("ls", "a").turns()[1]) is first
    marked = session.turns()[2]
    assert reader.said(marked) is reader.said(marked)


def test_another_reader_needs_not_read_again_what_is_noted_on_the_turn() -> None:
    turns = Session().bash("ls", "a").turns()
    assert [Reader().said(turn) for turn in turns] == [turn.said for turn in turns]
    assert Reader().said(turns[1]) is turns[1].said


def test_what_has_another_form_does_not_hide_the_rest() -> None:
    (turn,) = raw_turns(
        b'[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"Bash","input":{}},{"type":"text","text":7}]}]'
    )
    ((call_id, call),) = Reader().said(turn).calls
    assert (call_id, call.tool) == ("a", "Bash")


@pytest.mark.parametrize("role", [b"system", b"developer", b""])
def test_only_user_and_assistant_say_something(role: bytes) -> None:
    assert Reader().said(*raw_turns(b'[{"role":"%b","content":"x"}]' % role)) == Said()


def test_calls_made_so_far_are_told_from_any_point_on() -> None:
    session = Session().bash("ls", "a").bash("pwd", "b")
    turns, reader = session.turns(), Reader()
    (_, first), (_, second) = (reader.said(turns[at]).calls[0] for at in (1, 3))
    assert reader.made(turns, 3) == reader.made(turns, 4) == bit_of(first) | bit_of(second)
    assert reader.made(turns, 2) == bit_of(first)
    assert reader.made(session.turns(), 0) == reader.made(turns, -1) == 0
