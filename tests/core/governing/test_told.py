"""What is read from the headers of an answer."""

from __future__ import annotations

import pytest

from thriftgate.core.governing.told import INPUT, OUTPUT, REQUESTS, TOKENS, Level, read_told, seconds_of

HEADERS = {
    "anthropic-ratelimit-requests-limit": "1000",
    "anthropic-ratelimit-requests-remaining": "999",
    "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:01Z",
    "anthropic-ratelimit-input-tokens-limit": "2000000",
    "anthropic-ratelimit-input-tokens-remaining": "0",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:01:30Z",
    "anthropic-fast-output-tokens-limit": "7000",
    "anthropic-fast-output-tokens-remaining": "6000",
    "date": "Sat, 21 Nov 2026 12:00:00 GMT",
}


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def test_limits_by_family_and_those_of_fast_mode_apart() -> None:
    told = read_told(raw(HEADERS))
    assert told.levels[REQUESTS] == Level(1000.0, 999.0)
    assert (told.levels[OUTPUT], told.levels[TOKENS], told.retry_after_s) == (None, None, None)
    assert read_told(raw(HEADERS), fast=True).levels == (None, None, Level(7000.0, 6000.0), None)


def test_an_empty_bucket_that_is_full_in_more_than_a_minute_has_debts() -> None:
    assert read_told(raw(HEADERS)).levels[INPUT] == Level(2e6, 0.0, 1e6)  # full in a minute and a half
    for changed in ({"date": ""}, {"date": "Sat, 21 Nov 2026 09:00:00 GMT"}, {"date": "nonsense"}):
        assert read_told(raw(HEADERS | changed)).levels[INPUT] == Level(2e6, 0.0, 0.0)
    naive = {"anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:01:30"}
    assert read_told(raw(HEADERS | naive)).levels[INPUT] == Level(2e6, 0.0, 0.0)


@pytest.mark.parametrize("value", ["", "many", "-1", "0", "1.5", "²", "9" * 5_000])
def test_a_limit_that_cannot_be_read_is_not_told(value: str) -> None:
    assert read_told(raw(HEADERS | {"anthropic-ratelimit-requests-limit": value})).levels[REQUESTS] is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"7", 7.0), (b"0.5", 0.5), (b"0", 0.0), *((bad, None) for bad in (b"-1", b"inf", b"nan", b"", b"Sat, 21 Nov"))],
)
def test_retry_after(value: bytes, seconds: float | None) -> None:
    assert seconds_of(value) == seconds
    assert read_told([(b"retry-after", value)]).retry_after_s == seconds
