"""When to compact: ours, fixed rules, and the best fixed threshold in hindsight, on recorded conversations.

Every policy has the same summariser, the same kept tail and the same cache; only the moments differ. Bills are relative to
the same conversations never compacted. Worlds: the models of the trace, and today's models for all requests; the cache
without, with a five-minute tail, and with the tail kept for an hour where what is new is small; the cheapest model may
summarise. The recorded token counts stand for all models.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align
from benchmarks.context.policies import BLOG, GRID, LATE, OURS, Expected, Fixed
from benchmarks.context.replay import Outcome, Policy, replay
from benchmarks.context.talks import Workload, workload
from benchmarks.context.worlds import World
from thriftgate.core.reduction.cuts import compaction
from thriftgate.core.reduction.when import History, decide

CHEAP = "claude-haiku-5-5"
TODAY = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-2")
NEVER_ABOVE, NEAR_BEST = 1.01, 1.04
SHORT = 11, 25  # requests of a conversation of about twenty turns
BEST = "best fixed threshold"
DECISIONS = 2_000


class Scored(Struct, frozen=True):
    """One policy: its bill and, of conversations of about twenty turns alone, both relative to never; the worst session
    likewise, and how many sessions are above 1.01; cuts, and the share of them at a cold resume."""

    name: str
    bill: float
    short: float
    worst: float
    above: int
    cuts: int
    cold: float


class Table(Struct, frozen=True):
    """All policies in one world on one workload, each fixed threshold among them."""

    workload: str
    world: World
    sessions: int
    requests: int
    never_usd: float
    policies: dict[str, Scored]

    @property
    def best(self) -> str:
        """The fixed threshold with the smallest bill."""
        return min((at_tokens(tokens) for tokens in GRID), key=lambda name: self.policies[name].bill)

    def beside_best(self, name: str) -> float:
        """The bill of a policy relative to that of the best fixed threshold."""
        return self.policies[name].bill / self.policies[self.best].bill


class Figures(Struct, frozen=True):
    """All that was measured; `decision_us` are the median and the 99th percentile."""

    tables: Sequence[Table]
    decision_us: tuple[float, float]


def measure(data: Sequence[Path], *, seed: int, share: float, cheap: str = CHEAP) -> Figures:
    """Every workload in every world. Raises ValueError for a file that is no trace."""
    tables: list[Table] = []
    for one in [workload(path, share, seed) for path in data]:
        for world in worlds(cheap):
            print(f"{one.name}: {world}", file=sys.stderr, flush=True)
            tables.append(table_of(one, world))
    return Figures(tables, decision_us())


def worlds(cheap: str) -> list[World]:
    """The prices of the trace without a cache as well, to show what caching does to the advice."""
    of_trace = [World("", caching, cheap) for caching in ("none", "5m", "late 1h")]
    return [*of_trace, *(World(model, caching, cheap) for model in TODAY for caching in ("5m", "late 1h"))]


def at_tokens(tokens: int) -> str:
    """The name of a fixed threshold."""
    return f"at {tokens // 1000}k"


def table_of(one: Workload, world: World) -> Table:
    """All policies on one workload in one world."""
    policies: dict[str, Policy] = {BLOG: Fixed(turns=10), LATE: Fixed(tokens=160_000)}
    policies |= {at_tokens(tokens): Fixed(tokens=tokens) for tokens in GRID}
    policies[OURS] = Expected()
    scores: dict[str, Scored] = {}
    outcomes: list[Outcome] = []
    for name, policy in policies.items():
        outcomes = [replay(talk, world, policy) for talk in one.talks]
        scores[name] = scored(name, outcomes)
    never_usd = sum(each.never for each in outcomes) / 1e12
    sessions = len({talk.session for talk in one.talks})
    return Table(one.name, world, sessions, sum(each.requests for each in outcomes), never_usd, scores)


def scored(name: str, outcomes: Sequence[Outcome]) -> Scored:
    """One policy over all conversations; a session is as bad as all its conversations together."""
    sessions: dict[int, tuple[float, float]] = {}
    for one in outcomes:
        never, cost = sessions.get(one.session, (0.0, 0.0))
        sessions[one.session] = never + one.never, cost + one.cost
    ratios = [cost / never for never, cost in sessions.values() if never > 0.0]
    cuts = sum(one.cuts for one in outcomes)
    return Scored(
        name,
        _relative(outcomes),
        _relative([one for one in outcomes if SHORT[0] <= one.requests <= SHORT[1]]),
        max(ratios, default=1.0),
        sum(ratio > NEVER_ABOVE for ratio in ratios),
        cuts,
        sum(one.cold for one in outcomes) / cuts if cuts else 0.0,
    )


def _relative(outcomes: Sequence[Outcome]) -> float:
    never = sum(one.never for one in outcomes)
    return sum(one.cost for one in outcomes) / never if never else 1.0


def decision_us() -> tuple[float, float]:
    """Median and 99th percentile of a decision with two summarisers."""
    world = World("claude-opus-5-5", "5m", CHEAP)
    rates, by = world.rates(world.model), world.summarisers(world.model)
    took = []
    for number in range(DECISIONS + 100):
        history = History(60_000 + number, 59_000, rates, 1_500.0, 20.0, spent_pico=10**12)
        began = time.perf_counter()
        decide(history, compaction(history.tokens, 15_000, 4_000, 2_000), by)
        took.append((time.perf_counter() - began) * 1e6)
    took = sorted(took[100:])
    return took[len(took) // 2], took[len(took) * 99 // 100]


def goals(figures: Figures) -> list[Goal]:
    """What must hold in every world, and how near to the best fixed threshold ours should be where there is a cache."""
    found: list[Goal] = []
    for one in figures.tables:
        where, ours = f"{one.workload}, {one.world}", one.policies[OURS]
        found.append(Goal(f"worst session / never: {where}", NEVER_ABOVE, True, True, ours.worst))
        found.append(Goal(f"bill / never: {where}", 1.0, True, True, ours.bill))
        found.append(Goal(f"bill / best fixed threshold: {where}", NEAR_BEST, True, False, one.beside_best(OURS)))
    return [*found, Goal("decision p99, us", 500.0, True, False, figures.decision_us[1])]


def table(figures: Figures) -> str:
    """For people."""
    parts = []
    for one in figures.tables:
        title = f"{one.workload}: {one.world}"
        rows = [[title, "bill/never", "of ~20 turns", "/best", "worst session", "> 1.01", "cuts", "cold"]]
        rows += [["never", "1.0000", "1.000", f"{1 / one.policies[one.best].bill:.3f}", "1.000", "0", "0", ""]]
        rows += [_row(one, name, name) for name in (BLOG, LATE)]
        rows += [_row(one, one.best, f"{BEST}: {one.best}"), _row(one, OURS, OURS)]
        parts.append(f"{align(rows)}\n{one.sessions:,} sessions, {one.requests:,} requests, never: ${one.never_usd:,.2f}")
    p50, p99 = figures.decision_us
    return "\n\n".join([*parts, f"a decision takes {p50:.0f} us (p99 {p99:.0f} us)"])


def _row(one: Table, name: str, shown: str) -> list[str]:
    each = one.policies[name]
    figures = [f"{each.bill:.4f}", f"{each.short:.3f}", f"{one.beside_best(name):.3f}", f"{each.worst:.3f}"]
    return [shown, *figures, str(each.above), f"{each.cuts:,}", f"{each.cold:.0%}"]


def document(figures: Figures) -> dict[str, Any]:
    """For machines."""
    return {
        "tables": [
            {"workload": one.workload, "model": one.world.model or "trace", "caching": one.world.caching}
            | {"summariser": one.world.cheap, "sessions": one.sessions, "requests": one.requests}
            | {"never_usd": one.never_usd, "best_threshold": one.best}
            | {"policies": [_document(one, each) for each in one.policies.values()]}
            for one in figures.tables
        ],
        "decision_us": {"p50": figures.decision_us[0], "p99": figures.decision_us[1]},
    }


def _document(one: Table, each: Scored) -> dict[str, Any]:
    found: dict[str, Any] = {"policy": each.name, "bill": each.bill, "bill_20_turns": each.short}
    found |= {"beside_best": one.beside_best(each.name), "worst_session": each.worst, "above_1_01": each.above}
    return found | {"cuts": each.cuts, "cold_share": each.cold}
