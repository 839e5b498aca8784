"""Both sides as rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.audit.reconcile.scenes import BOOK, HAIKU, OPUS, call, day_of, month, provider
from thriftgate.audit.moments import DAY_US
from thriftgate.audit.reconcile.books import OUTPUT_MAX, Books, Refused
from thriftgate.audit.reconcile.cards import Cards
from thriftgate.audit.reconcile.keys import Key
from thriftgate.audit.records import Record
from thriftgate.core.errors import InputError
from thriftgate.core.usage import Iteration, Tokens

DAY = day_of("2026-11-02")


def books_of(ours: Iterable[Record], cost: Iterable[Record] = (), usage: Iterable[Record] = ()) -> Books:
    books = Books(Cards(BOOK))
    books.take_billed(cost)
    books.take_reported(usage)
    books.take_ours(ours)
    return books


def key(kind: str, model: str = OPUS, **members: Any) -> Key:
    return Key(DAY, model, "wrkspc_a", "standard", "global", kind)._replace(**members)


def test_a_call_is_priced_by_kind_of_token() -> None:
    books = books_of([call(1, input=1_000_000, write_5m=0, write_1h=1_000, read=0, output=10, web_searches=2)])
    assert {one: row.ours for one, row in books.rows.items()} == {
        key("input"): 4 * 10**12,
        key("write_1h"): 8 * 10**9,
        key("output"): 200 * 10**6,
        key("web_search", model=""): 2 * 10**10,
    }
    assert books.rows[key("input")].tokens == 1_000_000


def test_each_iteration_at_its_own_model_and_length() -> None:
    own = Iteration("message", Tokens(input=200_000), "")
    other = Iteration("advisor", Tokens(input=1_000_000), HAIKU)
    books = books_of([call(1, iterations=(own, other))])
    assert books.rows[key("input")].ours == 8 * 10**11
    assert books.rows[key("input", HAIKU)].ours == 5 * 10**11
    assert [cell.above for cell in books.rows[key("input", HAIKU)].cells] == [100_000]


def test_sums_of_a_day_are_priced_at_the_lower_step() -> None:
    total = Record(source="usage", position=1, at_us=DAY * DAY_US, span_us=DAY_US, calls=0, model=HAIKU, read=10**9)
    assert books_of([total]).rows[key("read", HAIKU, workspace="")].ours == 10**13
    old = replace(total, model="claude-sonnet-4-6", at_us=day_of("2026-03-01") * DAY_US, context_window="200k-1M")
    (row,) = books_of([old]).rows.values()
    assert row.ours == 600 * 10**12


def test_refusals_stand_aside() -> None:
    free = call(1, stop_reason="refusal", stop_category="cyber", output=0)
    dear = call(2, stop_reason="refusal", stop_category="bio", output=0)
    streamed = call(3, stop_reason="refusal", stop_category="cyber", output=7)
    row = books_of([free, dear, streamed]).rows[key("input")]
    assert set(row.refused) == {Refused("cyber", counted=False), Refused("bio", counted=True)}
    assert row.tokens == dear.input + streamed.input
    assert row.uncounted == free.input


def test_estimates_leave_room() -> None:
    books = books_of([call(1, input=10, write_5m=0, write_1h=0, read=90, output=5, max_tokens=50, estimated=True)])
    rows = {name: books.rows[key(name)] for name in ("input", "read", "write_5m", "output")}
    assert {name: (row.less.total(), row.more.total()) for name, row in rows.items()} == {
        "input": (10, 90), "read": (90, 10), "write_5m": (0, 100), "output": (5, 45),
    }  # fmt: skip
    floor = books_of([call(1, output=5, output_is_floor=True)]).rows
    assert (floor[key("output")].less.total(), floor[key("output")].more.total()) == (0, OUTPUT_MAX - 5)
    assert floor[key("read")].more.total() == 0


def test_what_has_no_price_is_counted_and_not_zero() -> None:
    books = books_of([call(1, model="claude-next-9"), call(2, model="claude-next-9"), call(3, mode="fast", model=HAIKU)])
    assert sorted(books.unpriced.values()) == [1, 2]
    assert not books.rows


def test_sides_that_are_swapped_are_refused() -> None:
    made = provider(month())
    with pytest.raises(InputError, match=r"give it with --report"):
        books_of(made.cost_records())
    with pytest.raises(InputError, match=r"is no cost report"):
        books_of([], month())
    with pytest.raises(InputError, match=r"is no usage report"):
        books_of([], made.cost_records(), month())
    with pytest.raises(InputError, match=r"holds no charges"):
        books_of(month()).close()


def test_days_outside_the_report_are_left_out_and_told() -> None:
    ours = month(days=3)
    books = books_of(ours, provider([one for one in ours if one.at_us // DAY_US == DAY + 1]).cost_records())
    books.close()
    assert {one.day for one in books.rows} == {DAY + 1}
    assert set(books.outside) == {DAY, DAY + 2}
    books = books_of(ours, provider(ours).cost_records())
    books.close(DAY, DAY + 1)
    assert {one.day for one in books.rows} == {DAY}


def test_workspaces_that_only_one_side_names() -> None:
    ours = [replace(one, workspace="") for one in month()]
    books = books_of(ours, provider(month()).cost_records())
    books.close()
    assert {one.workspace for one in books.rows} == {""}
    assert any("workspaces" in note for note in books.notes)
    assert all(row.ours == row.billed for row in books.rows.values())


def test_a_usage_report_that_tells_less_than_the_cost_report_is_not_used() -> None:
    made = provider(month())
    books = books_of(month(), made.cost_records(), [replace(one, geo="") for one in made.usage_records()])
    books.close()
    assert "group_by[]=inference_geo" in books.notes[-1]
    assert {row.reported for row in books.rows.values()} == {None}
    books = books_of(month(), made.cost_records(), made.usage_records())
    books.close()
    assert books.notes == []
    assert all(row.reported == row.tokens for row in books.rows.values())


def test_writes_that_the_report_does_not_split() -> None:
    cost = [
        replace(one, token_type="write_unsplit") if one.token_type.startswith("write") else one
        for one in provider(month()).cost_records()
    ]
    books = books_of(month(), cost)
    books.close()
    assert all(row.ours == row.billed for row in books.rows.values())
