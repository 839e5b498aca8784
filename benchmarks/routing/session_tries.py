"""Tries with a cheap model before the strong one is asked: what they cost, taken always and taken by rule."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import product
from random import Random

from msgspec import Struct

from benchmarks.routing import session_play as play
from benchmarks.routing.session_world import Cell, Costs, sessions
from thriftgate.core.routing.switching import cascade_pays

PRICE_RATIOS = (1.2, 1.5, 2.0, 5.0, 7.9, 40.0)  # strong over cheap, for the same work: 1.5 and 7.9 as on SWE-bench Verified
ACCEPTED = (0.05, 0.3, 0.5, 0.65, 0.8, 0.95)
VERIFY = (0.0, 0.1, 1.0)  # of a try's price
SEEN = (20, 100, 500)  # tries that were counted before
SPREAD = 0.8  # standard deviation of the logarithm of what a task costs


class Tried(Struct, frozen=True):
    """Cost in one cell over that of the strong model for every turn: each turn tried, or where `cascade_pays` says so."""

    cell: Cell
    always: float
    ours: float


class Alone(Struct, frozen=True):
    """The same for single calls: the strong model costs `ratio` times a try, `accepted` of the answers are good enough,
    which was counted in `seen` tries before."""

    ratio: float
    accepted: float
    verify: float
    seen: int
    always: float
    by_rule: float


def in_conversations(cells: Sequence[Cell], count: int, seed: int) -> Iterator[Tried]:
    """Each cell, and each of the long ones with few easy turns."""
    print("sessions: tries in conversations", file=sys.stderr, flush=True)
    for cell in cells:
        costs = Costs(cell)
        drawn = sessions(cell, count, seed)
        strong = sum(play.cost(cell, costs, one, play.always_strong) for one in drawn)
        always = sum(play.cost_of_tries(cell, costs, one, play.naive) for one in drawn)
        rule = play.cascade(cell, costs)
        ours = sum(play.cost_of_tries(cell, costs, one, rule) for one in drawn)
        yield Tried(cell, always / strong, ours / strong)


def alone(seed: int, count: int) -> Iterator[Alone]:
    """What is accepted is counted on, from one call to the next, as long as there are tries; costs are expected ones."""
    for ratio, accepted, verify, seen in product(PRICE_RATIOS, ACCEPTED, VERIFY, SEEN):
        draw = Random(f"{seed} {ratio} {accepted} {verify} {seen}")
        good, tried = sum(draw.random() < accepted for _ in range(seen)), seen
        strong = always = by_rule = 0.0
        for _ in range(count):
            work = draw.lognormvariate(0.0, SPREAD)
            strong_pico = round(1e10 * work)
            cheap_pico = round(1e10 / ratio * work * draw.lognormvariate(-0.02, 0.2))
            passes = draw.random() < accepted
            with_try = cheap_pico * (1.0 + verify) + (1.0 - accepted) * strong_pico
            strong += strong_pico
            always += with_try
            if cascade_pays(cheap_pico, round(cheap_pico * verify), strong_pico, good / tried, tried=tried):
                by_rule += with_try
                good, tried = good + passes, tried + 1
            else:
                by_rule += strong_pico
        yield Alone(ratio, accepted, verify, seen, always / strong, by_rule / strong)
