"""How fast calls are made and money is spent, against what this hour of the week usually brings.

Expected is what the same hour brought in earlier weeks, with the same hour of other days where there were few (an hour
either side counts too: jobs are late and clocks change). What is judged is the logarithm of how many times that is made
now. Batch jobs and agents by nature come in bursts; so the bound of a series is also above the height of every burst it
came back from, this week and the last. In its first days a key is held only against what the whole installation is used
to.
"""

from __future__ import annotations

from math import log, sqrt

from msgspec import Struct, field

FAST = 0.16  # weight of the newest minute, by the clock
HOURS = 168  # of a week
CALLS_TIMES, COST_TIMES = 2.5, 4.0  # what is expected: less is no alarm
FEW_CALLS, FEW_COSTS = 0.5, 2.0  # calls a minute, added on both sides: a few calls, a few dear ones, are no rise
HEIGHT = 4.5  # times the spread
MARGIN = log(1.5)  # above the greatest burst
BURST_LEAST = log(2.0)  # less is no burst
BURSTS_KNOWN = 8  # at so many the margin is twice that above, with fewer larger yet, with more smaller
SLOW_MINUTES = 1500  # with traffic: what the spread is learned over
FORGET = 0.35  # what a new week weighs
HOUR_TIMES_MAX = 4.0  # an hour teaches at most so many times what was expected
LEARN_H = 24  # age at which bursts begin to be learned
JUDGE_H = 72  # age at which a series is judged by its own past
YOUNG_H = 72.0  # … with bounds wider by this over the age
OVER = 0.5
CALM = 0.25  # of the bound
CLOSED = 0.5  # of the bound: an alarm is over below
ADOPT_MINUTES = 24 * 60  # an alarm that stands so long has become the normal
_FLOATS = 4 * HOURS


class Burst(Struct):
    """The bound of one quantity: the spread of its logarithm, and the greatest heights that it came back from. `bursts`
    are counted this week and the last; `told` is the height of the latest one that was raised."""

    least: float
    strays2: float = 1.0
    seen: int = 0
    reach: float = 0.0
    peak: float = 0.0
    peak_before: float = 0.0
    bursts: int = 0
    bursts_before: int = 0
    told: float = 0.0

    def over(self, height: float, young: float) -> float:
        """The height over its bound."""
        bursts, peak = self.bursts + self.bursts_before, max(self.peak, self.peak_before)
        bound = HEIGHT * sqrt(self.strays2)
        if bursts:
            bound = min(bound, peak + MARGIN * (1 + BURSTS_KNOWN / bursts))
        bound = max(bound, peak + MARGIN, self.least * young)
        return height / bound

    def learn(self, height: float) -> None:
        """Within bounds, or not raised."""
        self.seen += 1
        rate = max(1 / (self.seen + 20), 1 / SLOW_MINUTES)
        above2 = 2 * height * height if height > 0 else 0.0  # an hour too quiet says nothing of how loud one may be
        self.strays2 += rate * (min(above2, 9 * self.strays2) - self.strays2)
        self._rise(height)

    def told_over(self, height: float) -> None:
        """An alarm is over that was so high. What had to be told twice is a habit, and is not told a third time."""
        self.peak = max(self.peak, min(self.told, height))
        self.told, self.reach = height, 0.0

    def _rise(self, height: float) -> None:
        if height > self.reach:
            self.reach = height
        elif height < OVER * self.reach:
            if self.reach > BURST_LEAST:
                self.bursts += 1
            self.peak = max(self.peak, self.reach)
            self.reach = max(height, 0.0)

    def adopt(self, height: float) -> None:
        """So high has become the normal."""
        self.peak, self.reach = max(self.peak, height), 0.0

    def turn(self) -> None:
        """A week is over."""
        self.peak_before, self.peak = self.peak, 0.0
        self.bursts_before, self.bursts = self.bursts, 0


