"""Tokens are fetched once for all that wait, again before they end, and a failure is everybody's."""

from __future__ import annotations

import asyncio

import pytest

from tests.fixtures import TestClock
from tests.providers.clouds import Answers, Fountain
from thriftgate.core.errors import Unreachable
from thriftgate.providers.token_keeper import AGAIN_S, EARLY_S, Token, TokenKeeper
from thriftgate.providers.transport import Timeouts

NOWHERE, TIMEOUTS = Answers(), Timeouts()


class Slow(TestClock):
    """Lets others run whenever somebody sleeps."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        await super().sleep(seconds)


async def test_one_token_for_all_that_wait_and_until_shortly_before_its_end() -> None:
    source, clock = Fountain(), Slow()
    keeper = TokenKeeper(source)
    found = await asyncio.gather(*(keeper.token(NOWHERE, TIMEOUTS, clock) for _ in range(50)))
    assert {token.value for token in found} == {"t1"}
    clock.advance(3600 - EARLY_S - 1)
    assert (await keeper.token(NOWHERE, TIMEOUTS, clock)).value == "t1"
    clock.advance(1)
    found = await asyncio.gather(*(keeper.token(NOWHERE, TIMEOUTS, clock) for _ in range(50)))
    assert {token.value for token in found} == {"t2"}
    assert source.n == 2


async def test_a_short_life_leaves_time_to_be_used() -> None:
    source, clock = Fountain(life_s=100.0), Slow()
    keeper = TokenKeeper(source)
    await keeper.token(NOWHERE, TIMEOUTS, clock)
    clock.advance(70)
    await keeper.token(NOWHERE, TIMEOUTS, clock)
    assert source.n == 1
    clock.advance(10)
    await keeper.token(NOWHERE, TIMEOUTS, clock)
    assert source.n == 2


async def test_one_failure_for_all_that_wait_and_the_next_call_tries_anew() -> None:
    source, clock = Fountain(), Slow()
    source.fails = 1
    keeper = TokenKeeper(source)
    found = await asyncio.gather(*(keeper.token(NOWHERE, TIMEOUTS, clock) for _ in range(20)), return_exceptions=True)
    assert {(type(one), str(one)) for one in found} == {(Unreachable, "no token 1")}
    assert len({id(one) for one in found}) == 20  # each its own: a raised one gathers tracebacks
    assert (await keeper.token(NOWHERE, TIMEOUTS, clock)).value == "t2"


async def test_while_the_old_one_holds_a_failure_to_refresh_it_harms_nobody() -> None:
    source, clock = Fountain(), Slow()
    keeper = TokenKeeper(source)
    await keeper.token(NOWHERE, TIMEOUTS, clock)
    clock.advance(3600 - EARLY_S)
    source.fails = 100
    for _ in range(5):
        assert (await keeper.token(NOWHERE, TIMEOUTS, clock)).value == "t1"
    assert source.n == 2  # and it is not asked for at each call
    clock.advance(AGAIN_S)
    assert (await keeper.token(NOWHERE, TIMEOUTS, clock)).value == "t1"
    assert source.n == 3
    clock.advance(EARLY_S)
    with pytest.raises(Unreachable, match="no token 4"):
        await keeper.token(NOWHERE, TIMEOUTS, clock)


async def test_who_waits_goes_on_where_the_one_who_asked_has_left() -> None:
    source, clock = Fountain(), Slow()
    keeper = TokenKeeper(source)
    first = asyncio.ensure_future(keeper.token(NOWHERE, TIMEOUTS, clock))
    await asyncio.sleep(0)
    others = [asyncio.ensure_future(keeper.token(NOWHERE, TIMEOUTS, clock)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    found = await asyncio.gather(*others)
    assert {token.value for token in found} == {"t1"}
    assert first.cancelled()


async def test_one_that_waits_can_leave_without_taking_the_others_with_it() -> None:
    source, clock = Fountain(), Slow()
    keeper = TokenKeeper(source)
    first = asyncio.ensure_future(keeper.token(NOWHERE, TIMEOUTS, clock))
    await asyncio.sleep(0)
    leaving, staying = (asyncio.ensure_future(keeper.token(NOWHERE, TIMEOUTS, clock)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert {token.value for token in await asyncio.gather(first, staying)} == {"t1"}


async def test_a_token_that_is_not_taken_is_not_offered_again() -> None:
    source, clock = Fountain(), Slow()
    keeper = TokenKeeper(source)
    first = await keeper.token(NOWHERE, TIMEOUTS, clock)
    keeper.reject(first)
    second = await keeper.token(NOWHERE, TIMEOUTS, clock)
    keeper.reject(first)  # by a call that was under way with the first one
    assert (await keeper.token(NOWHERE, TIMEOUTS, clock)) is second


def test_a_token_is_never_printed() -> None:
    assert "secret" not in repr(Token("secret", 1.0))
