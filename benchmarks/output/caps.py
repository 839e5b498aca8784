"""Learned caps on answers: are repeats of cut answers as rare as stated, are runaways cut, and what does it save?

A call costs its output at `OUTPUT_USD_MTOK`; a cut answer is billed up to the cap, then the prompt (`PROMPT` tokens, no
cache) is sent again without a cap, and billed again. Beside the learned cap stand no cap, and fixed ones that were chosen
with knowledge of all answers: the 95th and 99th percentile, twice the mean, and the one that is cheapest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align
from benchmarks.output.worlds import CALLS, WORLDS, Calls, recorded
from thriftgate.core.output.lengths import Answer, Lengths

SEEDS = 20
RATES = (0.01, 0.02, 0.05)
STATED = 0.02  # of the goals
PROMPT = 1_500  # tokens
INPUT_USD_MTOK, OUTPUT_USD_MTOK = 3, 15
AGAIN = PROMPT * INPUT_USD_MTOK / OUTPUT_USD_MTOK  # the prompt sent again, in output tokens
NONE, BOUND, OURS = "no cap", "learned, bound alone", "learned, where it pays"
HARM = 1.01  # of the cost without a cap, where there is nothing to save
CUT_LEAST = 0.5  # of runaways, where they are half the rate or fewer
_SITE = ("bench",)
_GRID = 60


class Play(Struct, frozen=True):
    """One way of capping on the calls of one seed: tokens of all output, cost in output tokens, shares of answers that were
    cut (repeats), of calls under a cap, and of runaways that were cut."""

    tokens: float
    cost: float
    cut: float
    capped: float
    runaways: float


class Row(Struct, frozen=True):
    """Over seeds: mean output and cost over those without a cap, repeats (mean, worst), capped calls, runaways cut."""

    world: str
    way: str
    rate: float | None
    tokens: float
    cost: float
    cut: float
    cut_worst: float
    capped: float
    runaways: float


class Figures(Struct, frozen=True):
    rows: Sequence[Row]
    seeds: int
    calls: int
    seed: int


def measure(data: Path | None = None, *, seed: int = 1, seeds: int = SEEDS, calls: int = CALLS) -> Figures:
    """All worlds, and the recorded lengths under `data` where it is told."""
    drawn = [recorded(data, seed + at) for at in range(min(seeds, 3))] if data is not None else []
    made: list[tuple[str, Callable[[int], Calls]]] = [(w.name, lambda at, w=w: w.calls(at, calls)) for w in WORLDS]  # type: ignore[misc]
    rows: list[Row] = []
    for name, make in made:
        print(f"caps: {name}", file=sys.stderr, flush=True)
        rows += _rows([make(seed + at) for at in range(seeds)])
    for same in zip(*drawn, strict=True):
        print(f"caps: {same[0].name}", file=sys.stderr, flush=True)
        rows += _rows(same)
    return Figures(rows, seeds, calls, seed)


def _rows(many: Sequence[Calls]) -> Iterator[Row]:
    plain = [fixed(calls, None) for calls in many]
    for name, choose in _FIXED.items():
        yield _row(many, name, None, plain, [fixed(calls, choose(calls)) for calls in many])
    for rate in RATES:
        yield _row(many, BOUND, rate, plain, [learned(calls, rate, pays=False) for calls in many])
        yield _row(many, OURS, rate, plain, [learned(calls, rate) for calls in many])


def _row(many: Sequence[Calls], way: str, rate: float | None, plain: Sequence[Play], plays: Sequence[Play]) -> Row:
    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    return Row(
        many[0].name,
        way,
        rate,
        mean([play.tokens / none.tokens for play, none in zip(plays, plain, strict=True)]),
        mean([play.cost / none.cost for play, none in zip(plays, plain, strict=True)]),
        mean([play.cut for play in plays]),
        max(play.cut for play in plays),
        mean([play.capped for play in plays]),
        mean([play.runaways for play in plays]),
    )


def fixed(calls: Calls, cap: int | None) -> Play:
    """One cap for all calls."""
    over = calls.first > (calls.limit if cap is None else cap)
    spent = np.where(over, (cap or 0) + calls.again, calls.first)
    repeats = int(over.sum())
    tokens = float(spent.sum())
    ran = int(calls.runaway.sum())
    return Play(
        tokens,
        tokens + repeats * AGAIN,
        repeats / len(over),
        float(cap is not None),
        float((over & calls.runaway).sum()) / ran if ran else 0.0,
    )


def learned(calls: Calls, rate: float, *, pays: bool = True) -> Play:
    """The cap that is learned as the calls come: the bound itself, or what pays from there on."""
    lengths = Lengths()
    tokens = repeats = capped = caught = 0
    for first, again, ran in zip(calls.first.tolist(), calls.again.tolist(), calls.runaway.tolist(), strict=True):
        cap = _cap(lengths, rate, calls.limit, pays=pays)
        if cap is None:
            tokens += first
            lengths.note(_SITE, Answer(first, ended=first < calls.limit))
            continue
        capped += 1
        if first <= cap:
            tokens += first
            lengths.note(_SITE, Answer(first, cap=cap, rate=rate))
            continue
        repeats, caught, tokens = repeats + 1, caught + ran, tokens + cap + again
        lengths.note(_SITE, Answer(cap, ended=False, cap=cap, rate=rate, again=again))
    number, runaways = len(calls.first), int(calls.runaway.sum())
    share = caught / runaways if runaways else 0.0
    return Play(tokens, tokens + repeats * AGAIN, repeats / number, capped / number, share)


def _cap(lengths: Lengths, rate: float, limit: int, *, pays: bool) -> int | None:
    cap = lengths.cap(_SITE, rate)
    if cap is None or cap >= limit:
        return None
    if not pays:
        return cap
    output, again = OUTPUT_USD_MTOK * 10**12, PROMPT * INPUT_USD_MTOK * 10**6
    worth = lengths.worth(_SITE, cap, limit=limit, output_pico_mtok=output, again_pico=again)
    return worth.cap if worth is not None else None


def _cheapest(calls: Calls) -> int | None:
    """The fixed cap that costs least, or none at all."""
    tried = [None, *sorted({int(one) for one in np.quantile(calls.first, np.linspace(0.8, 0.9999, _GRID))})]
    return min(tried, key=lambda cap: fixed(calls, cap).cost)


_FIXED: dict[str, Callable[[Calls], int | None]] = {
    NONE: lambda _: None,
    "fixed, p95": lambda calls: int(np.quantile(calls.first, 0.95)),
    "fixed, p99": lambda calls: int(np.quantile(calls.first, 0.99)),
    "fixed, 2 x mean": lambda calls: int(2 * calls.first.mean()),
    "fixed, the cheapest": _cheapest,
}


def goals(figures: Figures) -> list[Goal]:
    """Repeats below the rate in every run, runaways cut where the rate leaves room for them, and no harm elsewhere."""
    found = []
    for rate in RATES:
        worst = max(row.cut_worst for row in figures.rows if row.rate == rate)
        found.append(Goal(f"repeats, worst run of all at {rate:.0%}, over the rate", 1.0, True, True, worst / rate))
    few = [row for row in figures.rows if row.rate == STATED and row.way == OURS and 0 < _runaways(row.world) <= STATED / 2]
    plain = [row for row in few if row.world.startswith("log-normal 0.8")]
    least = min((row.runaways for row in plain), default=None)
    found.append(Goal(f"runaways cut at {STATED:.0%}, log-normal 0.8", CUT_LEAST, False, True, least))
    least = min((row.runaways for row in few), default=None)
    found.append(Goal(f"runaways cut at {STATED:.0%}, worst world", CUT_LEAST, False, False, least))
    harmed = max((row.cost for row in figures.rows if row.rate == STATED and row.way == OURS), default=None)
    found.append(Goal(f"cost over no cap at {STATED:.0%}, worst world", HARM, True, True, harmed))
    return found


def _runaways(world: str) -> float:
    return next((one.runaways for one in WORLDS if one.name == world), 0.0)


def table(figures: Figures) -> str:
    """A line for each world and way."""
    head = ["", "output", "cost", "repeats", "worst", "capped", "runaways cut"]
    parts = []
    for world in dict.fromkeys(row.world for row in figures.rows):
        rows = [[world, *head[1:]]]
        for row in figures.rows:
            if row.world == world:
                way = row.way if row.rate is None else f"{row.way}, {row.rate:.0%}"
                shares = (row.cut, row.cut_worst, row.capped, row.runaways)
                rows.append([way, f"{row.tokens:.3f}", f"{row.cost:.3f}", *(f"{100 * one:.2f} %" for one in shares)])
        parts.append(align(rows))
    return "\n\n".join([*parts, f"{figures.seeds} seeds of {figures.calls:,} calls; output and cost: no cap = 1"])


def document(figures: Figures) -> dict[str, Any]:
    """For --json."""
    return asdict(figures) | {"rows": [asdict(row) for row in figures.rows]}
