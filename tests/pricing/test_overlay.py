"""The overlay file: complete, sourced, and read strictly."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.pricing.compile import OVERLAY
from thriftgate.pricing.overlay import parse_overlay

TEXT = OVERLAY.read_text(encoding="utf-8")


def test_every_table_of_the_shipped_overlay_says_where_it_is_from_and_when_it_was_checked() -> None:
    overlay = parse_overlay(TEXT)
    tables = (*overlay.rates, *overlay.batch, *overlay.geo, *overlay.ends, *overlay.skip, *overlay.unpriced)
    assert len(tables) > 10
    for table in tables:
        assert len(table.source) > 10, table
        assert table.checked.startswith("2026-"), table


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[", "overlay"),
        ("[surprise]\n", "surprise"),
        ('[web_search]\nusd_per_search = "0.01"\nchecked = "2026-11-20"\n', "source"),
    ],
)
def test_what_is_no_overlay_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_overlay(text)
