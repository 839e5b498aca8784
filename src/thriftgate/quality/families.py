"""Families of policies: a router by the score of the prompt, a cascade by the confidence in the cheap answer. Each is a path
that is walked while the test says that the promise holds; what is certified becomes an artefact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from thriftgate.core.routing.artefact import Artefact, Cascade, Evidence, Saving
from thriftgate.core.routing.features import Features
from thriftgate.core.routing.signals import AGREEMENT, SELF, VERIFIER
from thriftgate.quality.certify import Graded, Mode, certify, level, more_labels, saving_of
from thriftgate.quality.exact_tests import Counts, Floats, exact_p, share_limit, stricter
from thriftgate.quality.fitting import cross_fit, dealt, fit, fit_confidence, qualities
from thriftgate.quality.labels import Labelled
from thriftgate.quality.paths import Expected, Policy, Traffic, planned_path

Bools = NDArray[np.bool_]
Kind = Literal["router", "cascade"]
DAYS = 30
FOLDS = 5
POINTS = 18  # of a path, in reports
TASK_EXAMPLES = 30  # from so many on a task has a limit of its own
LIMIT_ALPHA = 0.05
"""Chance that the limit for differing answers is too low."""
SIGNALS_SHARE = 0.9
"""A cascade is only tried where so many of the examples tell signals."""
FREE = ("ok", "truncated", "refused", "log_tokens", "schema_valid", "tools_valid")
"""Signals that cost no call of their own."""


class Wish(Struct, frozen=True):
    """What is asked for. `strong` and `candidates` are arms. A cascade asks `verifier`, whose scores the examples' signals
    hold, and compares so many `samples`, as many as the examples were answered times."""

    strong: str
    candidates: tuple[str, ...]
    target: float = 0.98
    confidence: float = 0.95
    mode: Mode = "default"
    seed: int = 0
    verifier: str = ""
    samples: int = 1
    kinds: tuple[Kind, ...] = ("router", "cascade")
    days: float = DAYS

    @property
    def delta(self) -> float:
        return 1.0 - self.confidence


class Point(Struct, frozen=True):
    """One policy of a path, on the examples: the share of calls that the cheap arm serves, losses and wins among those that
    could go to it, the quality of all calls over the strong arm's, the p-value, and the share of cost that it saves."""

    share: float
    losses: int
    wins: int
    quality: float
    p: float
    saving: float


class Family(Struct, frozen=True):
    """A path and how far it was walked: `points` are some of its policies, in order; `at` is the index of the certified one
    among them, -1 for none."""

    arm: str
    kind: Kind
    points: tuple[Point, ...]
    at: int
    saving: Saving

    @property
    def certified(self) -> Point | None:
        return self.points[self.at] if self.at >= 0 else None


class More(Struct, frozen=True):
    """What so many examples in all would be expected to certify: a share of cost saved."""

    examples: int
    saving: float


