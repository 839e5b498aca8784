"""What goes wrong, and what that costs: planted into a month of traffic.

An incident is planted where it costs at least `LEAST_USD_PER_H` during its first half hour of traffic, no matter what
key, day or hour that is; of the kinds that change calls, the key has to make at least 30 calls in 30 different minutes
within the next eight hours. Keys of developers, whose calls have nothing in common that could change, only get loops and
errors. An incident lasts for those eight hours (loops: for two to four), unless the month ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.anomalies.traffic import BEGIN_S, DAY_S, DAYS, HOUR_S, Traffic, joined, traffic

LEAST_USD_PER_H = 2.0
FROM_DAY = 7  # nothing is planted in the first week: a past is needed
LASTS_S = 8 * HOUR_S
TRAFFIC_MINUTES = 15  # within which it must be found
_JUDGED_MINUTES = 30
_TRIES = 400
FABLE = 3
ADDED_MAX = 150_000


@dataclass(frozen=True)
class Incident:
    """`late_s` is the end of the fifteenth minute with traffic of its key."""

    kind: str
    key: str
    key_kind: str
    start_s: float
    end_s: float
    late_s: float
    usd_per_h: float


def plant(keys: list[Traffic], seed: int, of_each: int) -> tuple[list[Traffic], list[Incident]]:
    """So many of each kind, each on another key (and none on one that is load-tested)."""
    random = np.random.default_rng((seed, 2))
    changed, planted, used = list(keys), [], {at for at, one in enumerate(keys) if one.load_test[1]}
    for kind in PLANTED:
        for _ in range(of_each):
            for _ in range(_TRIES):
                at = int(random.integers(len(keys)))
                if at in used:
                    continue
                start_s = BEGIN_S + random.uniform(FROM_DAY * DAY_S, DAYS * DAY_S - 4 * HOUR_S)
                made = _loop(keys[at], start_s, random) if kind == "loop" else _change(kind, keys[at], start_s, random)
                if made is not None:
                    used.add(at)
                    changed[at] = made[0]
                    planted.append(made[1])
                    break
    return changed, planted


PLANTED = ("loop", "long_prompt", "tier_switch", "cache_collapse", "output_drift", "errors")


def _change(kind: str, one: Traffic, start_s: float, random: np.random.Generator) -> tuple[Traffic, Incident] | None:
    """The calls of the next hours, otherwise."""
    end_s = start_s + LASTS_S
    chosen = (one.at_s >= start_s) & (one.at_s < end_s)
    if int(chosen.sum()) < _JUDGED_MINUTES:
        return None
    if one.kind == "dev" and kind != "errors":
        return None
    was = one.where(chosen)
    now = _AFTER[kind](was, one, random)
    if now is None:
        return None
    failing = np.where(now.failed & ~was.failed, was.cost_pico, 0)
    extra = failing if kind == "errors" else now.cost_pico - was.cost_pico
    now = replace(now, extra_pico=extra)
    incident = _judged(kind, one, now, start_s, end_s)
    return (joined(one.where(~chosen), now), incident) if incident else None


def _loop(one: Traffic, start_s: float, random: np.random.Generator) -> tuple[Traffic, Incident] | None:
    """A run that calls 8 to 40 times a minute for hours, from a prompt of 4,000 to 20,000 tokens on that stays or grows
    to at most 150,000; in three of ten nobody knows which calls are of one run."""
    end_s = start_s + random.uniform(2, 4) * HOUR_S
    a_minute = random.uniform(8, 40)
    at = start_s + np.cumsum(random.lognormal(np.log(60 / a_minute) - 0.08, 0.4, int((end_s - start_s) / 60 * a_minute)))
    grows = random.uniform(30, 300) if random.random() < 0.5 else 0.0
    prompt = np.minimum(random.uniform(4_000, 20_000) + grows * np.arange(len(at)), 150_000)
    cached = random.random() < 0.6
    new = np.maximum(grows, 50.0)
    calls = traffic(
        one.key, one.kind, at - BEGIN_S, random, task=int(np.bincount(one.task).argmax()),
        model=int(np.bincount(one.model).argmax()), read=np.where(cached, prompt - new, 0), write=np.where(cached, new, 0),
        plain=np.where(cached, 0, prompt), output=random.lognormal(np.log(random.uniform(60, 400)), 0.4, len(at)) + 1,
        run=0 if random.random() < 0.3 else 9_000_000,
    )  # fmt: skip
    calls = replace(calls, extra_pico=calls.cost_pico)
    incident = _judged("loop", one, calls, start_s, float(calls.at_s[-1]))
    return (joined(one, calls), incident) if incident else None


def _judged(kind: str, one: Traffic, calls: Traffic, start_s: float, end_s: float) -> Incident | None:
    minutes = np.unique((calls.at_s // 60).astype(np.int64))
    if len(minutes) < _JUDGED_MINUTES:
        return None
    first = calls.where(calls.at_s < (minutes[_JUDGED_MINUTES - 1] + 1) * 60)
    hours = (float(first.at_s[-1]) - float(first.at_s[0])) / HOUR_S
    usd_per_h = float(first.extra_pico.sum()) / 1e12 / max(hours, 0.25)
    if usd_per_h < LEAST_USD_PER_H:
        return None
    late_s = float((minutes[TRAFFIC_MINUTES - 1] + 1) * 60)
    return Incident(kind, one.key, one.kind, start_s, end_s, late_s, usd_per_h)


def _long_prompt(was: Traffic, whole: Traffic, random: np.random.Generator) -> Traffic | None:
    """Two to six times the usual prompt is added to each; in three of ten to what is cached, then ten to twenty times.
    At most 150,000 tokens."""
    usual = float(np.median(whole.read + whole.write + whole.plain))
    if random.random() < 0.3:
        return replace(was, read=was.read + int(min(usual * random.uniform(10, 20), ADDED_MAX)))
    return replace(was, plain=was.plain + int(min(usual * random.uniform(2, 6), ADDED_MAX)))


def _tier_switch(was: Traffic, whole: Traffic, random: np.random.Generator) -> Traffic | None:
    """All calls go to the dearest model: twice to ten times the price."""
    return replace(was, model=np.full_like(was.model, FABLE))


def _cache_collapse(was: Traffic, whole: Traffic, random: np.random.Generator) -> Traffic | None:
    """Something at the head of the prompt differs in each call: nothing is read, and all is written again, or, where
    there was nothing to write, is plain. Only where at least 40 % of the prompt tokens were read."""
    prompt = whole.read + whole.write + whole.plain
    if whole.read.sum() < 0.4 * prompt.sum():
        return None
    if whole.write.sum():
        return replace(was, read=np.zeros_like(was.read), write=was.write + was.read)
    return replace(was, read=np.zeros_like(was.read), plain=was.plain + was.read)


def _output_drift(was: Traffic, whole: Traffic, random: np.random.Generator) -> Traffic | None:
    """Answers are 2.5 to 5 times as long."""
    return replace(was, output=(was.output * random.uniform(2.5, 5)).astype(np.int64))


def _errors(was: Traffic, whole: Traffic, random: np.random.Generator) -> Traffic | None:
    """35 to 95 % of the calls fail; what that costs is what they would have cost, for they are made again."""
    return replace(was, failed=was.failed | (random.random(len(was.at_s)) < random.uniform(0.35, 0.95)))


_AFTER = {
    "long_prompt": _long_prompt,
    "tier_switch": _tier_switch,
    "cache_collapse": _cache_collapse,
    "output_drift": _output_drift,
    "errors": _errors,
}
