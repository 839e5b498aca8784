"""What was found of the rules on one data set at one target, and how it is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from benchmarks.cache.report import align

Floats = NDArray[np.float64]

SMALL = 0.01  # hindsight that saves less than this part of the cost is no yardstick


class Tally(Struct, frozen=True):
    """Of one rule on one data set: in what part of the splits it broke its promise, and the mean part of the cost saved."""

    broken: float
    saved: float


class Cell(Struct, frozen=True):
    """All rules on one data set by one score, at one target and number of examples; what hindsight saves by 20 thresholds,
    by any mix, and by an oracle that knows both outcomes of each call."""

    data: str
    source: str
    theta: float
    examples: int
    splits: int
    hindsight: float
    mixed: float
    oracle: float
    rules: dict[str, Tally]


def realised(cells: Sequence[Cell], rule: str) -> float | None:
    """Mean part of the oracle's saving."""
    return float(np.mean([cell.rules[rule].saved / cell.oracle for cell in cells])) if cells else None


def oracle(cheap: Floats, strong: Floats, spared: Floats, theta: float) -> float:
    """The most that could be saved within the promise by who knows both outcomes: all calls that lose nothing go to the
    cheap arm, and the dearest of those that do, as far as the promise allows. `spared` is by call, in parts of all cost."""
    lost = strong - cheap
    free = spared > 0
    best = float(spared[(lost <= 0) & free].sum())
    left = int(((1 - theta) * strong.sum() - lost[(lost <= 0) & free].sum()) + 1e-9)
    return best + float(np.sort(spared[(lost > 0) & free])[::-1][:left].sum())


def share(cells: Sequence[Cell], rule: str, mixed: bool = False) -> float | None:
    """Mean part of hindsight's saving over the data sets where hindsight saves anything to speak of."""
    parts = [cell.rules[rule].saved / (cell.mixed if mixed else cell.hindsight) for cell in cells if cell.hindsight >= SMALL]
    return float(np.mean(parts)) if parts else None


def by_case(cells: Sequence[Cell]) -> dict[tuple[str, float, int], list[Cell]]:
    """The cells of all data sets together, by score, target and number of examples."""
    found: dict[tuple[str, float, int], list[Cell]] = {}
    for cell in cells:
        found.setdefault((cell.source, cell.theta, cell.examples), []).append(cell)
    return found


def blocks(cells: Sequence[Cell]) -> str:
    """One block for each case: a row for each rule."""
    found = []
    for (source, theta, n), here in by_case(cells).items():
        rows = [
            ["rule", "broken, mean", "worst", "on", "share of hindsight", "of mixed hindsight", "of the oracle", "saved"]
        ]
        for rule in here[0].rules:
            worst = max(here, key=lambda cell: cell.rules[rule].broken)
            mean, saved = (float(np.mean([getattr(cell.rules[rule], of) for cell in here])) for of in ("broken", "saved"))
            parts = [_number(share(here, rule)), _number(share(here, rule, mixed=True)), _number(realised(here, rule))]
            rows.append([rule, f"{mean:.1%}", f"{worst.rules[rule].broken:.1%}", worst.data, *parts, f"{saved:.1%}"])
        sets = ", ".join(f"{cell.data} {cell.hindsight:.1%}" for cell in here)
        head = f"{source}, target {theta:.0%}, n = {n}, {here[0].splits} splits; hindsight saves: {sets}"
        found.append(f"{head}\n{align(rows)}")
    return "\n\n".join(found)


def documents(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Figures for machines."""
    names = ("data", "source", "theta", "examples", "splits", "hindsight", "mixed", "oracle")
    return [
        {
            **{name: getattr(cell, name) for name in names},
            "rules": {rule: {"broken": tally.broken, "saved": tally.saved} for rule, tally in cell.rules.items()},
        }
        for cell in cells
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
