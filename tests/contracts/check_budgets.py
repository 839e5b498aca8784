"""What every ledger that keeps budgets must do. Checked by handing an opener of the ledger and its budgets to each of
`BUDGET_CHECKS`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from tests.contracts.check_ledger import DOLLAR, entry_of, hold_of
from thriftgate.core.control.budgets import Budget, Stage, Standing
from thriftgate.core.control.whose import Whose
from thriftgate.core.errors import BudgetExceeded, InputError
from thriftgate.ledger.budgets import BudgetBook
from thriftgate.ledger.entries import Entry, Hold, Ledger

DAY_US = 86_400_000_000
NOW_US = 20_000 * DAY_US + 5


class Books(NamedTuple):
    """A ledger and its budgets."""

    ledger: Ledger
    budgets: BudgetBook


OpenBooks = Callable[[], Books]
Check = Callable[[OpenBooks], Awaitable[None]]


def budget_of(name: str = "all", dollars: float = 10, **members: object) -> Budget:
    base = Budget(f"bud_{name}", name, int(dollars * DOLLAR), created_us=NOW_US)
    return replace(base, **members)


def taking(entry_id: str, dollars: float = 1, at_us: int = NOW_US, **members: object) -> Hold:
    """A call that costs so much at most, and half of it as expected."""
    worst = int(dollars * DOLLAR)
    base = hold_of(entry_id, opened_us=at_us, worst_pico=worst, forecast_pico=worst // 2)
    return replace(base, **members)


def costing(hold: Hold, dollars: float, **members: object) -> Entry:
    """The entry of a hold."""
    base = entry_of(
        hold.id, paid=int(dollars * DOLLAR), opened_us=hold.opened_us, key=hold.key, model=hold.model, status=200
    )
    return replace(base, whose=hold.whose, task=hold.task, provider=hold.provider, **members)


async def stands(books: Books, now_us: int = NOW_US) -> dict[str, tuple[float, float, float]]:
    """Dollars spent, held and in doubt, by name and member."""
    found = await books.budgets.standings(now_us)
    return {one.budget.name + one.member: amounts(one) for one in found}


def amounts(one: Standing) -> tuple[float, float, float]:
    return one.spent_pico / DOLLAR, one.held_pico / DOLLAR, one.doubt_pico / DOLLAR


async def a_call_takes_the_most_it_can_cost_and_gives_back_the_rest(opener: OpenBooks) -> None:
    books = opener()
    await books.budgets.put(budget_of())
    hold = taking("a", 4)
    (standing,) = await books.ledger.hold(hold)
    assert amounts(standing) == (0, 4, 0)
    assert await stands(books) == {"all": (0, 4, 0)}
    await books.ledger.settle(costing(hold, 1.5))
    assert await stands(books) == {"all": (1.5, 0, 0)}
    await books.ledger.close()


async def a_hard_budget_is_never_overspent(opener: OpenBooks) -> None:
    books = opener()
    await books.budgets.put(budget_of(dollars=10))
    results = await asyncio.gather(*(books.ledger.hold(taking(f"id{n:02}", 3)) for n in range(20)), return_exceptions=True)
    assert sum(isinstance(one, tuple) for one in results) == 3
    refused = [one for one in results if not isinstance(one, tuple)]
    assert {type(one) for one in refused} == {BudgetExceeded}
    assert len(await books.ledger.open_holds()) == 3
    held = refused[0]
    assert isinstance(held, BudgetExceeded)
    assert (held.status_hint, held.error_type) == (429, "rate_limit_error")  # there is room once the others are through
    assert "$9 is held by calls under way" in str(held)
    await books.ledger.close()


async def what_is_spent_is_refused_for_good(opener: OpenBooks) -> None:
    books = opener()
    await books.budgets.put(budget_of(dollars=10, window="day"))
    hold = taking("a", 9)
    await books.ledger.hold(hold)
    await books.ledger.settle(costing(hold, 9))
    with pytest.raises(BudgetExceeded, match=r"\$9 of \$10 is spent; this call could cost up to \$2") as refused:
        await books.ledger.hold(taking("b", 2))
    assert (refused.value.status_hint, refused.value.error_type) == (402, "billing_error")
    assert refused.value.free_in_s == (DAY_US - 5) / 1e6
    await books.ledger.hold(taking("c", 2, at_us=NOW_US + DAY_US))  # the next day has its own
    assert await stands(books, NOW_US + DAY_US) == {"all": (0, 2, 0)}
    await books.ledger.close()


async def a_soft_budget_only_counts(opener: OpenBooks) -> None:
    books = opener()
    await books.budgets.put(budget_of(dollars=1, hard=False, stages=(Stage(100),)))
    hold = taking("a", 8)
    (standing,) = await books.ledger.hold(hold)
    assert amounts(standing) == (0, 4, 0)  # as expected, not at worst
    await books.ledger.settle(costing(hold, 3))
    (standing,) = await books.ledger.hold(taking("b", 2))
    assert standing.stage == Stage(100)
    await books.ledger.close()


async def all_budgets_are_taken_from_or_none(opener: OpenBooks) -> None:
    books = opener()
    await books.budgets.put(budget_of("team", 10, scope=("team=search",)))
    await books.budgets.put(budget_of("model", 2, scope=("model=m",)))
    await books.budgets.put(budget_of("other", 1, scope=("team=sales",)))
    whose = Whose(team="search")
    with pytest.raises(BudgetExceeded, match="budget model"):
        await books.ledger.hold(taking("a", 3, whose=whose))
    assert await books.ledger.open_holds() == []
    await books.ledger.hold(taking("b", 2, whose=whose))
    assert await stands(books) == {"team": (0, 2, 0), "model": (0, 2, 0), "other": (0, 0, 0)}
    await books.ledger.close()


async def a_star_makes_one_for_each(opener: OpenBooks) -> None:
    books = opener()
    await books.budgets.put(budget_of("each", 2, scope=("key=*",)))
    await books.ledger.hold(taking("a", 2, key="k1"))
    await books.ledger.hold(taking("b", 2, key="k2"))
    with pytest.raises(BudgetExceeded, match=r"budget each \(key=k1\)"):
        await books.ledger.hold(taking("c", 1, key="k1"))
    assert await stands(books) == {"eachkey=k1": (0, 2, 0), "eachkey=k2": (0, 2, 0)}
    await books.ledger.close()


async def what_nobody_knows_stays_in_doubt(opener: OpenBooks) -> None:
    """A process was killed in the middle of a call: it may have cost the most it can."""
    books = opener()
    await books.budgets.put(budget_of(dollars=10))
    hold = taking("a", 6)
    await books.ledger.hold(hold)
    await books.ledger.settle(costing(hold, 3, usage_source="estimated", outcome="lost", resolution="expire", status=0))
    assert await stands(books) == {"all": (3, 0, 3)}
    with pytest.raises(BudgetExceeded, match=r"\$3 is in doubt"):
        await books.ledger.hold(taking("b", 5))
    assert await books.budgets.clear_doubt("bud_all") == 3 * DOLLAR
    await books.ledger.hold(taking("b", 5))
    # One whose answer broke off is booked by what came: no doubt.
    hold = taking("c", 2)
    await books.ledger.hold(hold)
    await books.ledger.settle(costing(hold, 1, usage_source="estimated", outcome="cut"))
    assert await stands(books) == {"all": (4, 5, 0)}
    await books.ledger.close()


async def a_new_budget_knows_what_was_spent_and_is_under_way(opener: OpenBooks) -> None:
    books = opener()
    for entry_id, at_us in (("a", NOW_US - DAY_US), ("b", NOW_US)):
        hold = taking(entry_id, 2, at_us=at_us)
        await books.ledger.hold(hold)
        await books.ledger.settle(costing(hold, 1))
    under_way = taking("c", 3)
    await books.ledger.hold(under_way)
    await books.ledger.hold(taking("d", 7, key="key_b"))
    await books.budgets.put(budget_of(window="day", scope=("key=key_a",)))
    assert await stands(books) == {"all": (1, 3, 0)}
    await books.ledger.settle(costing(under_way, 2))
    assert await stands(books) == {"all": (3, 0, 0)}
    await books.ledger.close()


async def a_call_is_charged_to_the_window_it_came_in(opener: OpenBooks) -> None:
    books = opener()
    await books.budgets.put(budget_of(window="day"))
    hold = taking("a", 4)
    await books.ledger.hold(hold)
    tomorrow = NOW_US + DAY_US
    await books.ledger.hold(taking("b", 10, at_us=tomorrow))
    await books.ledger.settle(costing(hold, 3))
    assert await stands(books) == {"all": (3, 0, 0)}
    assert await stands(books, tomorrow) == {"all": (0, 10, 0)}
    assert [(one.slot_us, one.spent_pico) for one in await books.budgets.past("bud_all")] == [
        (20_001 * DAY_US, 0),
        (20_000 * DAY_US, 3 * DOLLAR),
    ]
    await books.ledger.close()


async def a_rolling_window_forgets_slot_by_slot(opener: OpenBooks) -> None:
    books = opener()
    await books.budgets.put(budget_of(window="rolling 24h"))
    for number in range(6):
        hold = taking(f"id{number}", 1, at_us=NOW_US + number * DAY_US // 6)
        await books.ledger.hold(hold)
        await books.ledger.settle(costing(hold, 1))
    for hours, spent in ((20, 6), (25, 5), (29, 4), (60, 0)):
        assert await stands(books, NOW_US + hours * DAY_US // 24) in ({"all": (spent, 0, 0)}, {} if not spent else None)
    await books.ledger.close()


async def budgets_are_changed_and_ended(opener: OpenBooks) -> None:
    books = opener()
    first = budget_of(dollars=1)
    await books.budgets.put(first)
    with pytest.raises(InputError, match="there is a budget 'all' already"):
        await books.budgets.put(replace(first, id="bud_2"))
    with pytest.raises(InputError, match="its scope and window stay"):
        await books.budgets.put(replace(first, window="day"))
    with pytest.raises(BudgetExceeded):
        await books.ledger.hold(taking("a", 2))
    await books.budgets.put(replace(first, limit_pico=3 * DOLLAR))
    hold = taking("a", 2)
    await books.ledger.hold(hold)
    await books.budgets.put(replace(first, ended_us=NOW_US))
    await books.ledger.hold(taking("b", 99))
    await books.ledger.settle(costing(hold, 2))  # what was taken is given back all the same
    assert [one.held_pico for one in await books.budgets.standings(NOW_US)] == []
    with pytest.raises(InputError, match="was ended"):
        await books.budgets.put(first)
    await books.budgets.put(replace(first, id="bud_2", created_us=NOW_US + 1))  # its name is free
    assert [one.ended_us for one in await books.budgets.all()] == [NOW_US, 0]
    await books.ledger.close()


async def large_sums_are_exact(opener: OpenBooks) -> None:
    books = opener()
    await books.budgets.put(budget_of(dollars=50_000_000))
    for number in range(4):
        hold = taking(f"id{number}", 9_000_000)
        await books.ledger.hold(hold)
        await books.ledger.settle(costing(hold, 9_000_000))
    assert await stands(books) == {"all": (36_000_000, 0, 0)}
    await books.ledger.close()


async def a_refused_write_takes_nothing(opener: OpenBooks) -> None:
    """Two holds of one id, at once: the second is an error, and leaves the budget as it was."""
    books = opener()
    await books.budgets.put(budget_of())
    results = await asyncio.gather(*(books.ledger.hold(taking("a", 2)) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(one, tuple) for one in results) == 1
    assert await stands(books) == {"all": (0, 2, 0)}
    await books.ledger.close()


BUDGET_CHECKS: tuple[Check, ...] = (
    a_call_takes_the_most_it_can_cost_and_gives_back_the_rest,
    a_hard_budget_is_never_overspent,
    what_is_spent_is_refused_for_good,
    a_soft_budget_only_counts,
    all_budgets_are_taken_from_or_none,
    a_star_makes_one_for_each,
    what_nobody_knows_stays_in_doubt,
    a_new_budget_knows_what_was_spent_and_is_under_way,
    a_call_is_charged_to_the_window_it_came_in,
    a_rolling_window_forgets_slot_by_slot,
    budgets_are_changed_and_ended,
    large_sums_are_exact,
    a_refused_write_takes_nothing,
)
