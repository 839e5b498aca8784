"""The goals of the planner, and whether this run met them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from benchmarks.cache.adversarial import PREFIX
from benchmarks.cache.runs import DOCUMENTED, LATE_TOLD, OURS, Key
from benchmarks.cache.scores import NO_HARM, Score, harm

HABIT, AUTO = "habit-5m", "auto-5m"
DISTINCT = f"{PREFIX}distinct"
LIVE_BOUNDARIES = 250_000

Figures = Mapping[Key, Mapping[str, Score]]


class Goal(Struct, frozen=True):
    """One goal; a must that is missed fails the run, an aim does not. `value` is None where nothing measured it."""

    name: str
    limit: float
    at_most: bool
    must: bool
    value: float | None

    @property
    def passed(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit


class _Asked(Struct, frozen=True):
    """A goal of one kind of trace at one level and world. `measure` gets all scores there."""

    kind: str
    level: float
    read: float
    belief: str
    name: str
    limits: tuple[float, float | None]
    at_most: bool
    measure: Callable[[Mapping[str, Score]], float | None]


def _over_bound(scores: Mapping[str, Score]) -> float | None:
    return scores[OURS].over_bound if OURS in scores else None


def _realised(scores: Mapping[str, Score]) -> float | None:
    return scores[OURS].realised if OURS in scores else None


def _to_automatic(scores: Mapping[str, Score]) -> float | None:
    return scores[OURS].cost / scores[AUTO].cost if OURS in scores and AUTO in scores else None


_CODE, _CHAT, _AGENTS = "claude-code", "mooncake", "agent-texts"
_KINDS = {_CODE: ("claude-code",), _CHAT: ("mooncake", "conversation"), _AGENTS: ("agent-texts", "miniswe", "taubench")}
_ASKED = (
    _Asked(_CODE, 1.0, 0.1, DOCUMENTED, "cost / bound", (1.08, 1.05), True, _over_bound),
    _Asked(_CODE, 1.0, 0.1, DOCUMENTED, "cost / automatic 5m", (0.75, None), True, _to_automatic),
    _Asked(_CODE, 1.0, 0.05, DOCUMENTED, "cost / automatic 5m", (0.67, 0.64), True, _to_automatic),
    _Asked(_CODE, 0.1, 0.1, DOCUMENTED, "saving realised", (0.98, None), False, _realised),
    _Asked(_CODE, 0.01, 0.1, DOCUMENTED, "saving realised", (0.978, None), False, _realised),
    _Asked(_CODE, 1.0, 0.1, LATE_TOLD, "saving realised", (0.96, None), False, _realised),
    _Asked(_CHAT, 1.0, 0.1, DOCUMENTED, "saving realised", (0.37, 0.45), False, _realised),
    _Asked(_AGENTS, 1.0, 0.1, DOCUMENTED, "cost / bound", (1.12, None), True, _over_bound),
)


def kind_of(trace: str) -> str | None:
    """Which goals a trace has, by its name."""
    return next((kind for kind, words in _KINDS.items() if any(word in trace for word in words)), None)


def judge(figures: Figures) -> list[Goal]:
    """All goals against these figures; those of the recorded traces only where there is one."""
    recorded = {key: scores for key, scores in figures.items() if not key.trace.startswith(PREFIX)}
    return [*(_by_trace(recorded) if recorded else ()), *_no_harm(figures), *_speed(figures)]


def _by_trace(figures: Figures) -> list[Goal]:
    goals: list[Goal] = []
    for asked in _ASKED:
        expected = f"{asked.kind} {asked.level:g} r={asked.read:g} {asked.belief}"
        found = {
            str(key): asked.measure(scores)
            for key, scores in figures.items()
            if kind_of(key.trace) == asked.kind and key.level == asked.level
            if key.setting.world.read == asked.read and key.setting.belief_name == asked.belief
        }
        for where, value in (found or {expected: None}).items():
            for must, limit in zip((True, False), asked.limits, strict=True):
                if limit is not None:
                    goals.append(Goal(f"{where}: {asked.name}", limit, asked.at_most, must, value))
    return goals


def _no_harm(figures: Figures) -> list[Goal]:
    """One goal for all, with the worst case named, and one for each breach."""
    ratios = {key: harm(each[OURS], each[HABIT]) for key, each in figures.items() if OURS in each and HABIT in each}
    if not ratios:
        return [Goal("no harm: cost / min(no caching, client habit)", NO_HARM, True, True, None)]
    worst = max(ratios, key=lambda key: ratios[key])
    breaches = [key for key, ratio in ratios.items() if ratio > NO_HARM] or [worst]
    return [Goal(f"no harm: cost / min(no caching, habit), {key}", NO_HARM, True, True, ratios[key]) for key in breaches]


def _speed(figures: Figures) -> list[Goal]:
    """Times are a must on recorded traffic; hostile traffic is shown beside it. The state is that of the distinct prefixes,
    in proportion where they were fewer than the planner may hold."""
    goals: list[Goal] = []
    for what, must in (("recorded", True), ("generated", False)):
        whole = [
            each[OURS]
            for key, each in figures.items()
            if OURS in each and key.level == 1 and key.trace.startswith(PREFIX) is not must
        ]
        if whole:
            p50, p99 = max(one.p50_us for one in whole), max(one.p99_us for one in whole)
            goals.append(Goal(f"placement p50, us (worst {what} trace)", 250, True, must, p50))
            goals.append(Goal(f"placement p99, us (worst {what} trace)", 1500, True, must, p99))
    states = [
        score.state_bytes / 1e6 * LIVE_BOUNDARIES / min(score.requests, LIVE_BOUNDARIES)
        for key, each in figures.items()
        if key.trace == DISTINCT and (score := each.get(OURS)) is not None and score.state_bytes is not None
    ]
    return [*goals, Goal("state at 250,000 live boundaries, MB", 50, True, True, max(states, default=None))]
