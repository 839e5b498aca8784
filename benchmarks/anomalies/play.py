"""A month through the detectors, and through the rivals; what they told against what was planted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import process_time

import numpy as np

from benchmarks.anomalies.incidents import Incident
from benchmarks.anomalies.traffic import BEGIN_S, DAY_S, DAYS, HOUR_S, MODELS, OUTPUT_PICO, Traffic
from thriftgate.core.anomalies.call import Call, Ended
from thriftgate.core.anomalies.watch import Limits, Watch

GRACE_S = HOUR_S  # after an incident is over, what is told of it is no false alarm
FLOOR_USD_PER_H = 1.0


@dataclass(frozen=True)
class Alarm:
    """Something told. `key` is empty where it is not of one key."""

    kind: str
    key: str
    at_s: float


@dataclass
class Outcome:
    """One month. `found` are the alarms that found each incident, None where none did; `delays` how many minutes with
    traffic of its key that took, of those that were found."""

    incidents: Sequence[Incident]
    found: list[Alarm | None]
    lost_usd: list[float]
    false: Counter[str] = field(default_factory=Counter)
    delays: list[int] = field(default_factory=list)
    further: int = 0
    load_tests: int = 0
    load_tests_told: int = 0
    usd: float = 0.0


def calls_of(keys: Sequence[Traffic]) -> Iterator[Call]:
    """All calls in order of time."""
    at = np.concatenate([one.at_s for one in keys])
    order = np.argsort(at, kind="stable").tolist()
    columns = [
        at.tolist(),
        [one.key for one in keys for _ in range(len(one.at_s))],
        *(
            np.concatenate([getattr(one, name) for one in keys]).tolist()
            for name in ("task", "model", "cost_pico", "read", "write", "plain", "output", "failed", "run")
        ),
    ]
    rows = list(zip(*columns, strict=True))
    tasks = [f"task-{number}" for number in range(8)]
    rates = OUTPUT_PICO.tolist()
    for number in order:
        at_s, key, task, model, cost, read, write, plain, output, failed, run = rows[number]
        ended: Ended = "error" if failed else "ok"
        run_id = str(run) if run else ""
        yield Call(
            at_s, key, tasks[task], MODELS[model], cost, rates[model], read, write, plain, output, ended, run_id
        )  # fmt: skip


def ours(keys: Sequence[Traffic], limits: Limits | None = None) -> tuple[list[Alarm], float, int]:
    """What the detectors tell, the CPU seconds that it took them, and the number of calls."""
    watch = Watch(limits)
    alarms, calls = [], list(calls_of(keys))
    began = process_time()
    see = watch.see
    for call in calls:
        found = see(call)
        if found:
            alarms += [Alarm(one.kind, one.key, one.found_s) for one in found]
    return alarms, process_time() - began, len(calls)


def daily_spend(keys: Sequence[Traffic]) -> list[Alarm]:
    """A rival: a key has spent in a day twice what it spent in the dearest day of its first week, and 24 USD at least."""
    alarms = []
    for one in keys:
        day = ((one.at_s - BEGIN_S) // DAY_S).astype(np.int64)
        cost = one.cost_pico / 1e12
        totals = np.bincount(day, cost, DAYS)
        limit = max(2 * float(totals[:7].max()), 24 * FLOOR_USD_PER_H)
        for each in np.flatnonzero(totals > limit):
            of_day = np.flatnonzero(day == each)
            crossed = of_day[np.searchsorted(np.cumsum(cost[of_day]), limit)]
            alarms.append(Alarm("daily spend", one.key, float(one.at_s[crossed])))
    return alarms


def hourly_sigmas(keys: Sequence[Traffic]) -> list[Alarm]:
    """A rival: a key has spent in an hour three standard deviations more than the mean of the hours of the last week,
    and 1 USD at least; told once until an hour is below again."""
    alarms = []
    for one in keys:
        hour = ((one.at_s - BEGIN_S) // HOUR_S).astype(np.int64)
        cost = one.cost_pico / 1e12
        totals = np.bincount(hour, cost, DAYS * 24)
        standing = False
        for each in range(24, DAYS * 24):
            past = totals[max(0, each - 168) : each]
            limit = max(float(past.mean() + 3 * past.std()), FLOOR_USD_PER_H)
            if totals[each] > limit and not standing:
                of_hour = np.flatnonzero(hour == each)
                crossed = of_hour[np.searchsorted(np.cumsum(cost[of_hour]), limit)]
                alarms.append(Alarm("hourly 3 sigma", one.key, float(one.at_s[crossed])))
            standing = bool(totals[each] > limit)
    return alarms


def judged(keys: Sequence[Traffic], incidents: Sequence[Incident], alarms: Sequence[Alarm]) -> Outcome:
    """Who was right. An incident is found by the first alarm that names its key while it lasts; what else is told of its
    key or of no key in particular until an hour after its end is further, not false. A load test is nothing that the
    meter could tell from a runaway: the first alarm about it is right, each other is false."""
    by_key = {one.key: one for one in keys}
    found: list[Alarm | None] = [None] * len(incidents)
    outcome = Outcome(incidents, found, [])
    tested: set[str] = set()
    for alarm in sorted(alarms, key=lambda each: each.at_s):
        during = [
            at
            for at, one in enumerate(incidents)
            if alarm.key in (one.key, "") and one.start_s <= alarm.at_s <= one.end_s + GRACE_S
        ]
        test = by_key[alarm.key].load_test if alarm.key else (0.0, 0.0)
        if during:
            at = during[0]
            if found[at] is None and alarm.key and alarm.at_s <= incidents[at].end_s + 60:
                found[at] = alarm
            else:
                outcome.further += 1
        elif test[0] <= alarm.at_s <= test[1] + GRACE_S and alarm.key not in tested:
            tested.add(alarm.key)
        else:
            outcome.false[alarm.kind] += 1
    for one, alarm_of in zip(incidents, found, strict=True):
        until = alarm_of.at_s if alarm_of else one.end_s
        its = by_key[one.key]
        if alarm_of:
            during_s = its.at_s[(its.at_s >= one.start_s) & (its.at_s < until)]
            outcome.delays.append(len(np.unique((during_s // 60).astype(np.int64))))
        outcome.lost_usd.append(float(its.extra_pico[its.at_s < until].sum()) / 1e12)
    outcome.load_tests = sum(one.load_test[1] > 0 for one in keys)
    outcome.load_tests_told = len(tested)
    outcome.usd = sum(float(one.cost_pico.sum()) for one in keys) / 1e12
    return outcome
