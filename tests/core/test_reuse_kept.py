"""What `core/reuse.py` keeps over a restart, and what it knows when two processes are put together."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given

from tests.core.prompts import prompt, system
from tests.core.test_reuse import HEAD, STEPS, T, look, p5_of, places, send, served, steps_of
from thriftgate.core.reuse import Outlook, Reuse


def near(one: Outlook, other: Outlook) -> bool:
    """Equal but for the last digits: who decays, and when, is not quite the same."""
    if places(one) != places(other) or (one.seen_at, one.seen_s, one.app) != (other.seen_at, other.seen_s, other.app):
        return False
    pairs = zip(one.prospects, other.prospects, strict=True)
    return (one.again_5m, one.again_1h) == pytest.approx((other.again_5m, other.again_1h), rel=1e-5) and all(
        a.curve == pytest.approx(b.curve, rel=1e-5) and (a.parts, a.last_s) == pytest.approx((b.parts, b.last_s))
        for a, b in pairs
    )


@given(STEPS, STEPS)
def test_after_a_restart_the_same_is_expected(
    before: list[tuple[bool, list[str], float]], after: list[tuple[bool, list[str], float]]
) -> None:
    reuse, again = Reuse(), Reuse()
    for asked, now_s in steps_of(before):
        send(reuse, asked, now_s)
    again.restore(reuse.kept())
    for asked, gap_s in steps_of(after):
        now_s = T + 200_000 + gap_s
        assert near(look(reuse, asked, now_s), look(again, asked, now_s))


def test_after_a_restart_learning_goes_on() -> None:
    reuse = Reuse()
    reuse.restore(served(1.0).kept())
    fresh = prompt(HEAD, "a new question")
    assert p5_of(look(reuse, fresh, T + 60 * 300)) > 0.9
    for number in range(1_500):
        send(reuse, prompt(HEAD, f"one shot {number}"), T + 60 * (300 + number))
    assert p5_of(look(reuse, fresh, T + 60 * 1_800)) < 0.3


def test_two_processes_put_together_know_what_one_would() -> None:
    """Nothing is shared by their prompts but their classes, which are sums."""
    mine, theirs, both = Reuse(), Reuse(), Reuse()
    ours = [(T + 30 * at, system("A"), f"mine {at}", at % 3 == 0) for at in range(40)]
    yours = [(T + 30 * at + 15, system("B"), f"theirs {at}", at % 2 == 0) for at in range(40)]
    for when, head, name, returns in sorted([*ours, *yours], key=lambda one: one[0]):
        part = mine if head.name == "A" else theirs
        for reuse in (part, both):
            send(reuse, prompt(head, name), when)
            if returns:
                send(reuse, prompt(head, name, "answer", "more"), when + 10)
    for reuse in (mine, theirs, both):
        for _ in range(20):  # not all is booked at once
            reuse.pass_time(T + 3_500)
    mine.restore(theirs.kept())
    for name in ("A", "B", "C"):
        asked = prompt(system(name), "a new question")
        assert near(look(mine, asked, T + 3_500), look(both, asked, T + 3_500))


def test_nothing_is_taken_in_of_what_cannot_all_be_read() -> None:
    tree, classes = msgspec.msgpack.decode(served(1.0, conversations=3).kept())
    reuse, fresh = Reuse(), prompt(HEAD, "a new question")
    before = look(reuse, fresh, T)
    short = [[owner, code, [gaps[0], gaps[1][:-1], gaps[2]]] for owner, code, gaps in classes]
    for bad in ([tree[:-1], classes], [tree, [*classes, *short]], [tree, [*short, *classes]]):
        with pytest.raises(ValueError, match=r"bins|truncated"):
            reuse.restore(msgspec.msgpack.encode(bad))
    assert look(reuse, fresh, T) == before
    reuse.restore(msgspec.msgpack.encode([tree, classes]))
    assert look(reuse, fresh, T) != before


@pytest.mark.parametrize("data", [b"", b"\x93", msgspec.msgpack.encode({"tree": b""}), msgspec.msgpack.encode([b"", [1]])])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Reuse().restore(data)


def test_what_was_kept_with_other_bins_is_refused() -> None:
    tree, classes = msgspec.msgpack.decode(served(1.0, conversations=3).kept())
    for row in classes:
        row[2][1], row[2][2] = row[2][1][:-1], row[2][2][:-1]
    with pytest.raises(ValueError, match="bins"):
        Reuse().restore(msgspec.msgpack.encode([tree, classes]))