class RouterFamily:
    """One family, from the scores of the examples to an artefact."""

    kind: Kind = "router"

    def __init__(
        self, examples: Sequence[Labelled], wish: Wish, arm: str, traffic: Sequence[Features], price_ratio: float
    ) -> None:
        self.examples, self.wish, self.arm, self.traffic, self.price_ratio = examples, wish, arm, traffic, price_ratio
        self.cheap_cost, self.strong_cost = _costs(examples, arm, wish.strong, price_ratio)
        coins = np.random.default_rng(wish.seed + 1).random(len(examples))
        self.graded = Graded(self.scores(), qualities(examples, arm), qualities(examples, wish.strong), coins)
        self.costs = self.traffic_costs()
        self.path: Sequence[Policy] = ()
        self.chosen: Policy | None = None
        self.family = Family(arm, self.kind, (), -1, Saving(0.0, 0.0, 0.0))

    def scores(self) -> Floats:
        """Of each example, by a fit that has not seen it: lower goes to the cheap arm first."""
        return cross_fit(self.examples, self.arm, self.wish.strong, seed=self.wish.seed, traffic=self.traffic)

    def traffic_costs(self) -> Traffic:
        """What calls like the examples cost, whoever serves them."""
        return Traffic(self.graded.scores, self.cheap_cost, self.strong_cost, self.strong_cost)

    def expected(self) -> Expected:
        """How losses and wins lie along the score, by the fit's own chances and not by labels: these certify. Only how often
        the strong arm is right, and how often the cheap one alone, is taken from the labels, as one number each."""
        strong, cheap, scores = self.graded.strong, self.graded.cheap, self.graded.scores
        wins, right = float((cheap * (1 - strong)).mean()), float(strong.mean())
        losses, same = np.clip(scores + wins, 0.0, right), np.ones(len(scores))
        return Expected(scores=scores, strong_right=right * same, losses=losses, wins=wins * same)

    def walked(self, delta: float) -> None:
        """Walk the path, with this part of the error."""
        at = level(delta, self.wish.mode)
        self.path = planned_path(self.costs, self.wish.target, len(self.examples), self.expected())
        verdict = certify(self.path, self.graded, self.wish.target, at)
        saving = Saving(0.0, 0.0, 0.0)
        if verdict.policy is not None:
            saving = Saving(*saving_of(verdict.policy, self.costs))
        shown = _shown(len(self.path), verdict.index)
        points = tuple(self._point(self.path[index], at) for index in shown)
        self.chosen = verdict.policy
        place = shown.index(verdict.index) if verdict.policy is not None else -1
        self.family = Family(self.arm, self.kind, points, place, saving)

    def _point(self, policy: Policy, at: float) -> Point:
        counts = self.graded.counts(policy.threshold)
        mixed = self.served(policy.threshold)
        gained = float(((self.graded.cheap - self.graded.strong) * mixed).sum()) * policy.share
        return Point(
            share=policy.used,
            losses=counts.losses,
            wins=counts.wins,
            quality=1.0 + gained / max(float(self.graded.strong.sum()), 1e-9),
            p=exact_p(counts, stricter(self.wish.target, policy.share), at),
            saving=policy.saving,
        )

    def served(self, threshold: float) -> Bools:
        """Which examples the cheap arm may serve."""
        found: Bools = self.graded.scores <= threshold
        return found

    def more(self, delta: float) -> tuple[More, ...]:
        """What more examples like these would be expected to certify."""
        n = len(self.examples)
        at = level(delta, self.wish.mode)
        found = more_labels(self.path, self.graded, self.wish.target, at, (0, n, 3 * n, 7 * n))
        return tuple(More(n + extra, saving) for extra, saving in found)

    def artefact(self, made_s: float) -> Artefact:
        """The certified policy as what is served by."""
        policy, point = self.chosen, self.family.certified
        assert policy is not None
        assert point is not None
        counts: Counts = self.graded.counts(policy.threshold)
        overall, by_task = self._limits(self.served(policy.threshold))
        made = Artefact(
            id="",
            strong=self.wish.strong,
            cheap=self.arm,
            target=self.wish.target,
            confidence=self.wish.confidence,
            scorer=fit(self.examples, self.arm, self.wish.strong, seed=self.wish.seed, traffic=self.traffic),
            threshold=policy.threshold if self.kind == "router" else 2.0,
            share=policy.share,
            evidence=Evidence(
                len(self.examples),
                counts.strong_right,
                counts.losses,
                counts.wins,
                point.p,
                f"exact, {self.wish.mode}",
                sha256(msgspec.json.encode(self.examples)).hexdigest()[:16],
            ),
            saving=self.family.saving,
            made_s=made_s,
            expires_s=made_s + self.wish.days * 86_400.0,
            price_ratio=self.price_ratio,
            tasks=by_task,
            mix=dict(sorted(Counter(one.around.task for one in self.examples).items())),
            differ=overall,
            cascade=self.cascade(policy),
        )
        return replace(made, id="cal_" + sha256(msgspec.json.encode(made)).hexdigest()[:12])

    def cascade(self, _policy: Policy) -> Cascade | None:
        """How answers are judged, where they are."""
        return None

    def _limits(self, mask: Bools) -> tuple[float, dict[str, float]]:
        """How often answers may differ where the cheap arm serves: the upper limit of the share that not both got right, of
        all and by task. A task with few examples is held to that of all."""
        off = 1.0 - np.minimum(self.graded.cheap, self.graded.strong)
        overall = _limit(off[mask])
        names = np.array([one.around.task for one in self.examples])
        found = {}
        for task in sorted(set(names[mask])):
            here = off[mask & (names == task)]
            found[str(task)] = _limit(here) if len(here) >= TASK_EXAMPLES else overall
        return overall, found


