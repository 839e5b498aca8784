"""Conversations of which everything is known: their prices, gaps, lengths, and the cheapest way to serve them, exactly.

Turn k (from 0) sends the prefix, `FRESH` new tokens and all turns before it, each of which added `GROWS`. A model that is
asked reads what it was sent in its last turn, if that is not longer ago than its cache lives, and writes the rest. A share
of the turns is easy and may go to the cheap model, the others must go to the strong one; nobody knows beforehand which. Time
runs in ticks; another turn follows with the same chance each time, up to `TURNS_MAX`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import erf, exp, log, sqrt
from random import Random
from typing import Literal, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from thriftgate.core.prices import Rates

STRONG, CHEAP = 0, 1
FRESH, ANSWER = 300, 500
GROWS = FRESH + ANSWER
TURNS_MAX = 40
TICK_S = {300: 15, 3600: 60}
SPREAD = 1.5  # of the heavy-tailed gaps: standard deviation of the logarithm

Law = Literal["exponential", "even", "heavy"]
Rule = Literal["best", "naive", "myopic"]
Floats = NDArray[np.float64]


class Pair(Struct, frozen=True):
    """A strong and a cheap model: rate cards by prompt length, tokens per token of the strong one's vocabulary, the shortest
    prompt that is cached, in their own tokens."""

    name: str
    rates: tuple[Callable[[int], Rates], Callable[[int], Rates]]
    ratios: tuple[float, float] = (1.0, 1.0)
    minimums: tuple[int, int] = (0, 0)


class Cell(Struct, frozen=True):
    """One kind of conversation. `prefix` in the strong model's tokens; `turns` and `gap_s` are means."""

    pair: Pair
    ttl_s: int
    gap_s: float
    turns: float
    prefix: int
    easy: float = 0.6
    law: Law = "exponential"

    @property
    def tick_s(self) -> int:
        return TICK_S[self.ttl_s]

    @property
    def life(self) -> int:
        """Ticks after which an entry is gone."""
        return self.ttl_s // self.tick_s

    @property
    def again(self) -> float:
        """Chance that another turn follows."""
        return 1.0 - 1.0 / self.turns

    def prompt(self, turn: int) -> int:
        """Strong model's tokens."""
        return self.prefix + FRESH + GROWS * turn

    def gaps(self) -> Floats:
        """Chance of a gap of 0, 1, … ticks; the last stands for all that outlive an entry."""
        ticks = self.life
        if self.law == "exponential":  # the shortest memory: geometric
            stop = 1.0 / (1.0 + self.gap_s / self.tick_s)
            chances = stop * (1.0 - stop) ** np.arange(ticks)
        elif self.law == "even":
            below, above = divmod(self.gap_s / self.tick_s, 1.0)
            chances = np.zeros(ticks + 2)
            chances[min(int(below), ticks)] += 1.0 - above
            chances[min(int(below) + 1, ticks)] += above
            chances = chances[:ticks]
        else:
            middle = log(self.gap_s) - SPREAD**2 / 2
            edges = [0.0] + [
                0.5 * (1 + erf((log((at + 0.5) * self.tick_s) - middle) / SPREAD / sqrt(2))) for at in range(ticks)
            ]
            chances = np.diff(np.array(edges))
        return np.append(chances, max(0.0, 1.0 - float(chances.sum())))

    def within(self, seconds: float) -> float:
        """Chance that a gap is not longer, by the law itself."""
        if self.law == "exponential":
            return 1.0 - exp(-seconds / self.gap_s)
        if self.law == "even":
            return float(seconds >= self.gap_s)
        middle = log(self.gap_s) - SPREAD**2 / 2
        return 0.5 * (1 + erf((log(seconds) - middle) / SPREAD / sqrt(2)))


class Session(NamedTuple):
    """Whether each turn is easy, and the gaps between them in ticks."""

    easy: Sequence[bool]
    gaps: Sequence[int]


def sessions(cell: Cell, count: int, seed: int) -> list[Session]:
    """Drawn from the cell's laws, the same for the same seed; lengths and easy turns in their exact proportions."""
    draw = Random(f"{seed} {cell.ttl_s} {cell.gap_s} {cell.turns} {cell.law} {cell.easy}")
    lengths = [_length(cell.again, (at + draw.random()) / count) for at in range(count)]
    draw.shuffle(lengths)
    total = sum(lengths)
    easy = [at < round(cell.easy * total) for at in range(total)]
    draw.shuffle(easy)
    chances = [float(one) for one in cell.gaps()]
    gaps = draw.choices(range(len(chances)), chances, k=total)
    found, at = [], 0
    for turns in lengths:
        found.append(Session(easy[at : at + turns], gaps[at + 1 : at + turns]))
        at += turns
    return found


def _length(again: float, share: float) -> int:
    """The length that so many conversations do not exceed."""
    return min(TURNS_MAX, 1 + int(log(1.0 - share) / log(again))) if again > 0.0 else 1


