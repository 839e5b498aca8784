"""How prompts were cached, as a document; `tests/cli/test_cache_report.py` prints it and prices what was saved."""

from __future__ import annotations

from typing import get_args

from thriftgate.answers.cache import ADVICE, cache_document
from thriftgate.core.misses import Cause
from thriftgate.ledger.entries import CacheReport, MissSum, PromptSum
from thriftgate.pricing.load import load_book


def test_each_cause_has_advice() -> None:
    assert ADVICE.keys() == set(get_args(Cause))


def test_the_document() -> None:
    total = PromptSum("", 2, 30, 10, 0, 20, 7)
    found = CacheReport(total, (MissSum("expired", 1, 5, 7, 7), MissSum("cold", 1, 5, 9, 0)), (), (), ())
    told = cache_document(found, load_book(), 0)
    assert (told["hit_share"], told["missed_usd"], told["avoidable_usd"]) == (0.5, "0.000000000007", "0.000000000007")
    assert [(one["cause"], one["avoidable"]) for one in told["misses"]] == [("expired", True), ("cold", False)]
    assert (told["since"], told["until"]) == ("1970-01-01T00:00:00.000Z", None)
