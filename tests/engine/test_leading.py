"""Who leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.fixtures import until
from thriftgate.core.errors import LedgerError
from thriftgate.engine import leading as module
from thriftgate.engine.leading import Leading


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.001)


class Claim:
    """A claim that is free or not, or that nobody can tell of."""

    def __init__(self, free: bool | None) -> None:
        self.free = free

    async def try_lead(self) -> bool:
        if self.free is None:
            raise LedgerError("no word from the books")
        return self.free


async def _reaches(condition: Callable[[], bool]) -> None:
    async def reached() -> bool:
        return condition()

    await until(reached)


async def test_without_a_claim_it_is_as_it_is() -> None:
    for leads in (True, False):
        one = Leading(leads=leads)
        told: list[bool] = []
        one.changed.append(_noting(told))
        one.start()
        await one.told()
        await asyncio.sleep(0.01)
        assert (one.leads, await one.look(), told) == (leads, leads, [True] if leads else [])
        await one.close()


async def test_a_gain_and_a_loss_are_told_once_and_duties_done_in_between() -> None:
    claim, told, rounds = Claim(free=False), list[bool](), list[bool]()
    one = Leading(claim.try_lead)
    one.changed.append(_noting(told))
    one.duties.append(lambda: _note(rounds, one.leads))
    assert not await one.look()
    one.start()
    await asyncio.sleep(0.01)
    assert (told, rounds) == ([], [])
    claim.free = True
    await _reaches(lambda: len(rounds) > 3)
    claim.free = None  # nobody can tell: then it does not lead
    await _reaches(lambda: told == [True, False])
    claim.free = True
    await _reaches(lambda: told == [True, False, True])
    await one.close()
    done = len(rounds)
    await asyncio.sleep(0.01)
    assert len(rounds) == done
    assert all(rounds)


async def test_what_fails_is_tried_again_and_keeps_nothing_else_from_being_done() -> None:
    claim, tries, told, rounds = Claim(free=True), list[bool](), list[bool](), list[bool]()

    async def fails_twice(leads: bool) -> None:
        tries.append(leads)
        if len(tries) < 3:
            raise LedgerError("not yet")

    async def breaks() -> None:
        raise ValueError

    one = Leading(claim.try_lead)
    one.changed += [fails_twice, _noting(told)]
    one.duties += [breaks, lambda: _note(rounds, value=True)]
    await one.look()
    with pytest.raises(LedgerError):
        await one.told()
    one.start()
    await _reaches(lambda: told == [True] and len(rounds) > 2)
    assert tries == [True] * 3
    await one.close()


def _noting(told: list[bool]) -> module.Change:
    return lambda leads: _note(told, leads)


async def _note(told: list[bool], value: bool) -> None:
    told.append(value)
