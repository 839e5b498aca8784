"""What is said of one call."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.entries import CACHED, entry_of
from thriftgate.cli.explanation import (
    Miss,
    explain_document,
    missed_read,
    priced_again,
    remarks_on,
    usage_document,
)
from thriftgate.core.usage import Iteration, Tokens, Usage
from thriftgate.ledger.entries import balanced
from thriftgate.pricing.load import load_book

BOOK = load_book()


def test_the_bill_is_priced_again() -> None:
    cost = priced_again(entry_of(), BOOK)
    assert cost is not None
    assert cost.pico == 2_600_000_000
    document = explain_document(entry_of(price_book=BOOK.id), BOOK)
    assert [line["kind"] for line in document["lines"]] == ["input", "read", "output"]
    assert document["lines_sum_usd"] == document["cost_usd"] == "0.0026"
    assert document["remarks"] == []


def test_the_served_model_is_the_one_priced_unless_the_book_lacks_it() -> None:
    sonnet = priced_again(entry_of(served_model="claude-sonnet-5-5"), BOOK)
    unknown = priced_again(entry_of(served_model="somebody-elses"), BOOK)
    assert sonnet is not None
    assert sonnet.lines[0].model == "claude-sonnet-5-5"
    assert unknown == priced_again(entry_of(), BOOK)
    assert priced_again(entry_of(served_model="", model="nobody"), BOOK) is None


@pytest.mark.parametrize(
    ("members", "miss"),
    [
        ({}, None),
        ({"usage": Usage(Tokens(input=1_100, output=100))}, Miss(1_000, 0)),
        ({"usage": Usage(Tokens(input=300, read=800, output=100))}, None),
        ({"usage": Usage(Tokens(input=400, read=700, output=100))}, Miss(1_000, 700)),
        ({"usage": Usage(Tokens(input=1_100)), "usage_source": "estimated"}, None),
        ({"usage": Usage(Tokens(input=1_100)), "decisions": ()}, None),
        ({"usage": Usage(Tokens(input=1_100)), "model": "nobody"}, None),
    ],
)
def test_a_read_that_did_not_come(members: dict[str, Any], miss: Miss | None) -> None:
    assert missed_read(entry_of(**members), BOOK) == miss
    document = explain_document(entry_of(**members), BOOK)["miss"]
    assert document == ({} if miss is None else {"read_tokens_expected": miss.expected, "read_tokens": miss.actual})


def test_a_write_that_was_forecast_is_no_miss() -> None:
    writing = type(CACHED)("cache.breakpoints", "applied", "marked", -1_000_000)
    assert missed_read(entry_of(decisions=(writing,), usage=Usage(Tokens(write_5m=1_000))), BOOK) is None


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"price_book": "an older one"}, "booked under price book an older one"),
        ({"model": "nobody", "served_model": ""}, "has no price for this call"),
        ({"outcome": "lost"}, "booked at its forecast"),
        ({"postings": balanced(0, 0, {})}, "this call was not billed"),
        ({"postings": balanced(1, 1, {})}, "other terms"),
        ({"usage_source": "estimated"}, "the usage is an estimate"),
    ],
)
def test_remarks(members: dict[str, Any], words: str) -> None:
    entry = entry_of(**{"price_book": BOOK.id} | members)
    assert any(words in remark for remark in remarks_on(entry, priced_again(entry, BOOK), BOOK))


def test_usage_names_its_buckets_and_iterations() -> None:
    usage = Usage(Tokens(1, 2, 3, 4, 6, 5), 7, (Iteration("compaction", Tokens(1), "claude-haiku-5-5"),))
    document = usage_document(entry_of(usage=usage))
    assert [document[f"{name}_tokens"] for name in Tokens.__struct_fields__] == [1, 2, 3, 4, 6, 5]
    assert (document["web_searches"], document["source"]) == (7, "exact")
    assert document["iterations"][0]["type"] == "compaction"
    assert document["iterations"][0]["model"] == "claude-haiku-5-5"
    assert document["iterations"][0]["input_tokens"] == 1
