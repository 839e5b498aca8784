"""What conversations and runs have spent, and may still spend."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from tests.core.agents.sessions import Session
from tests.core.planning import prefix_of, request_of
from thriftgate.core.agents.limits import Amount, GuardLimits, Spent
from thriftgate.core.agents.loops import LoopLimits
from thriftgate.core.memo import Turn
from thriftgate.core.request import Request
from thriftgate.engine.runs import KEPT_S, Names, Runs

NOW_S = 1_795_262_400.0
LIMITS = GuardLimits(conversation_tokens=1_000, run_pico=10_000)
SECRET = "hunter2"


def sent(session: Session, **members: Any) -> tuple[Request, tuple[Turn, ...]]:
    request = request_of(messages=session.messages, **members)
    return request, prefix_of(request).turns


def names(runs: Runs, session: Session, key: str = "key_a", run: str = "", **members: Any) -> Names:
    return runs.names(*sent(session, **members), key, run, LIMITS)


def spend(runs: Runs, call: str, whose: Names, used: Amount, now_s: float = NOW_S) -> None:
    assert runs.reserve(call, whose, used, GuardLimits(), now_s).action == ""
    runs.settle(call, used, now_s)


def spent(runs: Runs, session: Session, run: str = "", now_s: float = NOW_S, **members: Any) -> tuple[Spent, Spent | None]:
    guard = runs.look(names(runs, session, run=run, **members), sent(session)[1], LIMITS, now_s)
    return guard.conversation, guard.run


def test_a_conversation_adds_up() -> None:
    runs, session = Runs(), Session()
    for call in range(4):
        assert spent(runs, session)[0] == Spent(Amount(100 * call, 10 * call), calls=call)
        spend(runs, f"c{call}", names(runs, session), Amount(100, 10))
        session.bash(f"step {call}", "done")


def test_whose_conversation_it_is() -> None:
    runs, session = Runs(), Session().bash("ls", "a")
    spend(runs, "c1", names(runs, session), Amount(100, 10))
    assert spent(runs, session.bash("more", "b"))[0].calls == 1
    for other in (
        names(runs, session, key="key_b"),
        names(runs, session, system="You are another."),
        names(runs, session, metadata={"user_id": "user_2"}),
        names(runs, Session().bash("pwd", "a")),
        names(runs, Session("Another task.").bash("ls", "a")),
    ):
        assert runs.look(other, sent(session)[1], LIMITS, NOW_S).conversation == Spent()


def test_conversations_that_begin_alike_do_not_add_up() -> None:
    """Eight tries of one task side by side: each is charged its own calls, and one first call."""
    runs = Runs()
    tries = [Session() for _ in range(8)]
    for at, session in enumerate(tries):
        whose = names(runs, session)
        assert (whose.conversation, bool(whose.opening)) == (b"", True)
        assert runs.reserve(f"first {at}", whose, Amount(900, 90), LIMITS, NOW_S).action == ""
    for at, session in enumerate(tries):
        runs.settle(f"first {at}", Amount(100 + at, 20 - at), NOW_S)
        session.bash(f"my own way {at}", "done")
    for at, session in enumerate(tries):
        assert spent(runs, session)[0] == Spent(Amount(107, 20), calls=1)  # the most that any first call took
        spend(runs, f"second {at}", names(runs, session), Amount(50, 5))
        assert spent(runs, session)[0] == Spent(Amount(157, 25), calls=2)


def test_a_run_spans_conversations() -> None:
    runs, one, other = Runs(), Session("one"), Session("other")
    spend(runs, "c1", names(runs, one, run="nightly-7"), Amount(100, 10))
    spend(runs, "c2", names(runs, other, run="nightly-7"), Amount(100, 10))
    assert spent(runs, one, run="nightly-7")[1] == Spent(Amount(200, 20), calls=2)
    assert spent(runs, one, run="nightly-8")[1] == Spent()
    assert spent(runs, one)[1] is None
    assert names(runs, one, key="key_b", run="nightly-7").run != names(runs, one, run="nightly-7").run


def test_in_a_thread_only_the_run_counts() -> None:
    runs = Runs()
    whose = names(runs, Session().bash("ls", "a"), run="r", thread={"type": "continue", "previous_message_id": "msg_1"})
    assert (whose.conversation, whose.opening) == (b"", b"")
    assert whose.run


def test_conversations_are_only_told_apart_where_they_have_a_ceiling() -> None:
    assert Runs().names(*sent(Session().bash("ls", "a")), "key_a", "", GuardLimits(run_tokens=1)) == Names()


def test_parallel_calls_cannot_pass_a_ceiling_together() -> None:
    runs, session = Runs(), Session().bash("ls", "a")
    whose = names(runs, session)
    passed = [runs.reserve(f"c{at}", whose, Amount(300, 1), LIMITS, NOW_S).action == "" for at in range(10)]
    assert passed == [True] * 3 + [False] * 7
    assert spent(runs, session)[0] == Spent(under_way=Amount(900, 3))
    runs.settle("c0", Amount(100, 1), NOW_S)
    assert spent(runs, session)[0] == Spent(Amount(100, 1), Amount(600, 2), 1)
    assert runs.reserve("c10", whose, Amount(301, 1), LIMITS, NOW_S).action == "stop"
    assert runs.reserve("c10", whose, Amount(300, 1), LIMITS, NOW_S).action == ""


def test_a_call_is_over_once() -> None:
    runs, session = Runs(), Session().bash("ls", "a")
    whose = names(runs, session, run="r")
    runs.reserve("c1", whose, Amount(300, 1), LIMITS, NOW_S)
    runs.reserve("c1", whose, Amount(400, 2), LIMITS, NOW_S)  # planned again: the last word counts
    assert spent(runs, session)[0].under_way == Amount(400, 2)
    runs.settle("c1", Amount(50, 1), NOW_S)
    runs.settle("c1", Amount(50, 1), NOW_S)
    runs.release("c1")
    runs.settle("never taken", Amount(50, 1), NOW_S)
    assert spent(runs, session, run="r") == (Spent(Amount(50, 1), calls=1), Spent(Amount(50, 1), calls=1))
    runs.reserve("c2", whose, Amount(300, 1), LIMITS, NOW_S)
    runs.release("c2")
    assert spent(runs, session)[0] == Spent(Amount(50, 1), calls=1)


def test_no_call_stays_under_way() -> None:
    """Calls of many conversations begin and end in any order: the sums are right at each step, and empty at the end."""
    limits = GuardLimits(conversation_tokens=2_000, run_tokens=5_000)
    for seed in range(50):
        random, runs = Random(seed), Runs()
        flying: dict[str, tuple[Names, Amount]] = {}
        used: dict[bytes, int] = {}
        for step in range(300):
            whose = Names(random.choice((b"", b"r1", b"r2")), b"c%d" % random.randrange(4))
            worst = Amount(random.randint(1, 500), 1)
            if runs.reserve(f"{step}", whose, worst, limits, NOW_S).action == "":
                flying[f"{step}"] = whose, worst
            if flying and random.random() < 0.6:
                call = random.choice(list(flying))
                names_of, most = flying.pop(call)
                if random.random() < 0.3:
                    runs.release(call)
                else:
                    cost = random.randint(0, most.tokens)
                    runs.settle(call, Amount(cost, 1), NOW_S)
                    for name in filter(None, names_of):
                        used[name] = used.get(name, 0) + cost
            assert all(used.get(name, 0) <= (5_000 if name.startswith(b"r") else 2_000) for name in used)
        for call in flying:
            runs.release(call)
        empty = sent(Session())[1]
        for name in (b"c0", b"c1", b"c2", b"c3"):
            known = runs.look(Names(b"r1", name), empty, limits, NOW_S)
            assert known.conversation.under_way == Amount()
            assert known.conversation.used.tokens == used.get(name, 0)
            assert known.run is not None
            assert known.run.under_way == Amount()


def test_loops_and_steps_are_looked_for_where_asked() -> None:
    runs, session = Runs(), Session()
    for _ in range(6):
        session.bash("npm test", "1 failing")
    turns = sent(session)[1]
    guard = runs.look(Names(), turns, GuardLimits(steps=4), NOW_S)
    assert guard.loop is not None
    assert guard.steps == 5  # more than four: how many more does not matter
    assert runs.look(Names(), turns, GuardLimits(steps=9), NOW_S).steps == 6
    nothing = runs.look(Names(), turns, GuardLimits(loops=None), NOW_S)
    assert (nothing.loop, nothing.steps) == (None, 0)
    assert runs.look(Names(), turns, GuardLimits(loops=LoopLimits(repeats=7, stalled=0)), NOW_S).loop is None


def test_it_is_kept_without_calls_under_way_and_without_words() -> None:
    runs, again, session = Runs(), Runs(), Session(f"My password is {SECRET}.").bash(f"echo {SECRET}", SECRET)
    whose = names(runs, session, run=SECRET)
    spend(runs, "c1", whose, Amount(100, 10))
    runs.reserve("c2", whose, Amount(100, 10), LIMITS, NOW_S)
    data = runs.kept()
    assert SECRET.encode() not in data
    again.restore(data)
    assert spent(again, session, run=SECRET) == (Spent(Amount(100, 10), calls=1), Spent(Amount(100, 10), calls=1))
    assert again.kept() == data
    with pytest.raises(msgspec.MsgspecError):
        again.restore(b"\xc1")


def test_it_forgets_what_was_long_ago() -> None:
    runs, session = Runs(), Session().bash("ls", "a")
    spend(runs, "c1", names(runs, session), Amount(100, 10))
    assert spent(runs, session, now_s=NOW_S + KEPT_S - 1)[0].calls == 1
    assert spent(runs, session, now_s=NOW_S + KEPT_S)[0] == Spent()
    spend(runs, "c2", names(runs, Session("new").bash("ls", "a")), Amount(1, 1), NOW_S + KEPT_S)
    again = Runs()
    again.restore(runs.kept())
    assert spent(again, session)[0] == Spent()
    short = Runs(kept_s=60.0)
    spend(short, "c1", names(short, session), Amount(100, 10))
    assert spent(short, session, now_s=NOW_S + 61)[0] == Spent()


def test_it_is_bounded() -> None:
    runs = Runs()
    for at in range(50_000):
        runs.reserve("c", Names(b"%d" % at), Amount(1, 1), LIMITS, NOW_S)
        runs.settle("c", Amount(1, 1), NOW_S)
    assert len(msgspec.msgpack.decode(runs.kept())) <= 20_000
