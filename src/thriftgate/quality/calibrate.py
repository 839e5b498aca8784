"""From graded examples to a promise: which calls the cheap arm may serve, certified, or why none.

For each candidate arm two families of policies are tried: a router, by the score of the prompt, and, where the examples tell
signals of the cheap answer, a cascade, by its confidence. Each is a path of policies from "hardly any call to the cheap arm"
towards "all", walked while the test says that the promise holds. The error is shared out among the families, so that picking
the best of them costs nothing of the promise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.errors import InputError
from thriftgate.core.routing.artefact import Artefact
from thriftgate.core.routing.features import Features
from thriftgate.quality.certify import (
    highest_target,
    holm,
    least_examples,
    least_strong_share,
    level,
    one_of_each,
)
from thriftgate.quality.exact_tests import counts_of, exact_p
from thriftgate.quality.families import TASK_EXAMPLES, CascadeFamily, Family, More, RouterFamily, Wish, has_signals
from thriftgate.quality.fitting import qualities
from thriftgate.quality.labels import Labelled
from thriftgate.quality.numerics import one_thread

FEWEST = 60
"""Examples without which no promise is made at all, whatever a test might say."""


class TaskLine(Struct, frozen=True):
    """One task by itself: were all its calls to go to the cheap arm. `certified` that this would keep the promise, with all
    tasks looked at together (Holm)."""

    arm: str
    task: str
    examples: int
    losses: int
    wins: int
    p: float
    certified: bool


class Calibration(Struct, frozen=True):
    """All that was found. Without an `artefact` no promise is made, and `why` says what stands in the way. `least` is the
    number of examples that it takes to certify a policy on all its calls, were there no loss among them, `highest` the
    target that so many examples could certify at best. `accuracy` is by arm, and `stays` by candidate: the share of calls
    that even a perfect router would have to leave with the strong arm."""

    wish: Wish
    examples: int
    least: int
    accuracy: Mapping[str, float]
    families: tuple[Family, ...]
    tasks: tuple[TaskLine, ...]
    highest: float
    stays: Mapping[str, float]
    more: tuple[More, ...]
    artefact: Artefact | None
    why: str


def calibrate(
    examples: Sequence[Labelled],
    wish: Wish,
    *,
    made_s: float,
    price_ratios: Mapping[str, float],
    traffic: Sequence[Features] = (),
) -> Calibration:
    """Fit, certify, choose. `price_ratios` by candidate arm; `traffic` are the features of calls that nobody graded.

    Raises InputError for examples that cannot be used. Too few of them, or too many losses, are no errors: then the result
    holds no artefact. The same examples, wish and time give the same result.
    """
    with one_thread():
        return _calibrated(examples, wish, made_s, price_ratios, traffic)


def _calibrated(
    examples: Sequence[Labelled],
    wish: Wish,
    made_s: float,
    price_ratios: Mapping[str, float],
    traffic: Sequence[Features],
) -> Calibration:
    found = usable(examples, wish)
    coins = np.random.default_rng(wish.seed).random(len(found))
    kept = [found[at] for at in one_of_each([one.cluster for one in found], coins)]
    strong = qualities(kept, wish.strong)
    if not strong.any():
        raise InputError(
            f"{wish.strong} was right on none of {len(kept)} examples: there is no quality to keep; look at the judge"
        )
    least = least_examples(wish.target, wish.delta, float(np.mean(strong > 0)))
    accuracy = {arm: float(np.mean(qualities(kept, arm))) for arm in (wish.strong, *wish.candidates)}
    blank = Calibration(
        wish=wish,
        examples=len(kept),
        least=least,
        accuracy=accuracy,
        families=(),
        tasks=_task_lines(kept, wish),
        highest=highest_target(len(kept), wish.delta, float(np.mean(strong > 0))),
        stays={arm: least_strong_share(_lost(kept, wish, arm), 1.0 - wish.target) for arm in wish.candidates},
        more=(),
        artefact=None,
        why="",
    )
    why = _why_none(kept, wish, least)
    if why:
        return replace(blank, why=why)
    makers: list[RouterFamily] = []
    for arm in wish.candidates:
        if "router" in wish.kinds:
            makers.append(RouterFamily(kept, wish, arm, traffic, price_ratios[arm]))
        if "cascade" in wish.kinds and has_signals(kept, arm):
            makers.append(CascadeFamily(kept, wish, arm, traffic, price_ratios[arm]))
    if not makers:
        return replace(
            blank, why="a cascade needs signals of the answers, and the examples hold none: `eval run` writes them"
        )
    for maker in makers:
        maker.walked(wish.delta / len(makers))
    families = tuple(maker.family for maker in makers)
    best = max(makers, key=lambda maker: maker.family.saving.share)
    if best.family.at < 0 or best.family.saving.share <= 0:
        why = "no policy but the strong arm alone could be certified: more examples, or a lower target, are needed"
        return replace(blank, families=families, more=best.more(wish.delta / len(makers)), why=why)
    artefact = best.artefact(made_s)
    return replace(blank, families=families, more=best.more(wish.delta / len(makers)), artefact=artefact)


def usable(examples: Sequence[Labelled], wish: Wish) -> list[Labelled]:
    """Those that tell an outcome of each arm. Raises InputError where that are none, or an id stands twice."""
    arms = (wish.strong, *wish.candidates)
    known = sorted({arm for one in examples for arm in one.outcomes})
    for arm in arms:
        if arm not in known:
            raise InputError(f"no example has an outcome of {arm}; the arms in the data are {', '.join(known) or 'none'}")
    if wish.strong in wish.candidates:
        raise InputError(f"{wish.strong} is the strong arm and a candidate at once")
    seen: set[str] = set()
    for one in examples:
        if one.id in seen:
            raise InputError(f"the id {one.id!r} stands twice: examples that are counted twice would promise too much")
        seen.add(one.id)
    return [one for one in examples if all(arm in one.outcomes for arm in arms)]


def _task_lines(examples: Sequence[Labelled], wish: Wish) -> tuple[TaskLine, ...]:
    """Tasks with enough examples to say anything of them alone, for each candidate."""
    at = level(wish.delta, wish.mode)
    names = np.array([one.around.task for one in examples])
    coins = np.random.default_rng(wish.seed + 2).random(len(examples))
    tasks = [task for task in sorted(set(names)) if (names == task).sum() >= TASK_EXAMPLES]
    strictest = at / max(1, len(tasks) * len(wish.candidates))  # where a p-value matters most it is worked out best
    lines: dict[str, TaskLine] = {}
    for arm in wish.candidates:
        cheap, strong = qualities(examples, arm), qualities(examples, wish.strong)
        for task in tasks:
            here = names == task
            counts = counts_of(cheap[here], strong[here], coins[here])
            p = exact_p(counts, wish.target, strictest)
            lines[f"{arm} {task}"] = TaskLine(
                arm, str(task), counts.examples, counts.losses, counts.wins, p, certified=False
            )
    shown = holm({name: line.p for name, line in lines.items()}, at) if lines else ()
    return tuple(replace(line, certified=name in shown) for name, line in lines.items())


def _lost(examples: Sequence[Labelled], wish: Wish, arm: str) -> float:
    """Share of calls on which the arm loses."""
    gaps = qualities(examples, wish.strong) - qualities(examples, arm)
    return float(np.mean(np.maximum(gaps, 0.0)))


def _why_none(examples: Sequence[Labelled], wish: Wish, least: int) -> str:
    """What stands in the way of any promise, before anything is fitted; "" for nothing."""
    if len(examples) < FEWEST:
        return (
            f"{len(examples)} examples are too few: with fewer than {FEWEST} no score can be fitted and no promise made; "
            f"to send every call of a task to the cheap arm takes {least} without a single loss"
        )
    grades = {one.outcomes[arm].quality for one in examples for arm in (wish.strong, *wish.candidates)}
    if len(grades) == 1:
        return f"all grades are {grades.pop():g}: a judge that never tells answers apart proves nothing; look at the judge"
    return ""
