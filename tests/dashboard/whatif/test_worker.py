"""The process that replays: it answers, it is bounded, and what goes wrong in it is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fixtures import until
from thriftgate.core.errors import ThriftgateError
from thriftgate.dashboard.whatif.replayed import Answer, Known
from thriftgate.dashboard.whatif.traffic import Which
from thriftgate.dashboard.whatif.wish import Wish
from thriftgate.dashboard.whatif.worker import BEGIN_S, WAITING_MAX, Replayer, TooSlow, reply


def pid_of(replayer: Replayer) -> int | None:
    """Of its process; None where there is none."""
    process = replayer._process
    return None if process is None else process.pid


async def test_it_answers_and_keeps_what_it_has_read(recorded: Path, known: Known) -> None:
    replayer = Replayer(known)
    which = Which(str(recorded), 0, 2**62, 100, "")
    try:
        first = await replayer.answer(which, Wish())
        waiting = [replayer.answer(which, Wish(discount=10)) for _ in range(WAITING_MAX + 1)]
        told = await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(ThriftgateError, match="cannot be read"):
            await replayer.answer(Which("/nowhere/books.db", 0, 1, 1, ""), Wish())
    finally:
        replayer.close()
    assert first.would == first.paid > 0
    assert sum(isinstance(one, TooSlow) for one in told) == 1, "no more than some wait"
    assert {one.would for one in told if isinstance(one, Answer)} == {first.paid * 9 // 10}


async def test_it_begins_before_it_is_asked_and_ends_when_nobody_does(recorded: Path, known: Known) -> None:
    replayer = Replayer(known, idle_s=3.0)
    replayer.begin_soon()
    assert pid_of(replayer) is None, "not at once"

    async def begun() -> bool:
        return pid_of(replayer) is not None

    async def ended() -> bool:
        return pid_of(replayer) is None

    await until(begun)
    first = pid_of(replayer)
    told = await replayer.answer(Which(str(recorded), 0, 2**62, 100, ""), Wish())
    assert told.paid > 0
    assert pid_of(replayer) == first, "the one that was begun"
    await until(ended)
    replayer.begin_soon()
    await until(begun)
    assert pid_of(replayer) != first
    replayer.close()
    assert pid_of(replayer) is None


async def test_closed_while_it_begins(known: Known) -> None:
    replayer = Replayer(known)
    replayer.begin_soon()
    replayer.close()
    await asyncio.sleep(2 * BEGIN_S)
    assert replayer._process is None, "not begun any more"
    replayer._begin_now()
    replayer.close()
    assert replayer._process is None, "begun, and ended"


async def test_what_takes_too_long_is_ended(recorded: Path, known: Known) -> None:
    replayer = Replayer(known, answer_s=0.01)
    try:
        with pytest.raises(TooSlow, match="longer than"):
            await replayer.answer(Which(str(recorded), 0, 2**62, 100, ""), Wish())
        assert replayer._process is None
    finally:
        replayer.close()


def test_only_some_traffic_is_kept(recorded: Path, known: Known) -> None:
    kept: dict[Which, object] = {}
    for calls in (1, 2, 3):
        told = reply(Which(str(recorded), 0, 2**62, calls, ""), Wish(), known, kept)  # type: ignore[arg-type]
        assert isinstance(told, Answer)
    assert [which.calls for which in kept] == [2, 3]
