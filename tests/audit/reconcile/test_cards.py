"""Single rates, and tokens priced under other terms."""

from __future__ import annotations

import pytest

from tests.audit.reconcile.scenes import BOOK, HAIKU, OPUS, SONNET, day_of
from thriftgate.audit.reconcile.cards import AS_IT_IS, Cards, Change
from thriftgate.audit.reconcile.keys import Cell
from thriftgate.core.errors import UnknownPrice

CARDS = Cards(BOOK)
DAY = day_of("2026-11-02")
USD = 10**12  # pico-dollars
READ = Cell(OPUS, "standard", "global", 0, "read")


@pytest.mark.parametrize(
    ("change", "usd"),
    [(AS_IT_IS, 0.2), (Change(geo="us"), 0.22), (Change(mode="fast"), 0.4), (Change(mode="batch", geo="us"), 0.11)],
)
def test_a_rate_under_other_terms(change: Change, usd: float) -> None:
    assert CARDS.rate(READ, DAY, change) == round(usd * USD)
    assert CARDS.amount({READ: 5_000_000}, DAY, change) == round(5 * usd * USD)
    assert change.parts == sum(map(bool, change))


def test_price_steps() -> None:
    low, high = (Cell(HAIKU, "standard", "global", above, "input") for above in (0, 100_000))
    assert (CARDS.steps(HAIKU), CARDS.steps(OPUS)) == ((100_000,), ())
    assert [CARDS.above(HAIKU, prompt) for prompt in (0, 100_000, 100_001)] == [0, 0, 100_000]
    assert CARDS.rate(low, DAY) == CARDS.rate(high, DAY, Change(step="low")) == USD // 10
    assert CARDS.rate(high, DAY) == CARDS.rate(low, DAY, Change(step="high")) == USD // 2


def test_the_price_of_another_day() -> None:
    read = Cell(SONNET, "standard", "global", 0, "read")
    (changed,) = CARDS.change_days(SONNET)
    assert changed == day_of("2026-10-07")
    assert CARDS.rate(read, DAY) == USD // 10
    assert CARDS.rate(read, DAY, Change(day=changed - 1)) == USD // 5


def test_what_has_no_price() -> None:
    cell = Cell("claude-haiku-4-5-20251001", "standard", "us", 0, "input")
    assert CARDS.rate(cell, DAY) is None
    assert CARDS.amount({READ: 1, cell: 1}, DAY) is None
    with pytest.raises(UnknownPrice):
        CARDS.strict_rate(cell, DAY)


def test_searches_cost_the_same_everywhere() -> None:
    cell = Cell("", "standard", "global", 0, "web_search")
    assert CARDS.amount({cell: 3}, DAY) == CARDS.amount({cell: 3}, DAY, Change(mode="batch")) == 3 * USD // 100
