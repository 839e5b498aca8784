"""When a change of model pays in a conversation: ours, two simple rules and the exact optimum on the same conversations.

Each cell is one kind of conversation (`session_world.py`). The optimum is exact for its cell, knowing all that there is to
know beforehand; ours is told the same: means of gaps and turns, the share of easy turns. "naive" takes the cheap model on
every easy turn, "myopic" whatever costs less this turn. Savings are against the strong model for every turn.

Besides: what it costs to believe something false of the conversations; tries with the cheap model (cascades), in
conversations and one by one; the break-even lengths of a prefix, beside the formula for a single turn; how long a decision
takes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, to_builtins
from msgspec.structs import replace

from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align
from benchmarks.routing import session_play as play
from benchmarks.routing.data import DataSet
from benchmarks.routing.session_cells import grid
from benchmarks.routing.session_tries import Alone, Tried, alone, in_conversations
from benchmarks.routing.session_world import ANSWER, FRESH, GROWS, Cell, Costs, Exact, Pair, Rule, sessions
from thriftgate.core.routing.switching import Ahead, Side, worth_leaving

SESSIONS = 1_000
RULES: tuple[Rule, ...] = ("naive", "myopic")
NEVER_ABOVE = 1.01


class Scored(Struct, frozen=True):
    """Savings in one cell, in percent of what the strong model costs for every turn."""

    cell: Cell
    naive: float
    myopic: float
    ours: float
    exact: float

    @property
    def off(self) -> float:
        """Points below the optimum."""
        return self.exact - self.ours

    @property
    def below(self) -> float:
        """Points below the better simple rule."""
        return max(self.naive, self.myopic) - self.ours


class Misled(Struct, frozen=True):
    """Savings where conversations are not what they are taken for: the worst cell, and the mean over all."""

    belief: str
    cells: int
    worst: float
    mean: float
    naive_worst: float


class BreakEven(Struct, frozen=True):
    """The longest warm prefix that is left for a turn, None where no length is too long: by the formula, ours for the last
    turn, and ours with seven turns expected to follow at gaps of two minutes."""

    pair: str
    formula: float | None
    last_turn: int | None
    eight_turns: int | None


class Figures(Struct, frozen=True):
    """All that was measured; `decision_us` are the median and the 99th percentile."""

    cells: Sequence[Scored]
    misled: Sequence[Misled]
    tries: Sequence[Tried]
    alone: Sequence[Alone]
    break_even: Sequence[BreakEven]
    decision_us: tuple[float, float]


def measure(sets: Sequence[DataSet] = (), *, seed: int = 1, splits: int = SESSIONS, cells: Sequence[Cell] = ()) -> Figures:
    """`splits` is the number of conversations per cell. No data sets are needed."""
    del sets
    asked = cells or grid()
    scored = []
    for number, cell in enumerate(asked, 1):
        if number % 50 == 0:
            print(f"sessions: cell {number} of {len(asked)}", file=sys.stderr, flush=True)
        scored.append(score(cell, splits, seed))
    return Figures(
        scored,
        list(misled([cell for cell in asked if cell.turns > 2] or asked, max(1, splits // 10), seed)),
        list(in_conversations(asked, max(1, splits // 2), seed)),
        list(alone(seed, splits)),
        [break_even(pair) for pair in dict.fromkeys(cell.pair for cell in asked)],
        decision_us(asked[0].pair, splits),
    )


def score(cell: Cell, count: int, seed: int) -> Scored:
    """One cell. All but ours are exact; ours is the optimum and what it is found to cost more on the same conversations."""
    costs = Costs(cell)
    best = Exact(cell, costs)
    strong, naive, myopic = costs.always_strong(cell), *(Exact(cell, costs, rule).value for rule in RULES)
    drawn, ours, exact = sessions(cell, count, seed), play.ours(cell), play.exact(best)
    more = sum(play.cost(cell, costs, one, ours) - play.cost(cell, costs, one, exact) for one in drawn) / count
    all_costs = (naive, myopic, best.value + more, best.value)
    return Scored(cell, *[100.0 * (1.0 - one / strong) for one in all_costs])


BELIEFS: Sequence[tuple[str, Callable[[Cell], tuple[Cell, Cell]]]] = (
    ("three times as many turns as there are", lambda one: (one, replace(one, turns=one.turns * 3))),
    ("a third of the turns", lambda one: (one, replace(one, turns=max(1.0, one.turns / 3)))),
    ("gaps a quarter as long", lambda one: (one, replace(one, gap_s=one.gap_s / 4))),
    ("gaps four times as long", lambda one: (one, replace(one, gap_s=one.gap_s * 4))),
    ("60 % easy where 30 % are", lambda one: (replace(one, easy=0.3), one)),
    ("60 % easy where 90 % are", lambda one: (replace(one, easy=0.9), one)),
    ("the mean of even gaps alone", lambda one: (replace(one, law="even"), one)),
    ("the mean of heavy-tailed gaps alone", lambda one: (replace(one, law="heavy"), one)),
    ("the curve of even gaps", lambda one: (replace(one, law="even"),) * 2),
    ("the curve of heavy-tailed gaps", lambda one: (replace(one, law="heavy"),) * 2),
)


def misled(cells: Sequence[Cell], count: int, seed: int) -> Iterator[Misled]:
    """Ours, told something false of the conversations, or all that can be known of gaps that have no short memory."""
    for belief, of in BELIEFS:
        print(f"sessions: told {belief}", file=sys.stderr, flush=True)
        savings, naives = [], []
        for true, believed in map(of, cells):
            costs = Costs(true)
            drawn = sessions(true, count, seed)
            ways = (play.always_strong, play.naive, play.ours(true, believed, curve="curve" in belief))
            strong, naive, ours = (sum(play.cost(true, costs, one, way) for one in drawn) for way in ways)
            savings.append(100.0 * (1.0 - ours / strong))
            naives.append(100.0 * (1.0 - naive / strong))
        yield Misled(belief, len(savings), min(savings), sum(savings) / len(savings), min(naives))


def break_even(pair: Pair) -> BreakEven:
    """Study, section 5.10: the prefix at which one turn costs the same at both models, 300 tokens in and 500 out."""
    stay, go = (pair.rates[model](1_000) for model in (0, 1))
    scale = pair.ratios[1]
    gain = (stay.write_5m - go.write_5m * scale) * FRESH + (stay.output - go.output * scale) * ANSWER
    dearer = go.write_5m * scale - stay.read
    last, eight = (_longest(pair, turns) for turns in (0.0, 7.0))
    return BreakEven(pair.name, gain / dearer if dearer > 0 else None, last, eight)


def _longest(pair: Pair, turns: float) -> int | None:
    """By halving, up to 100,000 tokens of the cheap model, where some prices change."""
    ahead = Ahead(turns, 120.0, 0.6, GROWS)

    def leaves(prefix: int) -> bool:
        stay = Side("strong", pair.rates[0], ANSWER, prefix, 180.0)
        go = Side("cheap", pair.rates[1], round(ANSWER * pair.ratios[1]), ratio=pair.ratios[1])
        return worth_leaving(stay, go, prefix + FRESH, FRESH, ahead).go

    low, high = 0, round(100_000 / pair.ratios[1]) - FRESH
    if leaves(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if leaves(middle) else (low, middle)
    return low


def decision_us(pair: Pair, count: int) -> tuple[float, float]:
    """Median and 99th percentile of a decision in mid-conversation, with both caches warm and eight turns looked at."""
    took = []
    for number in range(count + 100):
        stay = Side("strong", pair.rates[0], ANSWER, 20_000 + number, 200.0)
        go = Side("cheap", pair.rates[1], ANSWER, 18_000, 100.0)
        began = time.perf_counter()
        worth_leaving(stay, go, 20_300 + number, FRESH, Ahead(7.0, 120.0, 0.6, GROWS))
        took.append((time.perf_counter() - began) * 1e6)
    return float(np.percentile(took[100:], 50)), float(np.percentile(took[100:], 99))


def goals(figures: Figures) -> list[Goal]:
    """C2 and C1 of the study, and aims beyond them."""
    cells, count = figures.cells, len(figures.cells)
    told = max(1.0 - one.worst / 100 for one in figures.misled)
    found = [
        *_pair(f"C2: points below the exact optimum, worst of {count} cells", (3.0, 1.5), max(one.off for one in cells)),
        *_pair(
            f"C2: points below the better of naive and myopic, worst of {count} cells",
            (1.0, 0.5),
            max(one.below for one in cells),
        ),
        *_pair(
            f"C1: cost / always strong, worst of {count} cells",
            (NEVER_ABOVE, 1.005),
            max(1.0 - one.ours / 100 for one in cells),
        ),
        *_pair(
            f"C1: the same with tries in conversations, worst of {len(figures.tries)} cells",
            (NEVER_ABOVE, 1.005),
            max(one.ours for one in figures.tries),
        ),
        *_pair(
            f"C1: the same with single tries, worst of {len(figures.alone)} kinds",
            (NEVER_ABOVE, 1.005),
            max(one.by_rule for one in figures.alone),
        ),
        Goal("cost / always strong with false beliefs, worst", NEVER_ABOVE, True, False, told),
        Goal("decision p50, us", 200.0, True, True, figures.decision_us[0]),
        Goal("decision p99, us", 1_000.0, True, False, figures.decision_us[1]),
    ]
    off = [abs(one.formula - one.last_turn) for one in figures.break_even if one.formula and one.last_turn]
    if off:
        found.append(Goal("break-even of the last turn: tokens from the formula", 5.0, True, True, max(off)))
    return found


def _pair(name: str, limits: tuple[float, float], value: float) -> list[Goal]:
    return [Goal(name, limit, True, must, value) for limit, must in zip(limits, (True, False), strict=True)]


def table(figures: Figures) -> str:
    """For people."""
    pairs = dict.fromkeys(one.cell.pair.name for one in figures.cells)
    parts = [_savings(name, [one for one in figures.cells if one.cell.pair.name == name]) for name in pairs]
    rows = [["told (else the truth)", "cells", "mean saving", "worst", "naive worst"]]
    rows += [
        [each.belief, str(each.cells), *map(_percent, (each.mean, each.worst, each.naive_worst))] for each in figures.misled
    ]
    parts += [align(rows), _tries(figures), _break_even(figures.break_even)]
    p50, p99 = figures.decision_us
    return "\n\n".join([*parts, f"a decision takes {p50:.0f} us (p99 {p99:.0f} us)"])


def _savings(name: str, cells: Sequence[Scored]) -> str:
    prefixes = sorted({one.cell.prefix for one in cells})
    rows = [[f"{name}: ours / optimum (naive, myopic), %", *[f"{prefix:,}" for prefix in prefixes]]]
    found: dict[str, dict[int, str]] = {}
    for one in cells:
        cell = one.cell
        where = f"{cell.ttl_s // 60} min cache, {cell.gap_s / 60:g} min gaps, {cell.turns:g} turns"
        text = f"{one.ours:.0f} / {one.exact:.0f} ({one.naive:.0f}, {one.myopic:.0f})"
        found.setdefault(where, {})[cell.prefix] = text
    rows += [[where, *[texts.get(prefix, "") for prefix in prefixes]] for where, texts in found.items()]
    return align(rows)


def _tries(figures: Figures) -> str:
    rows = [["tries: cost / always strong", "kinds", "always trying: worst", "mean", "by rule: worst", "mean"]]
    groups: dict[str, list[tuple[float, float]]] = {}
    for each in figures.tries:
        groups.setdefault(f"conversations, {each.cell.pair.name}", []).append((each.always, each.ours))
    for one in figures.alone:
        groups.setdefault(f"single calls, price ratio {one.ratio:g}", []).append((one.always, one.by_rule))
    for name, costs in groups.items():
        columns = list(zip(*costs, strict=True))
        rows.append([name, str(len(costs)), *[f"{of:.3f}" for column in columns for of in (max(column), _mean(column))]])
    return align(rows)


def _break_even(found: Sequence[BreakEven]) -> str:
    rows = [["longest warm prefix that is left", "formula, one turn", "ours, last turn", "ours, seven to come"]]
    for one in found:
        lengths = (one.formula, one.last_turn, one.eight_turns)
        rows += [[one.pair, *["any" if length is None else f"{length:,.0f}" for length in lengths]]]
    return align(rows)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _percent(points: float) -> str:
    return f"{points:.1f} %"


def document(figures: Figures) -> dict[str, Any]:
    """For machines."""
    return {
        "cells": [
            _where(one.cell)
            | {"naive": one.naive, "myopic": one.myopic, "ours": one.ours, "optimum": one.exact}
            | {"below_optimum": one.off, "below_simple": one.below}
            for one in figures.cells
        ],
        "misled": to_builtins(figures.misled),
        "tries": [_where(one.cell) | {"always": one.always, "ours": one.ours} for one in figures.tries],
        "single_tries": to_builtins(figures.alone),
        "break_even": to_builtins(figures.break_even),
        "decision_us": {"p50": figures.decision_us[0], "p99": figures.decision_us[1]},
    }


def _where(cell: Cell) -> dict[str, Any]:
    place: dict[str, Any] = {"pair": cell.pair.name, "ttl_s": cell.ttl_s, "gap_s": cell.gap_s, "turns": cell.turns}
    return place | {"prefix": cell.prefix, "easy": cell.easy}
