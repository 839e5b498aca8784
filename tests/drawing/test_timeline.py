"""Charts over time."""

from __future__ import annotations

from xml.etree import ElementTree

from thriftgate.dashboard.look import Steps
from thriftgate.drawing.timeline import Layer, Rate, rate, stacked

DAY_US = 86_400_000_000
STEPS = Steps("day", "UTC", tuple(20_000 * DAY_US + at * DAY_US for at in range(4)))


def test_columns_and_their_table_hold_the_same() -> None:
    figure = stacked("Spend", STEPS, [Layer("a", "c0", [10**12, 0, -(10**12)]), Layer("b", "c1", [1, 2, 3])], "USD a day.")
    assert figure.columns == ("day", "a", "b", "all")
    assert [row[1] for row in figure.rows] == ["$1.00", "$0.00", "-$1.00"]
    for drawing in (figure.wide, figure.narrow):
        root = ElementTree.fromstring(drawing)
        assert root.attrib["role"] == "img"
        assert "Spend, by day, 4 Oct 2024 to 6 Oct 2024" in root.attrib["aria-label"]
        assert len([one for one in root.iter("rect") if one.attrib["class"] == "c1"]) == 3
        assert len([one for one in root.iter("rect") if one.attrib["class"] == "c0"]) == 2


def test_a_curve_breaks_where_there_is_nothing() -> None:
    figure = rate("Hits", STEPS, [1, 0, 3], [4, 0, 4], Rate("tokens", "read", "share", "{} over all."))
    assert figure.caption == "50.0 % over all."
    assert [row[3] for row in figure.rows] == ["25.0 %", "–", "75.0 %"]
    curve = next(one for one in ElementTree.fromstring(figure.wide).iter("path") if one.attrib["class"] == "curve")
    assert curve.attrib["d"].count("M") == 2
