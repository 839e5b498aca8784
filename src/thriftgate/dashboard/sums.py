"""What pages ask the roll-ups for: sums of what is looked at, apart by a name or over time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from thriftgate.answers.moments import micros_from_text
from thriftgate.core.money import usd_from_pico
from thriftgate.dashboard.look import Look, Steps, steps_of
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.rollup_spans import Step
from thriftgate.ledger.sql_cells import Only
from thriftgate.ledger.sql_spend import Asked, By, SpendCell, spend

GROUPS: tuple[By, ...] = ("model", "key", "team", "task")
NAMES_MAX = 100
_NAMES = "select distinct {0} from rollup_dims where {0} <> '' and (? = '' or team = ?) order by 1 limit ?"
FIRST = "select coalesce(min(slot), 0) * 86400000000 from rollup_cells where hours = 24"


class Sum(Struct):
    """What some calls cost and would have cost (pico-USD). `own` is what calls of thriftgate's own cost, part of `paid`."""

    calls: int = 0
    baseline: int = 0
    paid: int = 0
    own: int = 0

    def add(self, cell: SpendCell) -> None:
        """And these calls."""
        self.calls += cell.calls
        self.baseline += cell.baseline_pico
        self.paid += cell.paid_pico
        self.own += cell.own_pico

    def document(self) -> dict[str, Any]:
        """As `thriftgate report --json` prints a group."""
        return {
            "calls": self.calls,
            "baseline_usd": usd_from_pico(self.baseline),
            "paid_usd": usd_from_pico(self.paid),
            "saved_usd": usd_from_pico(self.baseline - self.paid),
        }


def question(look: Look, by: By = "", step: Step = "total", span_us: tuple[int, int] | None = None) -> Asked:
    """The question about what is looked at, or about another span of the same."""
    since_us, until_us = span_us or look.span_us
    return Asked(since_us, until_us, by, step, look.zone, only_of(look))


def only_of(look: Look) -> Only:
    """What it is narrowed to."""
    return Only(**look.narrowed)


def names_known(connection: Connection, team: str = "") -> dict[str, list[str]]:
    """What can be filtered by: names that calls came with, those of one team or ("") of all."""
    return {by: [row[0] for row in connection.execute(_NAMES.format(by), (team, team, NAMES_MAX))] for by in GROUPS}


def columns_of(connection: Connection, look: Look) -> Steps:
    """The columns of a chart over time."""
    (first_us,) = connection.execute(FIRST).fetchone()
    return steps_of(look, int(first_us) or look.now_us)


def columns_told(told: dict[str, Any], look: Look) -> Steps:
    """The columns of a document: its `unit`, `zone`, and the `start` of each of its `steps`."""
    starts = [micros_from_text(one["start"], "start") for one in told["steps"]]
    return Steps(told["unit"], told["zone"], (*starts, look.now_us))


def step_of(steps: Steps) -> Step:
    """Weeks and months are put together of days."""
    return "hour" if steps.unit == "hour" else "day"


def placed(steps: Steps, start_us: int) -> int:
    """The column that a cell stands in."""
    return min(max(bisect_right(steps.edges, start_us) - 1, 0), steps.count - 1)


def over_time(steps: Steps, cells: Iterable[SpendCell]) -> list[Sum]:
    """One sum a column."""
    found = [Sum() for _ in range(steps.count)]
    for cell in cells:
        found[placed(steps, cell.start_us)].add(cell)
    return found


def grouped(connection: Connection, look: Look, by: By) -> list[dict[str, Any]]:
    """Groups as `thriftgate report --json` lists them: what would have cost most first."""
    cells = spend(connection, question(look, by))
    ranked = sorted(cells, key=lambda cell: (-cell.baseline_pico, cell.name))
    return [{str(by): cell.name, **summed([cell]).document()} for cell in ranked]


def summed(cells: Sequence[SpendCell]) -> Sum:
    """All together."""
    total = Sum()
    for cell in cells:
        total.add(cell)
    return total
