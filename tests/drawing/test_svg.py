"""Drawing: elements, scales and axes."""

from __future__ import annotations

import re

import pytest

from thriftgate.drawing.svg import (
    NARROW,
    WIDE,
    Axis,
    Line,
    Size,
    element,
    hint,
    picture,
    rect,
    row_chart,
    scale,
    shorten,
    stroke,
    text,
    ticks,
)


def test_elements_are_escaped() -> None:
    assert element("a", class_='x" onload="y', stroke_width=1.0) == '<a class="x&quot; onload=&quot;y" stroke-width="1"/>'
    assert text(1, 2.25, "<b>&", class_="t") == '<text x="1" y="2.2" class="t">&lt;b&gt;&amp;</text>'
    assert hint("a<b") == "<title>a&lt;b</title>"
    assert stroke(0, 1, 2, 3, "grid") == '<line x1="0" y1="1" x2="2" y2="3" class="grid"/>'
    assert 'aria-label="&quot;&lt;x&gt;&quot;"' in picture('"<x>"', 880, 10, hint("t"))


def test_a_box_can_always_be_seen() -> None:
    assert 'width="0.6"' in rect(5, 5, 5, 9)


@pytest.mark.parametrize("low", [0.0, -3.7, 812.5, 1e28])
@pytest.mark.parametrize("room", [0.0, 1e-9, 0.3, 7.0, 99.0, 1e15])
@pytest.mark.parametrize("most", [3, 5, 8])
def test_ticks_span_the_range(low: float, room: float, most: int) -> None:
    found = ticks(low, low + room, most)
    tiny = max(abs(low), 1e-12) * 1e-6 + room * 1e-8
    assert found == sorted(set(found))
    assert found[0] <= low + tiny
    assert found[-1] >= low + room - tiny
    assert 2 <= len(found) <= most + 2


def test_ticks_are_round() -> None:
    assert ticks(0, 105, 6) == [0, 25, 50, 75, 100, 125]
    assert ticks(0, 0, 5)[0] == 0


def test_a_scale_stays_inside() -> None:
    place = scale(10, 20, 100, 200)
    assert [place(at) for at in (0, 10, 15, 20, 99)] == [100, 100, 150, 200, 200]
    assert scale(5, 5, 0, 1)(5) == 0


def test_long_names_keep_both_ends() -> None:
    assert shorten("short", 100) == "short"
    cut = shorten("claude-a-very-long-name-20261120", 100)
    assert cut.startswith("claude-")
    assert cut.endswith("261120")
    assert len(cut) * 6.6 <= 100
    assert len(shorten("abcdefgh", -5)) == 3


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_rows(size: Size) -> None:
    lines = [
        Line(
            f"row {number} <&>",
            "$1",
            "+1 %",
            "told",
            lambda place, top, _: rect(place(0), top, place(5), top + 9),
            strong=True,
        )
        for number in range(3)
    ]
    axis = Axis(0, 10, [0, 5, 10], lambda at: f"{at:.0f} dollars", [(5, "mark")])
    drawn = row_chart("what it is", size, lines, axis)
    assert drawn.count("<title>told</title>") == 3
    assert drawn.count('class="mark"') == 1
    assert "row 1 &lt;&amp;&gt;" in drawn
    assert {"0 dollars", "10 dollars"} <= set(re.findall(r">(\d+ dollars)<", drawn))
    xs = [float(x) for x in re.findall(r' x="([\d.]+)"', drawn)]
    assert max(xs) <= size.width


def test_tick_texts_do_not_run_into_each_other() -> None:
    axis = Axis(0, 10, list(range(11)), lambda at: f"{at:.0f} long words", ())
    drawn = row_chart("x", NARROW, [Line("a", "b", "", "c", lambda *_: "")], axis)
    assert len(re.findall("long words", drawn)) < 6
