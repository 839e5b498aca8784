"""What the results of an evaluation say of each arm: quality, cost, latency; of judges, what they cost and whether people
agree with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from thriftgate.quality.compare import Interval, wilson
from thriftgate.quality.results import Judged, Line, arms_in


class ArmSummary(NamedTuple):
    """One arm on some items. Money in pico-USD: `cost_pico` the mean of a call, `paid_pico` all that was paid. Latencies in
    milliseconds, 0 where none is known; `truncated` and `refused` are shares of the answers."""

    arm: str
    items: int
    ungraded: int
    quality: Interval
    cost_pico: int
    paid_pico: int
    latency_ms_p50: int
    latency_ms_p90: int
    output_tokens: int
    truncated: float
    refused: float
    modes: tuple[str, ...]


class Judging(NamedTuple):
    """How judges did. `kinds` by name; `pairs` were shown to a model in both orders, of which it favoured the answer shown
    first in `first` verdicts out of all, and `swayed` pairs were decided by the order alone. `human` is the share of answers
    on whose side of one half people and judge agree, over `human_answers`; `kappa` the same beyond chance."""

    kinds: dict[str, int]
    paid_pico: int
    pairs: int
    first: Interval
    swayed: int
    human_answers: int
    human: Interval
    kappa: float


def arm_summaries(lines: Sequence[Line]) -> list[ArmSummary]:
    """Every arm, in the order of the results."""
    return [_arm(arm, [(line, line.outcomes[arm]) for line in lines if arm in line.outcomes]) for arm in arms_in(lines)]


def by_task(lines: Sequence[Line]) -> dict[str, list[ArmSummary]]:
    """Every arm on each task; "" are items without one."""
    tasks = dict.fromkeys(line.task for line in lines)
    return {task: arm_summaries([line for line in lines if line.task == task]) for task in tasks}


def judging(lines: Sequence[Line]) -> Judging:
    """What can be said of the judges."""
    judged = [one for line in lines for one in line.outcomes.values()]
    verdicts = [verdict for one in judged for verdict in one.verdicts]
    decided = [word for verdict in verdicts for word in verdict if word != "tie"]
    shown_first = sum(word == "A" for word in decided)
    share, count, kappa = _agreement(lines)
    return Judging(
        dict(Counter(one.judge for one in judged if one.judge)),
        sum(one.judge_pico * one.repeats for one in judged),
        len(verdicts),
        wilson(shown_first / len(decided) if decided else 0.5, len(decided)),
        sum(first == second != "tie" for first, second in verdicts),
        count,
        wilson(share, count),
        kappa,
    )


def ungraded_reasons(lines: Sequence[Line]) -> dict[str, int]:
    """Why answers have no grade, the most frequent first."""
    reasons = [one.reason for line in lines for one in line.outcomes.values() if one.quality is None]
    return dict(Counter(reasons).most_common())


def _arm(arm: str, found: Sequence[tuple[Line, Judged]]) -> ArmSummary:
    graded = [(line.weight, one.quality) for line, one in found if one.quality is not None]
    weight = sum(one for one, _ in graded)
    mean = sum(one * quality for one, quality in graded) / weight if graded else 0.0
    # Items of unequal weight tell as much as fewer of equal weight (Kish 1965, effective sample size).
    size = weight * weight / sum(one * one for one, _ in graded) if graded else 0.0
    outcomes = [one for _, one in found]
    priced = [one.pico for one in outcomes if one.pico]
    latencies = sorted(one.latency_ms for one in outcomes if one.latency_ms)
    said = [one for one in outcomes if one.output_tokens]
    return ArmSummary(
        arm,
        len(found),
        len(found) - len(graded),
        wilson(mean, size),
        sum(priced) // len(priced) if priced else 0,
        sum(one.paid_pico * one.repeats for one in outcomes),
        _quantile(latencies, 0.5),
        _quantile(latencies, 0.9),
        sum(one.output_tokens for one in said) // len(said) if said else 0,
        _share(outcomes, "truncated"),
        _share(outcomes, "refused"),
        tuple(sorted({one.mode for one in outcomes if one.mode})),
    )


def _share(outcomes: Sequence[Judged], signal: str) -> float:
    known = [one.signals[signal] for one in outcomes if signal in one.signals]
    return sum(known) / len(known) if known else 0.0


def _quantile(values: Sequence[int], share: float) -> int:
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0


def _agreement(lines: Sequence[Line]) -> tuple[float, int, float]:
    """Share of answers on which people and judge agree (better than half, worse, just half), how many, and Cohen's kappa
    (Cohen 1960)."""
    pairs = [
        (_side(one.quality), _side(line.human[arm]))
        for line in lines
        for arm, one in line.outcomes.items()
        if arm in line.human and one.quality is not None
    ]
    if not pairs:
        return 0.0, 0, 0.0
    share = sum(one == other for one, other in pairs) / len(pairs)
    ours, theirs = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    chance = sum(ours[side] * theirs[side] for side in ours) / len(pairs) ** 2
    return share, len(pairs), (share - chance) / (1 - chance) if chance < 1 else 1.0


def _side(quality: float) -> int:
    return (quality > 0.5) - (quality < 0.5)
