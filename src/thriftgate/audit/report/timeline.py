"""The plots over time: spend, by model and by kind of token, and the hit rate. All by UTC day, or by several days where
the log is long."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import asdict

from thriftgate.audit.findings import DayModel, Findings
from thriftgate.audit.report.wording import KINDS
from thriftgate.drawing.svg import Figure
from thriftgate.drawing.timeline import Layer, Rate, rate, stacked
from thriftgate.drawing.words import MONTHS, day, day_text, plain

HIT_RATE = Rate(
    "prompt tokens", "read from cache", "hit rate", "Share of all prompt tokens that were read from the cache; {} over all."
)
BINS_MAX = 92
MODELS_MAX = 6


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
    return stacked("Spend by model", bins, layers, _caption(bins))


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
    return stacked("Spend by kind of token", bins, used, _caption(bins)) if used else None


def _caption(bins: Bins) -> str:
    each = f"US dollars a {bins.unit}" if bins.width in {1, 7} else f"US dollars in each {bins.unit}"
    return f"{each}, UTC." if bins.whole else f"{each}, UTC; the last is cut short."


def hit_rate_over_time(found: Findings) -> Figure | None:
    """The share of prompt tokens read from the cache. None where no prompt tokens are told."""
    if not any(one.kinds.prompt for one in found.days):
        return None
    bins = bins_of(found.days)
    read, prompt = [0] * bins.count, [0] * bins.count
    for one in found.days:
        read[bins.of(one.day)] += one.kinds.read
        prompt[bins.of(one.day)] += one.kinds.prompt
    return rate("Cache hit rate", bins, read, prompt, HIT_RATE)
