"""The watch: every settled call goes in, findings come out, at most a minute later.

Calls are summed up by the minute; when a minute is over, each series with traffic in it is judged once: what calls cost
and how many fail for (key, task), for the key where it has several tasks, for the model and for the whole; how fast
calls are made and money is spent for the key and the whole. What explains each other is told once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.anomalies.call import Call, Sums
from thriftgate.core.anomalies.explaining import REMEMBERED_MINUTES, Told, in_order, is_explained, shared
from thriftgate.core.anomalies.finding import Finding, Kind, Level
from thriftgate.core.anomalies.pace import Pace
from thriftgate.core.anomalies.series import ERRORS_LEAST, RISE_LEAST, Series
from thriftgate.core.anomalies.streaks import KeptStreaks, RunId, Streaks
from thriftgate.core.generations import Generations
from thriftgate.core.money import PICO_PER_USD

STANDS_MINUTES = 15  # after it was seen last; minutes without traffic tell nothing
_MINUTE_S = 60
_WEEK_MINUTES = 7 * 24 * 60
_WAIT_MINUTES = 3  # a model or the whole waits so long for a key that explains it
_YOUNG_MINUTES, _WIDE_YOUNG_MINUTES = 24 * 60, 72 * 60  # no judgement before
_WIDE = 1.5  # times the bound: what many keys share moves with who is awake

SeriesId = tuple[Level, str, str]  # the key and its task, or "" and the model
Cell = tuple[str, str, str]  # key, task, model
_WHOLE: SeriesId = ("all", "", "")
_Numbers = tuple[float, float, int]  # before, after, excess in pico-USD an hour
_Of = TypeVar("_Of")
_Group = Literal["unit", "errors", "pace", "loop"]
_ToldId = tuple[Level, str, str, _Group]


class Limits(Struct, frozen=True):
    """What is worth a word (`floor_pico_per_h`); how many series and how many keys are remembered, and how many over a
    restart."""

    floor_pico_per_h: int = PICO_PER_USD
    series_max: int = 20_000
    keys_max: int = 10_000
    kept_max: int = 2_000


class _Kept(Struct, array_like=True, forbid_unknown_fields=True):
    minute: int
    week: int
    sums: list[tuple[Cell, Sums]]
    series: list[tuple[SeriesId, Series]]
    paces: list[tuple[str, Pace]]
    whole: Pace | None
    told: list[tuple[_ToldId, Told]]
    streaks: KeptStreaks
    loops: list[tuple[RunId, str]]
    waiting: dict[str, int]


class _Candidate(Struct):
    """What is out of bounds, and where that is marked once it was told or explained."""

    finding: Finding
    told_id: _ToldId
    series: Series | None = None
    pace: Pace | None = None

    def mark(self, minute: int) -> None:
        """From now on it is known."""
        if self.pace is not None:
            self.pace.since = minute
        elif self.series is not None and self.told_id[3] == "errors":
            self.series.errors_since = minute
        elif self.series is not None:
            self.series.unit_since = minute


class Watch:
    """All detectors over all series. Deterministic; knows of time only what calls and `tick` tell."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._ends_s = 0.0
        self._minute = 0
        self._week = 0
        self._sums: dict[Cell, Sums] = {}
        self._series: Generations[SeriesId, Series] = Generations(self._limits.series_max)
        self._paces: Generations[str, Pace] = Generations(self._limits.keys_max)
        self._whole: Pace | None = None
        self._told: dict[_ToldId, Told] = {}
        self._streaks = Streaks()
        self._loops: dict[RunId, str] = {}
        self._waiting: dict[str, int] = {}

    def see(self, call: Call) -> Sequence[Finding]:
        """Take in a call. Returns what is found in the minutes that ended before it. A call that settled in a minute
        that is over counts for the current one. Refused calls cost nothing and are left out."""
        found: Sequence[Finding] = ()
        if call.settled_s >= self._ends_s:
            found = self.tick(call.settled_s)
        if call.ended == "refused":
            return found
        cell = (call.key, call.task, call.model)
        sums = self._sums.get(cell)
        if sums is None:
            sums = self._sums[cell] = Sums()
        sums.take(call)
        if call.run and not call.queued and self._streaks.see(call):
            self._loops[call.key, call.task, call.run] = call.model
        return found

    def tick(self, now_s: float) -> Sequence[Finding]:
        """It is `now_s`: judge the minute that is over, if it is. To be asked now and then where no calls come."""
        if now_s < self._ends_s:
            return ()
        found = self._close() if self._sums else ()
        self._minute = int(now_s // _MINUTE_S)
        self._ends_s = (self._minute + 1) * float(_MINUTE_S)
        if self._minute // _WEEK_MINUTES != self._week:
            self._week = self._minute // _WEEK_MINUTES
            self._turn()
        return found

    def standing(self) -> list[Finding]:
        """What was told and still holds, or did a short while ago; its excess as it was at its worst."""
        return [
            replace(one.finding, excess_pico_per_h=one.excess_pico_per_h)
            for one in self._told.values()
            if self._minute - one.minute <= STANDS_MINUTES
        ]

    def kept(self) -> bytes:
        """What is worth keeping over a restart: of the series the most recently used."""
        most = self._limits.kept_max
        kept = _Kept(
            self._minute,
            self._week,
            list(self._sums.items()),
            list(self._series.recent(most))[::-1],
            list(self._paces.recent(most))[::-1],
            self._whole,
            list(self._told.items()),
            self._streaks.kept(most),
            list(self._loops.items()),
            self._waiting,
        )
        return msgspec.msgpack.encode(kept)

    def restore(self, data: bytes) -> None:
        """Go on from what `kept` gave. Raises ValueError (msgspec's errors are) for anything else."""
        kept = msgspec.msgpack.decode(data, type=_Kept)
        self._minute, self._week = kept.minute, kept.week
        self._ends_s = (kept.minute + 1) * float(_MINUTE_S)
        self._sums, self._told = dict(kept.sums), dict(kept.told)
        for series_id, series in kept.series:
            self._series[series_id] = series
        for key, pace in kept.paces:
            self._paces[key] = pace
        self._whole, self._waiting = kept.whole, kept.waiting
        self._streaks.restore(kept.streaks)
        self._loops = dict(kept.loops)

    def _turn(self) -> None:
        for _, series in self._series.recent(self._limits.series_max):
            series.turn()
        for _, pace in self._paces.recent(self._limits.keys_max):
            pace.turn()
        if self._whole is not None:
            self._whole.turn()
        self._streaks.turn()

    # --- a minute is over ------------------------------------------------------------------------------------------------

    def _close(self) -> list[Finding]:
        minute, cells = self._minute, self._sums
        self._sums = {}
        tasks: dict[tuple[str, str], tuple[str, Sums]] = {}
        keys: dict[str, tuple[str, Sums]] = {}
        models: dict[str, Sums] = {}
        whole = Sums()
        for (key, task, model), sums in cells.items():
            _add(tasks, (key, task), model, sums)
            _add(keys, key, model, sums)
            known = models.get(model)
            if known is None:
                known = models[model] = Sums()
            known.add(sums)
        for sums in models.values():
            whole.add(sums)
        found = self._judged_loops()
        self._judge_whole(whole, found)
        for (key, task), (model, sums) in tasks.items():
            self._judge(("task", key, task), model, sums, found)
            pace = self._paces.get(key)
            if pace is None:
                pace = self._paces[key] = Pace(minute, minute, minute // 60, task=task)
            pace.tasks = pace.tasks or pace.task != task
        for key, (model, sums) in keys.items():
            self._judge_key(key, model, sums, found)
        for model, sums in models.items():
            self._judge(("model", "", model), model, sums, found)
        return self._merged(minute, found) if found or self._waiting else []

    def _judge_whole(self, sums: Sums, found: list[_Candidate]) -> None:
        minute = self._minute
        if self._whole is None:
            self._whole = Pace(minute, minute, minute // 60)
        self._judge_pace(self._whole, _WHOLE, "", sums, found)
        self._judge(_WHOLE, "", sums, found)

    def _judge_key(self, key: str, model: str, sums: Sums, found: list[_Candidate]) -> None:
        pace = self._paces.get(key)
        if pace is None:
            return
        self._judge_pace(pace, ("key", key, ""), model, sums, found)
        if pace.tasks:
            self._judge(("key", key, ""), model, sums, found)

    def _judge_pace(self, pace: Pace, of: SeriesId, model: str, sums: Sums, found: list[_Candidate]) -> None:
        minute, standing = self._minute, pace.since > 0
        parent = self._whole if pace is not self._whole else None
        by_calls, by_cost = pace.see(minute, sums.paced, sums.paced_cost_pico, parent)
        if standing:
            self._refresh((*of, "pace"), minute, int(pace.excess_pico_per_h()))
            self._refresh((*of, "loop"), minute, int(pace.excess_pico_per_h()))
        elif (by_calls > 1 or by_cost > 1) and (excess := int(pace.excess_pico_per_h())) >= self._limits.floor_pico_per_h:
            hourly = 60 / PICO_PER_USD
            kind: Kind
            if by_calls > 1:
                kind, before, after = "pace", pace.calls_due, pace.calls
            else:
                kind, before, after = "spend", pace.cost_due * hourly, pace.cost * hourly
            finding = self._finding(kind, of, model, (pace.calm, pace.made), (before, after, excess))
            found.append(_Candidate(finding, (*of, "pace"), pace=pace))

    def _judge(self, of: SeriesId, model: str, sums: Sums, found: list[_Candidate]) -> None:
        minute, series = self._minute, self._series.get(of)
        if series is None:
            series = self._series[of] = Series(minute, minute)
        unit, errors = series.see(minute, sums)
        wide = of[0] in ("model", "all")
        if minute - series.born < (_WIDE_YOUNG_MINUTES if wide else _YOUNG_MINUTES):
            return
        bound = _WIDE if wide else 1.0
        floor = self._limits.floor_pico_per_h
        if series.unit_since:
            self._refresh((*of, "unit"), minute, int(series.excess_pico_per_h()))
        elif unit > bound and series.rise() > RISE_LEAST and (excess := int(series.excess_pico_per_h())) >= floor:
            kind = series.made_dearer()
            before, after = series.numbers(kind)
            finding = self._finding(kind, of, model, (series.calm, series.calls), (before, after, excess))
            found.append(_Candidate(finding, (*of, "unit"), series=series))
        if series.errors_since:
            self._refresh((*of, "errors"), minute, int(series.errors_pico_per_h()))
        elif errors > bound and series.errors.now - series.errors.level > ERRORS_LEAST:
            excess = int(series.errors_pico_per_h())
            if excess >= floor:
                before, after = series.errors.level, series.errors.now
                finding = self._finding("errors", of, model, (series.calm, series.calls), (before, after, excess))
                found.append(_Candidate(finding, (*of, "errors"), series=series))

    def _judged_loops(self) -> list[_Candidate]:
        found: list[_Candidate] = []
        for run, model in self._loops.items():
            key, task, _ = run
            streak = self._streaks.at(run)
            if streak is None or streak.told:
                continue
            excess = int(streak.cost_pico / max(streak.last_s - streak.began_s, 60.0) * 3600)
            if excess >= self._limits.floor_pico_per_h:
                streak.told = True
                numbers = (streak.began_s, self._ends_s, streak.calls, self._streaks.longest(key), streak.calls, excess)
                finding = Finding("loop", "key", key, task, model, *numbers)
                found.append(_Candidate(finding, ("key", key, "", "loop"), pace=self._paces.get(key)))
        self._loops = {}
        return found

    def _finding(self, kind: Kind, of: SeriesId, model: str, since: tuple[int, int], numbers: _Numbers) -> Finding:
        level, key, name = of
        calm, calls = since
        before, after, excess = numbers
        task = name if level == "task" else ""
        since_s = float((calm + 1) * _MINUTE_S)
        return Finding(kind, level, key, task, model, since_s, self._ends_s, calls, before, after, excess)

    # --- one trouble is told once ----------------------------------------------------------------------------------------

    def _refresh(self, told_id: _ToldId, minute: int, excess: int) -> None:
        told = self._told.get(told_id)
        if told is not None:
            told.minute = minute
            told.excess_pico_per_h = max(told.excess_pico_per_h, excess)

    def _merged(self, minute: int, candidates: list[_Candidate]) -> list[Finding]:
        self._told = {at: each for at, each in self._told.items() if minute - each.minute <= REMEMBERED_MINUTES}
        by_finding = {each.finding: each for each in candidates}
        own = shared(list(by_finding))
        waiting: dict[str, int] = {}
        found = []
        for finding in in_order(by_finding):
            candidate = by_finding[finding]
            if finding not in own or is_explained(finding, self._told.values()):
                candidate.mark(minute)
                continue
            if finding.level in ("model", "all"):
                first = waiting[finding.signature] = self._waiting.get(finding.signature, minute)
                if minute - first < _WAIT_MINUTES:
                    continue
            candidate.mark(minute)
            self._told[candidate.told_id] = Told(finding, minute, finding.excess_pico_per_h)
            found.append(finding)
        self._waiting = waiting
        return found


def _add(sums: dict[_Of, tuple[str, Sums]], of: _Of, model: str, more: Sums) -> None:
    """One model's calls into a series; `more` is not changed. The model named is that with the most calls at once."""
    known = sums.get(of)
    if known is None:
        sums[of] = (model, more)
        return
    largest, before = known
    both = Sums()
    both.add(before)
    both.add(more)
    sums[of] = (model if more.calls > before.calls else largest, both)