class Pace(Struct):
    """Of one series. Calls and pico-USD a minute: `calls` and `cost` now, `calls_due` and `cost_due` expected. `since`
    is the minute in which an alarm was raised, 0 for none, and the tops how high it went; `calm` the last one in which
    nothing was out of the ordinary, `made` the calls since. `tasks`: it has more than one, `task` was the first."""

    born: int
    last: int
    hour: int
    calls: float = 0.0
    cost: float = 0.0
    hour_calls: float = 0.0
    hour_cost: float = 0.0
    calls_due: float = 0.0
    cost_due: float = 0.0
    mean_cost: float = 0.0
    hours_calls: bytearray = field(default_factory=lambda: bytearray(_FLOATS))
    hours_cost: bytearray = field(default_factory=lambda: bytearray(_FLOATS))
    weeks: bytearray = field(default_factory=lambda: bytearray(HOURS))
    by_calls: Burst = field(default_factory=lambda: Burst(log(CALLS_TIMES)))
    by_cost: Burst = field(default_factory=lambda: Burst(log(COST_TIMES)))
    since: int = 0
    top_calls: float = 0.0
    top_cost: float = 0.0
    calm: int = 0
    made: int = 0
    task: str = ""
    tasks: bool = False

    def see(self, minute: int, calls: int, cost_pico: int, parent: Pace | None) -> tuple[float, float]:
        """A minute with traffic. Returns calls and spend over their bounds: an alarm above 1, 0 where an alarm stands."""
        by_calls, by_cost = self._over(minute, calls, cost_pico, parent)
        if by_calls < CALM and by_cost < CALM:
            self.calm, self.made = minute, 0
        else:
            self.made += calls
        if not self.since:
            return by_calls, by_cost
        if minute - self.since > ADOPT_MINUTES:
            self.by_calls.adopt(self._height_calls())
            self.by_cost.adopt(self._height_cost())
            self.since = 0
        elif by_calls < CLOSED and by_cost < CLOSED:
            self.by_calls.told_over(self.top_calls)
            self.by_cost.told_over(self.top_cost)
            self.since, self.top_calls, self.top_cost = 0, 0.0, 0.0
        else:
            self.top_calls = max(self.top_calls, self._height_calls())
            self.top_cost = max(self.top_cost, self._height_cost())
        return 0.0, 0.0

    def _over(self, minute: int, calls: int, cost_pico: int, parent: Pace | None) -> tuple[float, float]:
        open_ = self.since > 0
        if minute // 60 != self.hour:
            self._next_hour(minute // 60, open_)
        stays = (1.0 - FAST) ** (minute - self.last)
        self.last = minute
        self.calls = self.calls * stays + FAST * calls
        self.cost = self.cost * stays + FAST * cost_pico
        self.hour_calls += calls
        self.hour_cost += cost_pico
        mean = cost_pico / calls if calls else self.mean_cost
        if not self.mean_cost:
            self.mean_cost = mean
        self.mean_cost += 0.005 * ((min(5 * self.mean_cost, mean)) - self.mean_cost)
        age_h = (minute - self.born) / 60
        if age_h < LEARN_H:
            return self._against(parent, minute)
        by_calls, by_cost = self._height_calls(), self._height_cost()
        if not open_:
            self.by_calls.learn(by_calls)
            self.by_cost.learn(by_cost)
        if age_h < JUDGE_H:
            return self._against(parent, minute)
        young = 1.0 + YOUNG_H / age_h
        return self.by_calls.over(by_calls, young), self.by_cost.over(by_cost, young)

    def excess_pico_per_h(self) -> float:
        """What is spent an hour above what is expected."""
        return 60 * (self.cost - self.cost_due)

    def _height_calls(self) -> float:
        return log((self.calls + FEW_CALLS) / (self.calls_due + FEW_CALLS))

    def _height_cost(self) -> float:
        few = FEW_COSTS * self.mean_cost + 1.0
        return log((self.cost + few) / (self.cost_due + few))

    def turn(self) -> None:
        """A week is over."""
        self.by_calls.turn()
        self.by_cost.turn()

    def _against(self, parent: Pace | None, minute: int) -> tuple[float, float]:
        """By the parent's past alone: more than the whole installation ever expects."""
        if parent is None or minute - parent.born < 60 * JUDGE_H:
            return 0.0, 0.0
        calls = self.calls / (CALLS_TIMES * (parent.calls_due + FEW_CALLS))
        cost = self.cost / (COST_TIMES * (parent.cost_due + FEW_COSTS * parent.mean_cost + 1.0))
        return calls, cost

    def _next_hour(self, hour: int, open_: bool) -> None:
        """Put the hour that is over, and those without traffic since, into the profile; look up what is due in this one."""
        calls, cost = memoryview(self.hours_calls).cast("f"), memoryview(self.hours_cost).cast("f")
        silent = max(self.hour + 1, hour - HOURS)
        if not open_:
            self._commit(calls, cost, self.hour, self.hour_calls / 60, self.hour_cost / 60)
        for quiet in range(silent, hour):
            self._commit(calls, cost, quiet, 0.0, 0.0)
        self.hour, self.hour_calls, self.hour_cost = hour, 0.0, 0.0
        due = [self._due(calls, cost, slot % HOURS) for slot in (hour - 1, hour, hour + 1)]
        self.calls_due = max(one[0] for one in due)
        self.cost_due = max(one[1] for one in due)

    def _commit(self, calls: memoryview[float], cost: memoryview[float], hour: int, n: float, pico: float) -> None:
        slot = hour % HOURS
        weeks = self.weeks[slot]
        if weeks:
            n = min(n, HOUR_TIMES_MAX * (calls[slot] + FEW_CALLS))
            pico = min(pico, HOUR_TIMES_MAX * (cost[slot] + FEW_COSTS * self.mean_cost))
        rate = max(1 / (weeks + 1), FORGET)
        calls[slot] += rate * (n - calls[slot])
        cost[slot] += rate * (pico - cost[slot])
        self.weeks[slot] = min(weeks + 1, 255)

    def _due(self, calls: memoryview[float], cost: memoryview[float], slot: int) -> tuple[float, float]:
        """Calls and pico-USD a minute in this hour of the week: by itself, and by the same hour of other days, which
        together count as one more week."""
        days = [at for at in range(slot % 24, HOURS, 24) if at != slot and self.weeks[at]]
        own = self.weeks[slot]
        if not days:
            return (calls[slot], cost[slot]) if own else (0.0, 0.0)
        n = sum(calls[at] for at in days) / len(days)
        pico = sum(cost[at] for at in days) / len(days)
        return (own * calls[slot] + n) / (own + 1), (own * cost[slot] + pico) / (own + 1)
