"""Quality over cost of a score, and the figures by which routers are compared.

PGR is (quality of the policy − cheap) / (strong − cheap). APGR is the area under PGR over the share of strong calls, by
trapezoids through 11 points (the code of RouteLLM, https://github.com/lm-sys/RouteLLM, routellm/evals/evaluate.py,
2026-11-21). CPT(x) is the share of strong calls at which PGR x is reached. AIQ is the area under the non-decreasing convex
hull of (cost, quality) between the cheap and the strong model's cost, divided by that range (RouterBench's code divides by
the maximal cost instead). The saving at a floor is cost saved against always-strong at the cheapest point that keeps that
share of the strong model's quality: a threshold found in hindsight, no guarantee.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

Floats = np.ndarray[Any, np.dtype[np.float64]]

POINTS = 11
FLOORS = (0.95, 0.96, 0.97, 0.98, 0.99)
_HULL_POINTS = 201


class Truth(Struct, frozen=True):
    """What both models got right, 0 or 1, and what each call cost."""

    cheap: Floats
    strong: Floats
    cheap_cost: Floats
    strong_cost: Floats

    def some(self, at: Any) -> Truth:
        return Truth(self.cheap[at], self.strong[at], self.cheap_cost[at], self.strong_cost[at])

    @property
    def loss(self) -> Floats:
        return self.strong - self.cheap


class Curve(Struct, frozen=True):
    """The figures of one score on one split, or their means over splits. `saved` is in the order of FLOORS; `quality` and
    `cost` (over always-strong's) stand at POINTS shares of strong calls from none to all."""

    apgr: float
    cpt50: float
    cpt80: float
    aiq: float
    saved: tuple[float, ...]
    quality: tuple[float, ...]
    cost: tuple[float, ...]

    def saved_at(self, floor: float) -> float:
        return self.saved[FLOORS.index(floor)]


def curve(scores: Floats, truth: Truth) -> Curve:
    """Serve the lowest scores by the cheap model, more and more of them."""
    order = np.argsort(scores, kind="stable")
    count = len(scores)
    quality = (truth.strong.sum() - np.concatenate([[0.0], np.cumsum(truth.loss[order])])) / count
    off = np.cumsum((truth.strong_cost - truth.cheap_cost)[order])
    cost = 1.0 - np.concatenate([[0.0], off]) / truth.strong_cost.sum()
    at = np.round(np.linspace(count, 0, POINTS)).astype(int)
    cheap, strong = float(truth.cheap.mean()), float(truth.strong.mean())
    recovered = (quality[at] - cheap) / (strong - cheap)
    return Curve(
        float(np.trapezoid(recovered, dx=1 / (POINTS - 1))),
        _calls_for(0.5, recovered),
        _calls_for(0.8, recovered),
        _aiq(cost, quality),
        tuple(float(1.0 - cost[quality >= floor * strong - 1e-12].min()) for floor in FLOORS),
        tuple(quality[at].tolist()),
        tuple(cost[at].tolist()),
    )


def _calls_for(share: float, recovered: Floats) -> float:
    """Where the curve first gets there, on straight lines between the points."""
    after = int(np.argmax(recovered >= share))
    before = recovered[after - 1]
    return float((after - 1 + (share - before) / (recovered[after] - before)) / (POINTS - 1))


def _aiq(cost: Floats, quality: Floats) -> float:
    """The hull starts at the cheap model, may only rise, and ends at the strong model's cost."""
    at = np.unique(np.round(np.linspace(0, len(cost) - 1, _HULL_POINTS)).astype(int))
    points = sorted(zip(cost[at].tolist(), quality[at].tolist(), strict=True))
    best = [points[0]]
    for x, y in points[1:]:
        top = (x, max(y, best[-1][1]))
        while len(best) > 1 and _below(best[-2], best[-1], top):
            best.pop()
        best.append(top)
    xs, ys = zip(*best, strict=True)
    return float(np.trapezoid(ys, xs) / (xs[-1] - xs[0]))


def _below(left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]) -> bool:
    return (middle[1] - left[1]) * (right[0] - left[0]) <= (right[1] - left[1]) * (middle[0] - left[0])


def mean(curves: Sequence[Curve]) -> Curve:
    """Figure by figure."""

    def middle(name: str) -> float:
        return float(np.mean([getattr(one, name) for one in curves]))

    def middles(name: str) -> tuple[float, ...]:
        return tuple(np.mean([getattr(one, name) for one in curves], axis=0).tolist())

    return Curve(
        middle("apgr"),
        middle("cpt50"),
        middle("cpt80"),
        middle("aiq"),
        middles("saved"),
        middles("quality"),
        middles("cost"),
    )