class Costs:
    """Pico-dollars of turn k at a model that has last served turn j: `of[model][k][j]`; j = k where its cache is cold."""

    def __init__(self, cell: Cell) -> None:
        self.of = [_costs(cell, model) for model in (STRONG, CHEAP)]

    def at(self, model: int, turn: int, last: int | None) -> float:
        """`last` is None for a cold cache."""
        return float(self.of[model][turn, turn if last is None else last])

    def always_strong(self, cell: Cell) -> float:
        """Expected cost of a conversation that never leaves the strong model."""
        lapse = float(cell.gaps()[-1])
        total = self.at(STRONG, 0, None)
        for turn in range(1, TURNS_MAX):
            cost = (1.0 - lapse) * self.at(STRONG, turn, turn - 1) + lapse * self.at(STRONG, turn, None)
            total += cell.again**turn * cost
        return total


def _costs(cell: Cell, model: int) -> Floats:
    pair, minimum = cell.pair, cell.pair.minimums[model]
    lengths = [round(cell.prompt(turn) * pair.ratios[model]) for turn in range(TURNS_MAX)]
    costs = np.full((TURNS_MAX, TURNS_MAX), np.nan)
    for turn, tokens in enumerate(lengths):
        rates = pair.rates[model](tokens)
        write = rates.input if tokens < minimum else rates.write_5m if cell.ttl_s == 300 else rates.write_1h
        answer = round(ANSWER * pair.ratios[model]) * rates.output
        for last in range(turn + 1):
            read = lengths[last] if minimum <= lengths[last] and last < turn else 0
            costs[turn, last] = (read * rates.read + (tokens - read) * write + answer) / 1e6
    return costs


class Exact:
    """The least expected cost, and the choices that lead to it, by dynamic programming over every state there is: the turn,
    the model that has served it, which turn the other one has last served, and how many ticks its entry has left. Or what a
    simple `rule` is expected to cost."""

    def __init__(self, cell: Cell, costs: Costs, rule: Rule = "best") -> None:
        self.cell, self.costs, self.rule = cell, costs, rule
        self.after: list[tuple[Floats, Floats]] = [_nothing(cell)]
        for turn in range(TURNS_MAX - 1, 0, -1):
            self.after.append(self._before(turn, self.after[-1]))
        self.after.reverse()

    def _before(self, turn: int, after: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
        """The worth of each state after turn - 1, from that after `turn`."""
        cell, life = self.cell, self.cell.life
        chances = cell.gaps()
        rest = life - np.arange(life + 1)  # of the entry just used, by gap
        left = np.maximum(0, np.arange(life + 1)[:, None] - np.arange(life + 1)[None, :])  # [left before, gap]
        found = []
        for on in (STRONG, CHEAP):
            off = 1 - on
            mine = np.where(rest > 0, self.costs.at(on, turn, turn - 1), self.costs.at(on, turn, None))  # [gap]
            keep = mine[None, None, :] + after[on][:, left]  # [last turn of the other, left, gap]
            theirs = np.full((TURNS_MAX, life + 1), self.costs.at(off, turn, None))
            theirs[:turn, 1:] = self.costs.of[off][turn, :turn, None]
            change = theirs[:, left] + after[off][turn - 1, rest][None, None, :]
            strong, cheap = (keep, change) if on == STRONG else (change, keep)
            if self.rule == "myopic":
                cheaper = (theirs[:, left] < mine) == (on == STRONG)
                easy = np.where(cheaper, cheap, strong)
            else:
                easy = {"best": np.minimum(keep, change), "naive": cheap}[self.rule]
            found.append(cell.again * ((cell.easy * easy + (1.0 - cell.easy) * strong) @ chances))
        return found[0], found[1]

    def go(self, turn: int, last: Sequence[int | None], left: Sequence[int]) -> bool:
        """Whether an easy turn goes to the cheap model, by which turn each has last served (None: never, or cold) and the
        ticks that their entries have left."""
        worths = []
        for model in (STRONG, CHEAP):
            other = 1 - model
            parked = last[other]
            after = self.after[turn][model]
            rest = float(after[parked or 0, left[other] if parked is not None else 0])
            worths.append(self.costs.at(model, turn, last[model]) + rest)
        return worths[CHEAP] < worths[STRONG]

    @property
    def value(self) -> float:
        """Expected cost of a conversation, with nothing warm at its first turn."""
        now = [self.costs.at(model, 0, None) for model in (STRONG, CHEAP)]
        strong, cheap = (one + float(self.after[0][model][0, 0]) for model, one in enumerate(now))
        best, cheaper = min(strong, cheap), cheap if now[CHEAP] < now[STRONG] else strong
        easy = {"best": best, "naive": cheap, "myopic": cheaper}[self.rule]
        return self.cell.easy * easy + (1.0 - self.cell.easy) * strong


def _nothing(cell: Cell) -> tuple[Floats, Floats]:
    zeros = np.zeros((TURNS_MAX, cell.life + 1))
    return zeros, zeros
