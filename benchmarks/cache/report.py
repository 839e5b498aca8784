"""Scores as aligned tables and as one JSON document."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from benchmarks.cache.adversarial import PREFIX
from benchmarks.cache.goals import HABIT, Figures, Goal
from benchmarks.cache.runs import DOCUMENTED, OURS, Key
from benchmarks.cache.scores import NO_HARM, Score, harm
from thriftgate import __version__
from thriftgate.audit.placing.clients import ROWS


class LeftOut(Struct, frozen=True):
    """One trace left out of the choice of the planner's settings: what the others chose, and what that costs here (X)."""

    trace: str
    chosen: str
    over_bound: float
    default_over_bound: float


def tables(figures: Figures) -> str:
    """Everything that was measured: a wide table for each whole trace in a world, a narrow one for its samples."""
    recorded = [key for key in figures if not key.trace.startswith(PREFIX)]
    believed = [key for key in recorded if key.setting.belief_name == DOCUMENTED]
    parts = [_whole(f"{key.trace} {key.setting}", figures[key]) for key in believed if key.level == 1]
    for trace, setting in dict.fromkeys((key.trace, key.setting) for key in believed if key.level < 1):
        levels = {
            key.level: figures[key] for key in believed if (key.trace, key.setting) == (trace, setting) and key.level < 1
        }
        parts.append(_samples(f"{trace} {setting}, samples", levels))
    if others := [key for key in recorded if key.setting.belief_name != DOCUMENTED]:
        parts.append(_worlds(figures, others))
    generated = [key for key in figures if key.trace.startswith(PREFIX)]
    if generated:
        parts.append(_generated({key: figures[key] for key in generated}))
    return "\n\n".join(parts)


def _whole(title: str, scores: Mapping[str, Score]) -> str:
    bound = next(iter(scores.values()))
    rows = [[title, "cost", "cost/bound", "realised", "lose", "their tokens", "overpaid", "rest saves", "400s"]]
    rows[0] += ["p50 us", "p99 us", "state MB"]
    for name, each in scores.items():
        rows.append([name, f"{each.relative:.4f}", f"{each.over_bound:.3f}", _percent(each.realised)])
        rows[-1] += [_percent(each.losing_sessions), _percent(each.losing_tokens), _percent(each.overpaid)]
        rows[-1] += [_percent(each.saved_by_rest), f"{each.rejected:,}" if each.rejected else ""]
        rows[-1] += [f"{each.p50_us:,.0f}", f"{each.p99_us:,.0f}", _megabytes(each.state_bytes)]
    rows.append(["lower bound", f"{bound.bound / bound.plain:.4f}", "1.000", "100.0 %", *[""] * 8])
    return align(rows)


def _worlds(figures: Figures, others: Sequence[Key]) -> str:
    """Cost in each other world and, above them, in the documented one; of the planner also the share of the saving that is
    possible there."""
    names = list(dict.fromkeys(name for key in others for name in figures[key]))
    beside = {(key.trace, key.level, key.setting.world.read, key.setting.world.minimum) for key in others}
    rows = [["where the cache behaves otherwise: cost", *names, "bound", f"{OURS} realised"]]
    for key, scores in figures.items():
        if (key.trace, key.level, key.setting.world.read, key.setting.world.minimum) not in beside:
            continue
        bound = next(iter(scores.values()))
        row = [str(key), *(f"{scores[name].relative:.4f}" if name in scores else "" for name in names)]
        row += [f"{bound.bound / bound.plain:.4f}", _percent(scores[OURS].realised) if OURS in scores else ""]
        rows.append(row)
    return align(rows)


def _samples(title: str, levels: Mapping[float, Mapping[str, Score]]) -> str:
    rows = [[title]]
    for level, scores in levels.items():
        draws = next(iter(scores.values())).draws
        rows[0] += [f"{level:.3g} of it, {draws} draws: cost", "sd", "realised", "lose"]
    names = list(dict.fromkeys(name for scores in levels.values() for name in scores))
    for name in names:
        row = [name]
        for scores in levels.values():
            each = scores.get(name)
            if each is None:
                row += [""] * 4
            else:
                row += [f"{each.relative:.4f}", f"{each.sd:.3f}", _percent(each.realised), _percent(each.losing_sessions)]
        rows.append(row)
    bounds = [next(iter(scores.values())) for scores in levels.values()]
    rows.append(["lower bound"])
    for bound in bounds:
        rows[-1] += [f"{bound.bound / bound.plain:.4f}", "", "100.0 %", ""]
    return align(rows)


