"""What is known of conversations: the deepest turn counts, and it outlives the process."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.engine.standing import Standing, Standings

FIRST, SECOND = Standing("cheap", 1, 10.0, lever="route.rules"), Standing("strong", 2, 20.0)


def test_the_deepest_turn_counts() -> None:
    known = Standings()
    assert known.of([b"a", b"b"]) is None
    known.note(b"a", FIRST)
    known.note(b"c", SECOND)
    assert known.of([b"a", b"b"]) == FIRST
    assert known.of([b"a", b"b", b"c", b"d"]) == SECOND
    assert known.of([b"b"]) is None
    assert known.of([]) is None


def test_after_an_escalation_it_is_on_the_model_that_was_asked_for() -> None:
    known = Standings()
    known.note(b"a", FIRST)
    known.escalated([b"x", b"a"], "strong")
    assert known.of([b"a"]) == Standing("strong", 1, 10.0)
    known.escalated([b"nobody"], "strong")
    known.escalated([], "strong")
    assert known.of([b"nobody"]) is None


def test_it_is_kept() -> None:
    known, again = Standings(), Standings()
    known.note(b"a", FIRST)
    known.note(b"b", SECOND)
    again.restore(known.kept())
    assert (again.of([b"a"]), again.of([b"b"])) == (FIRST, SECOND)
    with pytest.raises(msgspec.MsgspecError):
        again.restore(b"\xc1")
    assert again.of([b"a"]) == FIRST
