"""Ways to serve a conversation, and what each costs on the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.routing.session_world import ANSWER, CHEAP, FRESH, GROWS, STRONG, TURNS_MAX, Cell, Costs, Exact, Session
from thriftgate.core.hazards import EDGES_S
from thriftgate.core.routing.switching import Ahead, Move, Side, worth_leaving, worth_trying

VERIFY_SHARE = 0.1  # of a try's price: a judgement by the cheap model, which reads the answer and says a number


class Standing(NamedTuple):
    """Before a turn: which turn each model has last served, None where its cache is cold; the ticks that their entries have
    left; the model that served the turn before."""

    turn: int
    last: tuple[int | None, int | None]
    left: tuple[int, int]
    on: int


Way = Callable[[Standing], bool]
"""Whether an easy turn goes to the cheap model."""


class Caches:
    """What either model holds of a conversation, as it goes on."""

    def __init__(self, cell: Cell) -> None:
        self.life = cell.life
        self.last: list[int | None] = [None, None]
        self.left = [0, 0]
        self.on = STRONG

    def wait(self, ticks: int) -> None:
        for model in (STRONG, CHEAP):
            self.left[model] = max(0, self.left[model] - ticks)
            if not self.left[model]:
                self.last[model] = None

    def serve(self, model: int, turn: int) -> None:
        self.last[model], self.left[model], self.on = turn, self.life, model

    def at(self, turn: int) -> Standing:
        return Standing(turn, (self.last[0], self.last[1]), (self.left[0], self.left[1]), self.on)


def cost(cell: Cell, costs: Costs, session: Session, way: Way) -> float:
    """Pico-dollars of one conversation whose easy turns are known to be easy."""
    total, caches = 0.0, Caches(cell)
    for turn, easy in enumerate(session.easy):
        if turn:
            caches.wait(session.gaps[turn - 1])
        model = CHEAP if easy and way(caches.at(turn)) else STRONG
        total += costs.at(model, turn, caches.last[model])
        caches.serve(model, turn)
    return total


def cost_of_tries(cell: Cell, costs: Costs, session: Session, tries: Callable[[Standing], Move | bool]) -> float:
    """Pico-dollars of one conversation in which any turn may be tried with the cheap model: its answer is accepted where the
    turn is easy, else the strong one is asked as well."""
    total, caches = 0.0, Caches(cell)
    for turn, easy in enumerate(session.easy):
        if turn:
            caches.wait(session.gaps[turn - 1])
        tried = bool(tries(caches.at(turn)))
        if tried:
            total += costs.at(CHEAP, turn, caches.last[CHEAP]) * (1.0 + VERIFY_SHARE)
            caches.serve(CHEAP, turn)
        if not (tried and easy):
            total += costs.at(STRONG, turn, caches.last[STRONG])
            caches.serve(STRONG, turn)
    return total


def always_strong(_: Standing) -> bool:
    return False


def naive(_: Standing) -> bool:
    """The cheap model wherever it may serve."""
    return True


def myopic(costs: Costs) -> Way:
    """What is cheaper for this turn, caches as they are."""

    def way(now: Standing) -> bool:
        strong, cheap = (costs.at(model, now.turn, now.last[model]) for model in (STRONG, CHEAP))
        return cheap < strong

    return way


def exact(best: Exact) -> Way:
    """The optimum."""
    return lambda now: best.go(now.turn, now.last, now.left)


def ours(cell: Cell, believed: Cell | None = None, *, curve: bool = False) -> Way:
    """`worth_leaving`, told what is true of the cell's conversations, or of others that it takes them for."""
    ahead = expected(believed or cell, curve=curve)

    def way(now: Standing) -> bool:
        stay, go = _sides(cell, now)
        return worth_leaving(stay, go, cell.prompt(now.turn), FRESH, ahead[now.turn], on_go=now.on == CHEAP).go

    return way


def cascade(cell: Cell, costs: Costs, believed: Cell | None = None) -> Callable[[Standing], Move]:
    """`worth_trying`, told the same."""
    taken_for = believed or cell
    ahead = expected(taken_for)

    def tries(now: Standing) -> Move:
        stay, go = _sides(cell, now)
        verify_pico = round(costs.at(CHEAP, now.turn, now.last[CHEAP]) * VERIFY_SHARE)
        prompt, more = cell.prompt(now.turn), ahead[now.turn]
        return worth_trying(
            stay, go, prompt, FRESH, more, verify_pico=verify_pico, p_accept=taken_for.easy, on_go=now.on == CHEAP
        )

    return tries


def _sides(cell: Cell, now: Standing) -> tuple[Side, Side]:
    return _side(cell, STRONG, now), _side(cell, CHEAP, now)


def _side(cell: Cell, model: int, now: Standing) -> Side:
    pair, last = cell.pair, now.last[model]
    ratio, minimum = pair.ratios[model], pair.minimums[model]
    warm = 0 if last is None or cell.prompt(last) * ratio < minimum else cell.prompt(last)
    left_s = now.left[model] * cell.tick_s
    return Side(str(model), pair.rates[model], round(ANSWER * ratio), warm, left_s, ratio, cell.ttl_s, minimum)


def expected(cell: Cell, *, curve: bool = False) -> list[Ahead]:
    """What holds of the cell's conversations at each turn; with the law of gaps, or their mean alone."""
    chances: Sequence[float] = [cell.within(edge) for edge in EDGES_S] if curve else ()
    turns = [sum(cell.again**more for more in range(1, TURNS_MAX - turn)) for turn in range(TURNS_MAX)]
    return [Ahead(more, cell.gap_s, cell.easy, GROWS, chances) for more in turns]
