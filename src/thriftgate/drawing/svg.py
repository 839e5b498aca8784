"""Drawing in SVG that is written into a page: elements, scales, axes and charts of rows.

Each chart is drawn twice, for wide and for narrow pages, so that letters keep their size; the page shows the one that fits.
Colours are classes, which the page's style sheet fills in for light and dark.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

CHARACTER_PX = 6.6  # the mean width of a letter at 12 px
ASIDE_PX = 64.0

Scale = Callable[[float], float]


class Size(Struct, frozen=True):
    """The room a chart has, in pixels. `stacked` rows have their label above them, not beside."""

    width: int
    label: int
    value: int
    ticks: int
    stacked: bool


WIDE = Size(width=880, label=236, value=160, ticks=8, stacked=False)
NARROW = Size(width=332, label=0, value=0, ticks=4, stacked=True)


class Figure(Struct, frozen=True):
    """A drawing in both sizes, the table with the same figures, and what its colours mean (class, words). The first column
    and the `worded` ones hold words, the others figures."""

    title: str
    wide: str
    narrow: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    legend: tuple[tuple[str, str], ...] = ()
    caption: str = ""
    worded: tuple[str, ...] = ()


class Line(Struct, frozen=True):
    """One row of a chart of rows; `aside` stands behind the value. `draw` gets the scale and the top and height of its
    track."""

    label: str
    value: str
    aside: str
    hint: str
    draw: Callable[[Scale, float, float], str]
    strong: bool = False


class Axis(Struct, frozen=True):
    """What a chart of rows is drawn against. `marks` are lines through all rows: place, class."""

    low: float
    high: float
    ticks: Sequence[float]
    text: Callable[[float], str]
    marks: Sequence[tuple[float, str]] = ()


def element(tag: str, *inside: str, **attributes: object) -> str:
    """One element; `inside` is already markup, attributes are escaped. `class_` stands for class, `_` for a hyphen."""
    told = "".join(f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"' for name, value in attributes.items())
    return f"<{tag}{told}>{''.join(inside)}</{tag}>" if inside else f"<{tag}{told}/>"


def _value(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else html.escape(str(value))


def text(x: float, y: float, words: str, **attributes: object) -> str:
    """A line of text, escaped."""
    return element("text", html.escape(words, quote=False), x=float(x), y=float(y), **attributes)


def hint(words: str) -> str:
    """What shows up when the pointer rests on an element."""
    return element("title", html.escape(words, quote=False))


def rect(left: float, top: float, right: float, bottom: float, **attributes: object) -> str:
    """A box; never thinner than a hair, so that what is there can be seen."""
    width, height = max(right - left, 0.6), max(bottom - top, 0.6)
    return element("rect", x=float(left), y=float(top), width=float(width), height=float(height), **attributes)


def stroke(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=css)


def picture(label: str, width: float, height: float, *inside: str) -> str:
    """The whole drawing, named for those who cannot see it."""
    shape = "wide" if width == WIDE.width else "narrow"
    return element("svg", *inside, role="img", aria_label=label, class_=shape, viewBox=f"0 0 {width:g} {height:g}")


def shorten(words: str, room_px: float) -> str:
    """Cut to fit, with an ellipsis in the middle: both ends of a name tell something."""
    most = max(int(room_px / CHARACTER_PX), 3)
    if len(words) <= most:
        return words
    head = (most - 1) // 2 + (most - 1) % 2
    return f"{words[:head]}…{words[len(words) - (most - 1 - head) :]}"


def scale(low: float, high: float, start: float, end: float) -> Scale:
    """From values to pixels, cut off at the ends."""
    room = (high - low) or 1.0
    return lambda value: start + (end - start) * min(max((value - low) / room, 0.0), 1.0)


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most about `most` round values that span the range; the first is not above `low`, the last not below `high`."""
    room = (high - low) or abs(high) or 1.0
    raw = room / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((power * factor for factor in (1, 2, 2.5, 5) if power * factor >= raw * 0.999), power * 10)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [place * step for place in range(first, max(last, first + 1) + 1)]


def row_chart(label: str, size: Size, lines: Sequence[Line], axis: Axis) -> str:
    """One row for each line: its name, its track, its figure."""
    pitch, track = (44, 14) if size.stacked else (30, 16)
    left, right = (0.0, float(size.width)) if size.stacked else (float(size.label), float(size.width - size.value))
    place = scale(axis.low, axis.high, left + 4, right - 4)
    top, bottom = 4.0, 4.0 + pitch * len(lines)
    aside = ASIDE_PX if any(line.aside for line in lines) else 0.0
    inside = [stroke(place(at), top, place(at), bottom, "grid") for at in axis.ticks]
    inside += [stroke(place(at), top, place(at), bottom, css) for at, css in axis.marks]
    for number, line in enumerate(lines):
        at = top + number * pitch + (pitch - track - 3 if size.stacked else (pitch - track) / 2)
        inside.append(element("g", hint(line.hint), *_row_text(size, line, at, track, aside), line.draw(place, at, track)))
    inside += _tick_texts(axis, place, bottom + 15, size)
    return picture(label, size.width, bottom + 22, *inside)


def _row_text(size: Size, line: Line, top: float, track: float, aside: float) -> Iterable[str]:
    css = "name strong" if line.strong else "name"
    base = top - 6 if size.stacked else top + track / 2 + 4
    room = size.width - aside - len(line.value) * CHARACTER_PX - 12 if size.stacked else size.label - 12
    if not size.stacked:
        yield rect(0, top - 6, size.width, top + track + 6, class_="catch")
    yield text(0, base, shorten(line.label, room), class_=css)
    yield text(size.width - aside, base, line.value, class_="figure end")
    if line.aside:
        yield text(size.width, base, line.aside, class_="end")


def _tick_texts(axis: Axis, place: Scale, y: float, size: Size) -> Iterable[str]:
    """No text may run into the one before it or over the edge."""
    free = -1.0
    for at in axis.ticks:
        words, x = axis.text(at), place(at)
        half = len(words) * CHARACTER_PX / 2
        side = "start" if x - half < 0 else "end" if x + half > size.width else "middle"
        begins = {"start": x, "middle": x - half, "end": x - 2 * half}[side]
        if begins > free:
            yield text(x, y, words, class_=f"tick {side}")
            free = begins + 2 * half + 6
