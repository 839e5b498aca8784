"""A purse: never more out than in it, whatever goes on at once."""

from __future__ import annotations

import threading

import pytest

from thriftgate.core.errors import BudgetExceeded
from thriftgate.engine.purse import Purse, drop, settle, take


def test_what_is_held_and_what_is_spent() -> None:
    purse = Purse(100)
    purse.take("a", 60)
    assert (purse.held_pico, purse.spent_pico) == (60, 0)
    purse.settle("a", 25)
    assert (purse.held_pico, purse.spent_pico) == (0, 25)
    purse.take("b", 75)
    purse.drop("b")
    purse.drop("b")
    purse.settle("never taken", 5)
    assert (purse.held_pico, purse.spent_pico) == (0, 30)


def test_what_does_not_fit_is_refused_and_says_why() -> None:
    purse = Purse(10**12)
    purse.take("a", 4 * 10**11)
    with pytest.raises(BudgetExceeded) as later:
        purse.take("b", 7 * 10**11)
    assert (later.value.held, later.value.status_hint, later.value.retry_after_s) == (True, 429, 1.0)
    purse.settle("a", 4 * 10**11)
    with pytest.raises(BudgetExceeded) as never:
        purse.take("b", 7 * 10**11)
    assert (never.value.held, never.value.status_hint) == (False, 402)
    assert str(never.value) == (
        "cost_limit: the call can cost up to $0.7, and of the $1 of its block $0.6 are left ($0.4 spent, $0 held by calls "
        "under way); raise the limit, or lower max_tokens"
    )
    purse.settle("dear", 10**12)
    with pytest.raises(BudgetExceeded, match=r"\$0 are left"):
        purse.take("b", 1)


def test_all_of_them_or_none() -> None:
    purses = (Purse(100), Purse(50), Purse(100))
    with pytest.raises(BudgetExceeded):
        take(purses, "a", 60)
    assert [purse.held_pico for purse in purses] == [0, 0, 0]
    take(purses, "b", 40)
    settle(purses, "b", 30)
    assert [purse.spent_pico for purse in purses] == [30, 30, 30]
    take(purses, "c", 20)
    drop(purses, "c")
    assert [purse.held_pico for purse in purses] == [0, 0, 0]


def test_threads_at_once() -> None:
    purse, most = Purse(1000), []
    gate = threading.Barrier(8)

    def work(name: int) -> None:
        gate.wait()
        for at in range(500):
            try:
                purse.take(f"{name}-{at}", 30)
            except BudgetExceeded:
                continue
            most.append(purse.held_pico + purse.spent_pico)
            purse.settle(f"{name}-{at}", 1)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert purse.held_pico == 0
    assert 900 < purse.spent_pico <= 1000
    assert max(most) <= 1000 + 30, "looked at without the lock, between two takes"
