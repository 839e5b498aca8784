"""Charts over time: columns of layers, and shares as a curve. What the columns are (hours, days, weeks) the caller says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from thriftgate.drawing.svg import (
    CHARACTER_PX,
    NARROW,
    WIDE,
    Figure,
    Scale,
    Size,
    element,
    hint,
    picture,
    rect,
    scale,
    stroke,
    text,
    ticks,
)
from thriftgate.drawing.words import money, money_short, percent, tokens

BAR_PX_MAX = 46.0
TICKS = 6
_LEFT = {WIDE: 64.0, NARROW: 50.0}
_HEIGHT = {WIDE: 250.0, NARROW: 190.0}
_TOP, _BOTTOM = 10.0, 24.0


class Slots(Protocol):
    """The columns: how many, what each is called, which are named below the chart."""

    @property
    def count(self) -> int: ...

    @property
    def unit(self) -> str: ...

    def text(self, place: int) -> str: ...

    def ticks(self, most: int) -> list[tuple[int, str]]: ...


class Layer(NamedTuple):
    """One colour of a stack: pico-USD for each group of days."""

    name: str
    css: str
    values: list[int]


class Rate(NamedTuple):
    """The words of a chart of shares: of what, which part, and what the share is called; `caption` holds {} for it."""

    whole: str
    part: str
    share: str
    caption: str


class Frame(NamedTuple):
    """Where the columns of a plot stand."""

    size: Size
    left: float
    right: float
    bottom: float
    slot: float
    y: Scale

    def middle(self, place: int) -> float:
        """The middle of a column."""
        return self.left + (place + 0.5) * self.slot


def rate(title: str, slots: Slots, part: list[int], whole: list[int], words: Rate) -> Figure:
    """A curve of shares, from nothing to all; broken where there is no whole."""
    share = percent(sum(part), sum(whole))
    label = f"{title} by {slots.unit}, {slots.text(0)} to {slots.text(slots.count - 1)}: {share} of all {words.whole}"
    return Figure(
        title=title,
        wide=_rate_picture(label, WIDE, slots, list(zip(part, whole, strict=True)), words.whole),
        narrow=_rate_picture(label, NARROW, slots, list(zip(part, whole, strict=True)), words.whole),
        columns=(slots.unit, words.whole, words.part, words.share),
        rows=tuple(
            (slots.text(place), tokens(whole[place]), tokens(part[place]), percent(part[place], whole[place]))
            for place in range(slots.count)
        ),
        caption=words.caption.format(share),
    )


def stacked(title: str, slots: Slots, layers: list[Layer], caption: str) -> Figure:
    """Columns of layers, one above the other."""
    shares = ", ".join(f"{layer.name} {money(sum(layer.values))}" for layer in layers)
    label = f"{title}, by {slots.unit}, {slots.text(0)} to {slots.text(slots.count - 1)}: {shares}"
    return Figure(
        title=title,
        wide=_stack_picture(label, WIDE, slots, layers),
        narrow=_stack_picture(label, NARROW, slots, layers),
        columns=(slots.unit, *(layer.name for layer in layers), "all"),
        rows=tuple(
            (slots.text(place), *(money(layer.values[place]) for layer in layers), money(_total(layers, place)))
            for place in range(slots.count)
        ),
        legend=tuple((layer.css, f"{layer.name} {money(sum(layer.values))}") for layer in layers),
        caption=caption,
    )


def _total(layers: Sequence[Layer], place: int) -> int:
    return sum(layer.values[place] for layer in layers)


def _stack_picture(label: str, size: Size, slots: Slots, layers: list[Layer]) -> str:
    above = [sum(max(layer.values[place], 0) for layer in layers) for place in range(slots.count)]
    below = [sum(min(layer.values[place], 0) for layer in layers) for place in range(slots.count)]
    frame, inside = _frame(size, slots, (min(below), max(above)), money_short)
    half = min(frame.slot * 0.8, BAR_PX_MAX) / 2
    for place in range(slots.count):
        told = [f"{layer.name}: {money(layer.values[place])}" for layer in layers if layer.values[place]]
        words = "\n".join([slots.text(place), *told, f"all: {money(_total(layers, place))}"])
        middle, up, down = frame.middle(place), 0, 0
        bars = []
        for layer in layers:
            value = layer.values[place]
            start = up if value > 0 else down
            up, down = up + max(value, 0), down + min(value, 0)
            high, low = sorted((frame.y(start), frame.y(start + value)))
            if value:
                bars.append(rect(middle - half, high, middle + half, low, class_=layer.css))
        inside.append(element("g", hint(words), _catch(frame, place), *bars))
    return picture(label, size.width, frame.bottom + _BOTTOM, *inside)


def _catch(frame: Frame, place: int) -> str:
    """The whole column answers the pointer."""
    left = frame.left + place * frame.slot
    return rect(left, _TOP, left + frame.slot, frame.bottom, class_="catch")


def _frame(size: Size, slots: Slots, ends: tuple[float, float], words: Callable[[float], str]) -> tuple[Frame, list[str]]:
    """The place of the columns, and the drawing with axes and grid so far."""
    left, right, bottom = _LEFT[size], float(size.width), _TOP + _HEIGHT[size]
    marks = ticks(min(ends[0], 0), max(ends[1], 0), TICKS)
    y = scale(marks[0], marks[-1], bottom, _TOP)
    frame = Frame(size, left, right, bottom, (right - left) / slots.count, y)
    inside = []
    for mark in marks:
        inside.append(stroke(left, y(mark), right, y(mark), "grid" if mark else "base"))
        inside.append(text(left - 8, y(mark) + 4, words(mark), class_="tick end"))
    for place, shown in slots.ticks(size.ticks):
        x = frame.middle(place)
        if x + len(shown) * CHARACTER_PX / 2 + 4 <= size.width:
            inside.append(text(x, bottom + 17, shown, class_="tick middle"))
    return frame, inside


def _rate_picture(label: str, size: Size, slots: Slots, shares: list[tuple[int, int]], what: str) -> str:
    frame, inside = _frame(size, slots, (0, 100), lambda value: f"{value:.0f} %")
    steps: list[str] = []
    joined = False
    for place in range(slots.count):
        part, whole = shares[place]
        if not whole:
            joined = False
            continue
        x, y = frame.middle(place), frame.y(100 * part / whole)
        steps.append(f"{'L' if joined else 'M'}{x:.1f} {y:.1f}")
        joined = True
        words = f"{slots.text(place)}\n{percent(part, whole)} of {tokens(whole)} {what}"
        dot = element("circle", cx=x, cy=y, r=2.6 if slots.count > 31 else 3.6, class_="dot")
        inside.append(element("g", hint(words), _catch(frame, place), dot))
    inside.append(element("path", d="".join(steps), class_="curve"))
    return picture(label, size.width, frame.bottom + _BOTTOM, *inside)
