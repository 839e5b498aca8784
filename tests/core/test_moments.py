"""Moments as they are written for programs."""

from __future__ import annotations

import pytest

from thriftgate.core.moments import text_from_micros


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_262_400_001_500, "2026-11-21T12:00:00.001Z"),
        (1_795_000_000_123_456, "2026-11-18T11:06:40.123Z"),
    ],
)
def test_writing(micros: int, text: str) -> None:
    assert text_from_micros(micros) == text
