"""Words and figures in templates."""

from __future__ import annotations

import pytest

from thriftgate.dashboard.look import look_of
from thriftgate.dashboard.rendering import (
    bar,
    commands,
    digits_of,
    dollars,
    exact,
    figure,
    hits,
    moment,
    name,
    page,
    saving,
    share,
    usd,
)
from thriftgate.drawing.svg import Figure


@pytest.mark.parametrize(
    ("amount", "digits", "shown"),
    [
        ("12.3456789", None, "$12.35"),
        ("0.000000000001", None, "$0.0000000000010"),
        ("12.345", 2, "$12.34"),
        ("0.004", 2, "<$0.01"),
        ("-0.004", 2, "-<$0.01"),
        ("0", 2, "$0.00"),
        ("-1234.5", 2, "-$1,234.50"),
        ("what?", None, "–"),
    ],
)
def test_amounts_are_rounded_and_exact_underneath(amount: str, digits: int | None, shown: str) -> None:
    html = usd(amount, digits)
    assert f'value="{amount}"' in html
    assert html.striptags() == shown.replace("<", "<")


def test_other_amounts() -> None:
    assert (digits_of("1234"), digits_of("-9.99"), digits_of("0.01")) == (2, 4, 6)
    assert (dollars("3.999"), exact("0.0001"), exact("-2.5")) == ("$4.00", "$0.0001", "-$2.5")
    assert 'value="0.75"' in saving("0.25", "1")
    assert (share("1", "4"), share("1", "0"), hits(0.5), hits(None)) == ("25.0 %", "–", "50.0 %", "–")


def test_names_are_text() -> None:
    assert name("<script>") == "<bdi>&lt;script&gt;</bdi>"
    assert name("a\u202eb") == "<bdi>a\ufffdb</bdi>"
    long = name("x" * 10_000)
    assert len(long) < 800
    assert long.striptags().endswith("…")
    assert commands("do `this <b>` now") == "do <code>this &lt;b&gt;</code> now"


def test_bars_stay_within_their_rail() -> None:
    assert 'width="50"' in bar(1, 2)
    assert 'width="100" height="4" class="fill over"' in bar(9, 2, "over")
    assert 'width="0"' in bar(1, 0)
    assert "style" not in bar(1, 2)


def test_moments_are_of_the_zone() -> None:
    look = look_of({"zone": "Asia/Tokyo"}, 1_795_262_400.0)
    assert moment("2026-11-21T11:30:00Z", look) == "21 Nov 20:30"
    assert moment("2026-11-21T11:30:05Z", look, seconds=True) == "20:30:05"
    assert moment("2025-11-20T16:30:05Z", look, seconds=True) == "21 Nov 2025 01:30:05"
    assert moment("", look) == "–"


def test_figures_and_pages() -> None:
    assert figure(None) is None
    drawn = figure(Figure("t", "<svg/>", "<svg/>", ("a",), (("1",),)))
    assert drawn is not None
    assert drawn["wide"].__html__() == "<svg/>"
    assert "&lt;b&gt;" in page("error.html.jinja", home="/x", title="<b>", message="m")
