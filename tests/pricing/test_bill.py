"""What the `price` verb computes and prints."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.cost import Cost
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.usage import Tokens
from thriftgate.pricing.bill import bill_document, quote
from thriftgate.pricing.load import load_book

BOOK = load_book()
TODAY = date(2026, 11, 20)
COUNT = st.integers(0, 10**6)


def test_a_quote_is_the_bill_of_one_call() -> None:
    cost = quote(BOOK, "claude-sonnet-4-6", Tokens(10_000, output=500), on=TODAY, web_searches=3)
    document = bill_document(cost)
    assert document["cost_usd"] == "0.0675"
    assert [line["kind"] for line in document["lines"]] == ["input", "output", "web_search"]
    assert document["lines"][2] == {
        "kind": "web_search",
        "model": "claude-sonnet-4-6",
        "tokens": 3,
        "usd_per_mtok": "10000",
        "usd": "0.03",
    }
    assert document["price_book"] == BOOK.id


def test_a_quote_knows_day_mode_and_geography() -> None:
    tokens = Tokens(2_000, 10_000, 0, 50_000, 1_000)
    assert bill_document(quote(BOOK, "claude-sonnet-5-5", tokens, on=date(2026, 10, 6)))["cost_usd"] == "0.049"
    cost = quote(BOOK, "claude-sonnet-5-5", tokens, on=TODAY, mode="batch", geo="us")
    assert bill_document(cost)["cost_usd"] == "0.0242"
    with pytest.raises(UnknownPrice):
        quote(BOOK, "claude-sonnet-5-5", tokens, on=TODAY, mode="fast")


def test_a_call_of_nothing_costs_nothing_and_has_no_lines() -> None:
    assert bill_document(quote(BOOK, "claude-opus-5", Tokens(), on=TODAY)) == {
        "cost_usd": "0",
        "lines": [],
        "price_book": BOOK.id,
    }


@given(st.builds(Tokens, COUNT, COUNT, COUNT, COUNT, COUNT), st.integers(0, 20))
def test_the_printed_figures_recompute_exactly(tokens: Tokens, searches: int) -> None:
    cost: Cost = quote(BOOK, "claude-haiku-5-5", tokens, on=TODAY, mode="batch", geo="us", web_searches=searches)
    document = msgspec.json.decode(msgspec.json.encode(bill_document(cost)))
    lines = document["lines"]
    for line in lines:
        assert Decimal(line["usd_per_mtok"]) * line["tokens"] == Decimal(line["usd"]) * 10**6
    assert sum((Decimal(line["usd"]) for line in lines), Decimal(0)) == Decimal(document["cost_usd"])