class CascadeFamily(RouterFamily):
    """By the confidence in the cheap answer, which is always paid for, and so are the calls that help to judge it. Only
    signals that the cascade will have when it serves are looked at."""

    kind: Kind = "cascade"

    def __init__(
        self, examples: Sequence[Labelled], wish: Wish, arm: str, traffic: Sequence[Features], price_ratio: float
    ) -> None:
        self.second = _second(examples, wish, arm)
        known = {*FREE, *([SELF] if wish.samples > 1 else []), *([VERIFIER] if wish.verifier else [])}
        known |= {f"{AGREEMENT}{self.second}"} if self.second else set()
        super().__init__([_with_signals(one, arm, known) for one in examples], wish, arm, traffic, price_ratio)

    def scores(self) -> Floats:
        found = np.zeros(len(self.examples))
        clusters, tasks = [""] * len(self.examples), [one.around.task for one in self.examples]
        for inside, outside in dealt(clusters, tasks, FOLDS, self.wish.seed):
            confidence = fit_confidence([self.examples[at] for at in inside], self.arm)
            found[outside] = [confidence.of(self.examples[at].outcomes[self.arm].signals) for at in outside]
        return 1.0 - found

    def expected(self) -> Expected:
        """As for a router. A score here is the chance that the cheap answer is wrong: so many of such answers are losses."""
        strong, cheap, scores = self.graded.strong, self.graded.cheap, self.graded.scores
        wins, right = float((cheap * (1 - strong)).mean()), float(strong.mean())
        lost = float((strong * (1 - cheap)).mean()) / max(float((1 - cheap).mean()), 1e-9)
        same = np.ones(len(scores))
        return Expected(scores=scores, strong_right=right * same, losses=scores * lost, wins=wins * same)

    def traffic_costs(self) -> Traffic:
        judging = np.array([one.outcomes[self.arm].signals_pico for one in self.examples], dtype=np.float64)
        if self.second:
            judging += np.array([one.outcomes[self.second].pico for one in self.examples], dtype=np.float64)
        tried = self.cheap_cost + judging
        return Traffic(self.graded.scores, tried, tried + self.strong_cost, self.strong_cost)

    def cascade(self, policy: Policy) -> Cascade | None:
        return Cascade(
            confidence=fit_confidence(self.examples, self.arm),
            threshold=1.0 - policy.threshold,
            verifier=self.wish.verifier,
            samples=self.wish.samples,
            second=self.second,
        )


def _second(examples: Sequence[Labelled], wish: Wish, arm: str) -> str:
    """Another arm whose agreement the examples tell of, the cheapest; "" for none."""
    told = {name for one in examples for name in one.outcomes[arm].signals if name.startswith(AGREEMENT)}
    arms = sorted(name.removeprefix(AGREEMENT) for name in told)
    able = [one for one in arms if one not in (arm, wish.strong) and all(one in each.outcomes for each in examples)]
    return min(able, key=lambda one: (sum(each.outcomes[one].pico for each in examples), one), default="")


def _with_signals(one: Labelled, arm: str, known: set[str]) -> Labelled:
    """The example with these signals of the arm alone."""
    outcome = one.outcomes[arm]
    kept = {name: value for name, value in outcome.signals.items() if name in known}
    return replace(one, outcomes={**one.outcomes, arm: replace(outcome, signals=kept)})


def has_signals(examples: Sequence[Labelled], arm: str) -> bool:
    """Whether enough of the examples tell signals of that arm's answers for a cascade."""
    return sum(bool(one.outcomes[arm].signals) for one in examples) >= SIGNALS_SHARE * len(examples)


def _shown(policies: int, certified: int) -> list[int]:
    """Some of a path's policies, the certified one and the next among them."""
    some = {round(at) for at in np.linspace(0, policies - 1, min(policies, POINTS))} if policies else set()
    return sorted(some | ({certified, min(certified + 1, policies - 1)} if certified >= 0 else set()))


def _limit(off: Floats) -> float:
    """Upper limit of a share, kept inside (0, 1)."""
    return min(0.95, max(0.005, share_limit(int(np.floor(off.sum())), len(off), LIMIT_ALPHA)))


def _costs(examples: Sequence[Labelled], cheap: str, strong: str, price_ratio: float) -> tuple[Floats, Floats]:
    """Of each example with either arm (pico-USD). Where costs are not told, all calls are taken to cost the same on one arm,
    and on the other as its price says."""
    found = [np.array([one.outcomes[arm].pico for one in examples], dtype=np.float64) for arm in (cheap, strong)]
    if found[0].sum() > 0 and found[1].sum() > 0:
        return found[0], found[1]
    return np.full(len(examples), price_ratio), np.ones(len(examples))
