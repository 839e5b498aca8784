"""What is said of one call."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.entries import entry_of
from thriftgate.answers.explanation import explain_document, miss_document, priced_again, remarks_on, usage_document
from thriftgate.core.misses import Miss
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


def test_a_miss_is_told_with_what_was_expected() -> None:
    miss = Miss("prefix_changed", 900, 1_234_000_000, "tools[2] changed", True, 2, 12.5, "0a1b2c3d")
    usage = Usage(Tokens(input=50, write_5m=700, write_1h=200, read=100))
    entry = entry_of(miss=miss, usage=usage, read_expected_tokens=1_000, write_expected_tokens=40)
    assert explain_document(entry, BOOK)["miss"] == {
        "cause": "prefix_changed",
        "tokens": 900,
        "cost_usd": "0.001234",
        "avoidable": True,
        "detail": "tools[2] changed",
        "at_block": 2,
        "digest": "0a1b2c3d",
        "gap_s": 12.5,
        "read_tokens_expected": 1_000,
        "read_tokens": 100,
        "write_tokens_expected": 40,
        "write_tokens": 900,
    }


def test_no_miss_is_an_empty_object() -> None:
    assert explain_document(entry_of(read_expected_tokens=1_000), BOOK)["miss"] == {}
    assert miss_document(entry_of(miss=Miss("cold", 1, 2, "")))["digest"] is None


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
