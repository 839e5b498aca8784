"""`python -m benchmarks.anomalies`: what the detectors find in months with planted incidents, how soon, and how often
they cry wolf, in those months and in the same ones without incidents.

Found in time is what is found within fifteen minutes of traffic: the fifteen first minutes, from the incident's first
call on, in which its key makes any call; a minute is judged when it is over. An alarm finds an incident when it names
its key. Seeds 1 to 8 and 101 to 108 were looked at while thresholds were chosen; the default begins at 201.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from benchmarks.anomalies.incidents import PLANTED, plant
from benchmarks.anomalies.play import Outcome, daily_spend, hourly_sigmas, judged, ours
from benchmarks.anomalies.traffic import DAYS, KINDS, month
from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align, conclude, goals_table, machine
from benchmarks.options import positive

OURS, DAILY, HOURLY = "thriftgate", "daily spend", "hourly 3 sigma"
TELLERS = (OURS, DAILY, HOURLY)
OF_EACH = 4  # incidents of a kind in a month
FIRST_SEED, SEEDS = 201, 6
IN_TIME, FALSE_A_WEEK, CPU_US = 0.95, 1.0, 15.0


@dataclass(frozen=True)
class Month:
    """One seed: by who tells, the month with incidents and the one without; calls and CPU seconds of ours in both."""

    with_incidents: dict[str, Outcome]
    without: dict[str, Outcome]
    calls: int
    cpu_s: float


def run(seed: int, kinds: dict[str, int] | None = None, of_each: int = OF_EACH) -> Month:
    """One month, twice."""
    clean = month(seed, kinds)
    changed, incidents = plant(clean, seed, of_each)
    outcomes, calls, cpu_s = [], 0, 0.0
    for keys, planted in ((changed, incidents), (clean, [])):
        alarms, took_s, seen = ours(keys)
        calls, cpu_s = calls + seen, cpu_s + took_s
        by_teller = {OURS: alarms, DAILY: daily_spend(keys), HOURLY: hourly_sigmas(keys)}
        outcomes.append({teller: judged(keys, planted, told) for teller, told in by_teller.items()})
    return Month(outcomes[0], outcomes[1], calls, cpu_s)


def found_table(months: Sequence[Month], teller: str) -> str:
    """By kind of incident."""
    rows = [[f"{teller}: planted", "n", "in time", "found", "named so", "minutes of traffic", "USD lost, median", "in all"]]
    for kind in (*PLANTED, "all"):
        found, delays, lost = [], [], []
        for each in months:
            outcome = each.with_incidents[teller]
            delay = iter(outcome.delays)
            for incident, alarm, usd in zip(outcome.incidents, outcome.found, outcome.lost_usd, strict=True):
                minutes = next(delay) if alarm else 0
                if kind in (incident.kind, "all"):
                    found.append((incident, alarm))
                    lost.append(usd)
                    delays += [minutes] if alarm else []
        if not (n := len(found)):
            continue
        in_time = sum(alarm is not None and alarm.at_s <= incident.late_s for incident, alarm in found)
        named = sum(
            alarm is not None and alarm.kind in _NAMES.get(incident.kind, (incident.kind,)) for incident, alarm in found
        )
        row = [kind, f"{n}", f"{in_time / n:.1%}", f"{len(delays) / n:.1%}", f"{named / n:.0%}" if teller == OURS else "–"]
        row += [f"{median(delays):.0f}" if delays else "–", f"{median(lost):,.2f}", f"{sum(lost):,.0f}"]
        rows.append(row)
    return align(rows)


_NAMES = {"loop": ("loop", "pace", "spend")}


def false_table(months: Sequence[Month]) -> str:
    """False alarms a week and hundred keys."""
    rows = [["false alarms a week per 100 keys", "with incidents", "without", "by kind, without"]]
    for teller in TELLERS:
        kinds: Counter[str] = Counter()
        for each in months:
            kinds += each.without[teller].false
        weeks = len(months) * DAYS / 7
        by_kind = ", ".join(f"{kind} {count / weeks:.2f}" for kind, count in kinds.most_common()) if teller == OURS else ""
        rates = [f"{false_a_week(months, teller, clean=clean):.2f}" for clean in (False, True)]
        rows.append([teller, *rates, by_kind])
    return align(rows)


def false_a_week(months: Sequence[Month], teller: str, *, clean: bool) -> float:
    """Of a hundred keys."""
    outcomes = [(each.without if clean else each.with_incidents)[teller] for each in months]
    return sum(outcome.false.total() for outcome in outcomes) / (len(months) * DAYS / 7) / (sum(KINDS.values()) / 100)


def in_time(months: Sequence[Month], teller: str, kind: str = "") -> float:
    """Share of the incidents (of that kind) that were found in time."""
    outcomes = [each.with_incidents[teller] for each in months]
    pairs = [pair for one in outcomes for pair in zip(one.incidents, one.found, strict=True) if kind in ("", pair[0].kind)]
    return sum(alarm is not None and alarm.at_s <= incident.late_s for incident, alarm in pairs) / max(len(pairs), 1)


def goals(months: Sequence[Month]) -> list[Goal]:
    """What must be, and what is aimed at."""
    cpu_us = sum(each.cpu_s for each in months) / sum(each.calls for each in months) * 1e6
    false = [false_a_week(months, OURS, clean=clean) for clean in (True, False)]
    return [
        Goal("found within 15 minutes of traffic", IN_TIME, False, True, in_time(months, OURS)),
        Goal("false alarms a week per 100 keys, months without incidents", FALSE_A_WEEK, True, True, false[0]),
        Goal("false alarms a week per 100 keys, months with incidents", FALSE_A_WEEK, True, True, false[1]),
        Goal("CPU us a call, all detectors", CPU_US, True, False, cpu_us),
    ]


def summary(months: Sequence[Month]) -> str:
    """What else there is to know."""
    mine = [each.with_incidents[OURS] for each in months]
    calls, usd = sum(each.calls for each in months) / 2 / len(months), sum(each.usd for each in mine) / len(months)
    told, tests = sum(each.load_tests_told for each in mine), sum(each.load_tests for each in mine)
    further = sum(each.further for each in mine)
    return (
        f"a month: {calls:,.0f} calls of {sum(KINDS.values())} keys, {usd:,.0f} USD; load tests told {told} of {tests}; "
        f"further alarms about incidents that were found: {further}"
    )


def document(months: Sequence[Month]) -> dict[str, object]:
    """The figures as one object."""
    tellers = {
        teller: {
            "in_time": in_time(months, teller),
            "in_time_by_kind": {kind: in_time(months, teller, kind) for kind in PLANTED},
            "false_a_week_with_incidents": false_a_week(months, teller, clean=False),
            "false_a_week_without": false_a_week(months, teller, clean=True),
            "lost_usd": sum(sum(each.with_incidents[teller].lost_usd) for each in months),
        }
        for teller in TELLERS
    }
    return {"incidents": sum(len(each.with_incidents[OURS].incidents) for each in months), "tellers": tellers}


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the months, print, judge."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.anomalies", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="the first one")
    parser.add_argument("--seeds", type=positive, default=SEEDS, help="months")
    parser.add_argument("--processes", type=positive, default=2)
    asked = parser.parse_args(arguments)
    began = perf_counter()
    with ProcessPoolExecutor(asked.processes) as pool:
        months = list(pool.map(run, range(asked.seed, asked.seed + asked.seeds)))
    tables = [*(found_table(months, teller) for teller in TELLERS), false_table(months), summary(months)]
    judged_goals, took = goals(months), perf_counter() - began
    print("\n\n".join([*tables, goals_table(judged_goals), f"{took:,.0f} s in all"]))
    whole: dict[str, object] | None = None
    if asked.json:
        whole = {"benchmark": "anomalies", "seed": asked.seed, "versions": machine(), "took_s": took}
        whole |= {"seeds": asked.seeds, "figures": document(months)}
    return conclude(judged_goals, whole)


if __name__ == "__main__":
    sys.exit(main())
