"""The plots over time: spend, by model and by kind of token, and the hit rate. All by UTC day, or by several days where
the log is long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

from thriftgate.audit.findings import DayModel, Findings
from thriftgate.audit.report.svg import (
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
from thriftgate.audit.report.wording import KINDS, MONTHS, day, day_text, money, money_short, percent, plain, tokens

BINS_MAX = 92
MODELS_MAX = 6
BAR_PX_MAX = 46.0
TICKS = 6
_LEFT = {WIDE: 64.0, NARROW: 50.0}
_HEIGHT = {WIDE: 250.0, NARROW: 190.0}
_TOP, _BOTTOM = 10.0, 24.0


class Bins(Struct, frozen=True):
    """Days in groups of `width`, from day `first` to day `last`, which need not fill the last group."""

    first: int
    last: int
    width: int
    count: int

    def of(self, on: int) -> int:
        """The group of a day."""
        return (on - self.first) // self.width

    def text(self, place: int) -> str:
        """Its days in words."""
        start = self.first + place * self.width
        if self.width == 1:
            return day_text(day(start))
        return f"{day_text(day(start))} to {day_text(day(min(start + self.width - 1, self.last)))}"

    def ticks(self, most: int) -> list[tuple[int, str]]:
        """At most so many groups to name, with the name: days, or the first group of a month where the span is long."""
        starts = [day(self.first + place * self.width) for place in range(self.count)]
        if self.last - self.first < 120:
            named = [(place, f"{on.day} {MONTHS[on.month - 1]}") for place, on in enumerate(starts)]
        else:
            new = [place for place, on in enumerate(starts) if not place or on.month != starts[place - 1].month]
            named = [(place, f"{MONTHS[starts[place].month - 1]} {starts[place].year}") for place in new]
        return named[:: -(-len(named) // most)]

    @property
    def whole(self) -> bool:
        """Whether the last group is as long as the others."""
        return (self.last - self.first + 1) % self.width == 0

    @property
    def unit(self) -> str:
        """What one group is."""
        return "day" if self.width == 1 else "week" if self.width == 7 else f"{self.width} days"


class Layer(NamedTuple):
    """One colour of a stack: pico-USD for each group of days."""

    name: str
    css: str
    values: list[int]


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


def bins_of(days: Sequence[DayModel]) -> Bins:
    """Single days up to three months, then weeks, then whatever gives at most `BINS_MAX` columns."""
    first, last = min(one.day for one in days), max(one.day for one in days)
    span = last - first + 1
    width = 1 if span <= BINS_MAX else 7 if span <= 7 * BINS_MAX else -(-span // BINS_MAX)
    return Bins(first, last, width, -(-span // width))


def spend_by_model(found: Findings) -> Figure | None:
    """Spend over time, the largest models apart and the others together. None where nothing was spent."""
    sums: dict[str, int] = {}
    for one in found.days:
        sums[one.model] = sums.get(one.model, 0) + one.pico
    if not any(one.pico for one in found.days):
        return None
    ranked = sorted(sums, key=lambda model: (-sums[model], model))
    apart = ranked if len(ranked) <= MODELS_MAX + 1 else ranked[:MODELS_MAX]
    place = {model: min(rank, len(apart)) for rank, model in enumerate(ranked)}
    names = [plain(model) for model in apart]
    names += [f"{len(ranked) - len(apart)} others"] if len(ranked) > len(apart) else []
    bins = bins_of(found.days)
    layers = [Layer(name, f"c{rank}", [0] * bins.count) for rank, name in enumerate(names)]
    for one in found.days:
        layers[place[one.model]].values[bins.of(one.day)] += one.pico
    return _stacked("Spend by model", bins, layers)


def spend_by_kind(found: Findings) -> Figure | None:
    """Spend over time by how tokens were billed. None where that is not told."""
    if not found.days:
        return None
    bins = bins_of(found.days)
    layers = {kind: Layer(words, f"k-{kind}", [0] * bins.count) for kind, words in KINDS.items()}
    for one in found.days:
        costs = asdict(one.kinds)
        for kind, layer in layers.items():
            layer.values[bins.of(one.day)] += costs[f"{kind}_pico"]
    used = [layer for layer in layers.values() if any(layer.values)]
    return _stacked("Spend by kind of token", bins, used) if used else None


def _stacked(title: str, bins: Bins, layers: list[Layer]) -> Figure:
    shares = ", ".join(f"{layer.name} {money(sum(layer.values))}" for layer in layers)
    label = f"{title}, by {bins.unit}, {bins.text(0)} to {bins.text(bins.count - 1)}: {shares}"
    return Figure(
        title=title,
        wide=_stack_picture(label, WIDE, bins, layers),
        narrow=_stack_picture(label, NARROW, bins, layers),
        columns=(bins.unit, *(layer.name for layer in layers), "all"),
        rows=tuple(
            (bins.text(place), *(money(layer.values[place]) for layer in layers), money(_total(layers, place)))
            for place in range(bins.count)
        ),
        legend=tuple((layer.css, f"{layer.name} {money(sum(layer.values))}") for layer in layers),
        caption=_caption(bins),
    )


def _caption(bins: Bins) -> str:
    each = f"US dollars a {bins.unit}" if bins.width in {1, 7} else f"US dollars in each {bins.unit}"
    return f"{each}, UTC." if bins.whole else f"{each}, UTC; the last is cut short."


def _total(layers: Sequence[Layer], place: int) -> int:
    return sum(layer.values[place] for layer in layers)


def _stack_picture(label: str, size: Size, bins: Bins, layers: list[Layer]) -> str:
    above = [sum(max(layer.values[place], 0) for layer in layers) for place in range(bins.count)]
    below = [sum(min(layer.values[place], 0) for layer in layers) for place in range(bins.count)]
    frame, inside = _frame(size, bins, (min(below), max(above)), money_short)
    half = min(frame.slot * 0.8, BAR_PX_MAX) / 2
    for place in range(bins.count):
        told = [f"{layer.name}: {money(layer.values[place])}" for layer in layers if layer.values[place]]
        words = "\n".join([bins.text(place), *told, f"all: {money(_total(layers, place))}"])
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


def _frame(size: Size, bins: Bins, ends: tuple[float, float], words: Callable[[float], str]) -> tuple[Frame, list[str]]:
    """The place of the columns, and the drawing with axes and grid so far."""
    left, right, bottom = _LEFT[size], float(size.width), _TOP + _HEIGHT[size]
    marks = ticks(min(ends[0], 0), max(ends[1], 0), TICKS)
    y = scale(marks[0], marks[-1], bottom, _TOP)
    frame = Frame(size, left, right, bottom, (right - left) / bins.count, y)
    inside = []
    for mark in marks:
        inside.append(stroke(left, y(mark), right, y(mark), "grid" if mark else "base"))
        inside.append(text(left - 8, y(mark) + 4, words(mark), class_="tick end"))
    for place, shown in bins.ticks(size.ticks):
        x = frame.middle(place)
        if x + len(shown) * CHARACTER_PX / 2 + 4 <= size.width:
            inside.append(text(x, bottom + 17, shown, class_="tick middle"))
    return frame, inside


def hit_rate_over_time(found: Findings) -> Figure | None:
    """The share of prompt tokens read from the cache. None where no prompt tokens are told."""
    if not any(one.kinds.prompt for one in found.days):
        return None
    bins = bins_of(found.days)
    read, prompt = [0] * bins.count, [0] * bins.count
    for one in found.days:
        read[bins.of(one.day)] += one.kinds.read
        prompt[bins.of(one.day)] += one.kinds.prompt
    whole = percent(sum(read), sum(prompt))
    label = f"Cache hit rate by {bins.unit}, {bins.text(0)} to {bins.text(bins.count - 1)}: {whole} of all prompt tokens"
    return Figure(
        title="Cache hit rate",
        wide=_rate_picture(label, WIDE, bins, read, prompt),
        narrow=_rate_picture(label, NARROW, bins, read, prompt),
        columns=(bins.unit, "prompt tokens", "read from cache", "hit rate"),
        rows=tuple(
            (bins.text(place), tokens(prompt[place]), tokens(read[place]), percent(read[place], prompt[place]))
            for place in range(bins.count)
        ),
        caption=f"Share of all prompt tokens that were read from the cache; {whole} over all.",
    )


def _rate_picture(label: str, size: Size, bins: Bins, read: list[int], prompt: list[int]) -> str:
    frame, inside = _frame(size, bins, (0, 100), lambda value: f"{value:.0f} %")
    steps: list[str] = []
    joined = False
    for place in range(bins.count):
        if not prompt[place]:
            joined = False
            continue
        x, y = frame.middle(place), frame.y(100 * read[place] / prompt[place])
        steps.append(f"{'L' if joined else 'M'}{x:.1f} {y:.1f}")
        joined = True
        words = f"{bins.text(place)}\n{percent(read[place], prompt[place])} of {tokens(prompt[place])} prompt tokens"
        dot = element("circle", cx=x, cy=y, r=2.6 if bins.count > 31 else 3.6, class_="dot")
        inside.append(element("g", hint(words), _catch(frame, place), dot))
    inside.append(element("path", d="".join(steps), class_="curve"))
    return picture(label, size.width, frame.bottom + _BOTTOM, *inside)
