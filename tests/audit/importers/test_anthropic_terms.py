"""Every spelling that Anthropic's reports have for a tier, a bucket, a window and an amount becomes one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from thriftgate.audit.importers.anthropic_terms import bucket_of, mode_of, pico_of, window_of
from thriftgate.core.errors import InputError


@pytest.mark.parametrize(
    ("cost_type", "token_type", "bucket"),
    [
        ("tokens", "uncached_input_tokens", "input"),
        ("token", "input_no_cache", "input"),
        ("tokens", "cache_creation.ephemeral_1h_input_tokens", "write_1h"),
        (None, "cache_creation.ephemeral_5m_input_tokens", "write_5m"),
        ("token", "input_cache_write_1h", "write_1h"),
        ("token", "input_cache_write", "write_unsplit"),
        ("", "input_cache_read", "read"),
        ("tokens", "output_tokens", "output"),
        ("web_search", None, "web_search"),
        ("code_execution", "output", "code_execution"),
        ("tokens", "audio_tokens", "audio_tokens"),
        (None, None, ""),
    ],
)
def test_buckets(cost_type: str | None, token_type: str | None, bucket: str) -> None:
    assert bucket_of(cost_type, token_type) == bucket


@pytest.mark.parametrize(
    ("tier", "speed", "mode"),
    [
        (None, None, "standard"),
        ("message", "", "standard"),
        ("priority", "standard", "standard"),
        ("standard", "fast", "fast"),
        ("batch", None, "batch"),
        ("batch", "fast", "batch"),
        ("flex", None, None),
        ("flex", "fast", None),
    ],
)
def test_modes(tier: str | None, speed: str | None, mode: str | None) -> None:
    assert mode_of(tier, speed) == mode


def test_windows() -> None:
    assert window_of("≤ 200k") == window_of("<= 200K") == window_of("≤\u00a0200k") == window_of("0-200k") == "0-200k"
    assert window_of("> 200k") == window_of("200k-1M") == "200k-1M"
    assert window_of(" 1M-2M ") == "1M-2M"
    assert window_of(None) == ""


@pytest.mark.parametrize(
    ("amount", "cents", "pico"),
    [
        ("123.45", True, 1_234_500_000_000),
        ("123.45", False, 123_450_000_000_000),
        ("0.0000000001", True, 1),
        ("0.00000000005", True, 1),  # half a pico-dollar
        ("0.00000000004", True, 0),
        ("-2.5", True, -25_000_000_000),
        ("90071992547409.93", False, 90_071_992_547_409_930_000_000_000),  # more digits than a float holds
    ],
)
def test_amounts(amount: str, cents: bool, pico: int) -> None:
    assert pico_of(Decimal(amount), cents=cents) == pico


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e999999999", "1e-999999999"])
def test_no_amounts(amount: str) -> None:
    with pytest.raises(InputError):
        pico_of(Decimal(amount))