def _generated(figures: Figures) -> str:
    names = list(dict.fromkeys(name for scores in figures.values() for name in scores))
    rows = [["generated traffic: cost", "requests", *names, "bound", "harm", "verdict", "p99 us", "state MB"]]
    for key, scores in figures.items():
        any_score = next(iter(scores.values()))
        row = [f"{key.trace.removeprefix(PREFIX)} {key.setting}", f"{any_score.requests:,}"]
        row += [f"{scores[name].relative:.4f}" if name in scores else "" for name in names]
        row.append(f"{any_score.bound / any_score.plain:.4f}")
        ours = scores.get(OURS)
        if ours is None or HABIT not in scores:
            row += ["", "not measured"]
        else:
            ratio = harm(ours, scores[HABIT])
            row += [f"{ratio:.4f}", "no harm" if ratio <= NO_HARM else "HARM"]
        row += ["", ""] if ours is None else [f"{ours.p99_us:,.0f}", _megabytes(ours.state_bytes)]
        rows.append(row)
    return align(rows)


def goals_table(goals: Sequence[Goal]) -> str:
    """Each goal with what it is and what was measured."""
    rows = [["goal", "", "limit", "measured", ""]]
    for goal in goals:
        verdict = {True: "ok", False: "missed", None: "not measured"}[goal.passed]
        limit = f"{'<=' if goal.at_most else '>='} {goal.limit:g}"
        value = "-" if goal.value is None else f"{goal.value:,.4g}"
        rows.append([goal.name, "must" if goal.must else "aim", limit, value, verdict])
    return align(rows)


def left_out_table(choices: Sequence[LeftOut]) -> str:
    """Settings chosen on the other traces, judged on the one left out."""
    rows = [["left out of the choice", "chosen on the others", "cost/bound", "default's cost/bound"]]
    rows += [[one.trace, one.chosen, f"{one.over_bound:.4f}", f"{one.default_over_bound:.4f}"] for one in choices]
    return align(rows)


def sources(policies: Sequence[str]) -> str:
    """What each policy is taken from."""
    rows = [["policy", "taken from"], *([name, ROWS[name].source] for name in policies if name in ROWS)]
    return align(rows, left=2)


def figures_document(figures: Figures) -> list[dict[str, object]]:
    """All scores, one object each."""
    return [
        {**_where(key), "policy": name, **_score(each)} for key, scores in figures.items() for name, each in scores.items()
    ]


def goals_document(goals: Sequence[Goal]) -> list[dict[str, object]]:
    return [
        {"name": goal.name, "must": goal.must, "limit": goal.limit, "at_most": goal.at_most, "value": goal.value}
        | {"passed": goal.passed}
        for goal in goals
    ]


def conclude(
    goals: Sequence[Goal], document: Mapping[str, object] | None, *, wrong: bool = False, judges: bool = True
) -> int:
    """The exit status: 1 where a goal that must be met is missed, or anything else is `wrong`; 0 where nothing is judged.
    A document is completed with the goals and that verdict, and printed as one line of JSON."""
    failed = judges and (wrong or any(goal.must and goal.passed is False for goal in goals))
    if document is not None:
        whole = {**document, "goals": goals_document(goals), "failed": failed}
        print(msgspec.json.encode(rounded(whole)).decode())
    return 1 if failed else 0


def machine() -> dict[str, object]:
    """What was compared, and where."""
    return {
        "thriftgate": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def _where(key: Key) -> dict[str, object]:
    world = key.setting.world
    place: dict[str, object] = {"trace": key.trace, "level": key.level, "world": key.setting.belief_name}
    return place | {"read": world.read, "minimum": world.minimum}


def _score(score: Score) -> dict[str, object]:
    return {
        "draws": score.draws,
        "requests": score.requests,
        "tokens": score.plain,
        "cost": score.cost,
        "bound": score.bound,
        "relative_cost": score.relative,
        "sd": score.sd,
        "over_bound": score.over_bound,
        "realised": score.realised,
        "losing_sessions": score.losing_sessions,
        "losing_tokens": score.losing_tokens,
        "overpaid": score.overpaid,
        "saved_by_rest": score.saved_by_rest,
        "rejected": score.rejected,
        "place_us_p50": score.p50_us,
        "place_us_p99": score.p99_us,
        "state_bytes": score.state_bytes,
    }


def rounded(value: object) -> object:
    """The document with every float cut to six significant digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return value


def align(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns of equal width, the first `left` of them set to the left."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}".replace("%", " %")


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:,.1f}"
