"""Limits as they are written and told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.core.control.test_limits import bucket, limit
from thriftgate.core.control.limit_words import bucket_text, limit_document, metric_of, per_of, quoted, units_of
from thriftgate.core.errors import InputError


def test_words_are_read() -> None:
    assert metric_of(" input-tokens") == "input_tokens"
    assert per_of("hour") == "hour"
    assert [units_of("tokens", "10"), units_of("tokens", Decimal("1E+3")), units_of("usd", "0.5")] == [10, 1000, 5 * 10**11]
    for wrong in ("1.5", "-1", "", "x", "1" * 40, "٣", Decimal("NaN"), Decimal("0.1")):
        with pytest.raises(InputError, match="write a whole number"):
            units_of("requests", wrong)
    with pytest.raises(InputError, match="not an amount"):
        units_of("usd", "much")
    with pytest.raises(InputError, match="none of requests"):
        metric_of("words")
    with pytest.raises(InputError, match="none of second"):
        per_of("day")


def test_a_limit_is_told_exactly() -> None:
    told = limit_document(limit("usd", 25 * 10**10, per="hour", scope=("key=*",), created_us=1))
    assert told == {
        "id": "lim_1",
        "name": "agents",
        "metric": "usd",
        "amount": None,
        "amount_usd": "0.25",
        "per": "hour",
        "burst": None,
        "burst_usd": "0.25",
        "scope": ["key=*"],
        "created": "1970-01-01T00:00:00.000Z",
        "ended": None,
    }
    assert limit_document(limit("concurrency", 4))["per"] is None


def test_how_a_limit_stands_is_told_in_one_line() -> None:
    assert bucket_text(bucket(limit(amount=6), 4, member='tag="é'), 10_000_000, 0) == (
        'name="agents (tag=\'?)"; metric=requests; limit=6; remaining=3; reset=1970-01-01T00:00:30.000Z'
    )
    assert bucket_text(bucket(limit("usd", 10**12), 2 * 10**12), 0, 0).startswith(
        'name="agents"; metric=usd; limit=1; remaining=0;'
    )
    assert bucket_text(bucket(limit("concurrency", 4), 1), 0, 0) == 'name="agents"; metric=concurrency; limit=4; remaining=3'


def test_nothing_ends_a_quotation_or_a_header() -> None:
    assert quoted('a"b\r\nc\\dé') == "a'b??c?d?"
