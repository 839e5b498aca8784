"""One series: what a call costs and why, and how many fail, against its own past."""

from __future__ import annotations

from math import exp, log, sqrt

from msgspec import Struct, field

from thriftgate.core.anomalies.call import RUNS_COUNTED, Sums
from thriftgate.core.anomalies.chart import Chart, chart, chart_from
from thriftgate.core.anomalies.finding import Kind
from thriftgate.core.money import PICO_PER_USD

CALLS_HALF = 4  # calls in a minute whose mean tells half of what a minute can tell
WEIGHTS = tuple(sqrt(calls / (calls + CALLS_HALF)) for calls in range(256))
RISE_LEAST = log(1.3)  # of what a call costs: less is not told
ERRORS_LEAST = 0.2  # of the calls
READ_SAVES = 0.9  # of the price of a prompt token: what a cache read saves with most models
READ_LESS = 0.6  # of the tokens read before: the cache serves less
OUTPUT_PART = 0.5  # of a call's cost, when it is told what made it dearer
ADOPT_MINUTES = 24 * 60  # an alarm that stands so long has become the normal
RUNS_MINUTES = 10.0  # in which a series usually has so many runs: of these, several have to show a rise
RUNS_SLOW = 0.02
CALM = 0.25  # of the bound
CLOSED = 0.5  # of the bound: an alarm is over below
_BY_CLOCK = 0.05  # weight of the newest minute: remembers the last twenty by the clock


class Series(Struct):
    """`mean_pico` is what a call costs in the long run; `per_minute` calls, by the clock; `unit_since` and
    `errors_since` the minute in which an alarm was raised, 0 for none; `calm` the last one in which nothing was out of
    the ordinary, and `calls` those made since."""

    last: int
    born: int
    cost: Chart = field(default_factory=lambda: chart(0.15, 6.0))
    prompt: Chart = field(default_factory=lambda: chart(0.12, 6.0))
    output: Chart = field(default_factory=lambda: chart(0.15, 4.4))
    rate: Chart = field(default_factory=lambda: chart(0.06, 6.0, 1.0))
    uncached: Chart = field(default_factory=lambda: chart(0.05, 5.5))
    errors: Chart = field(default_factory=lambda: chart_from(0.05, 3.5, 0.0))
    mean_pico: float = 0.0
    per_minute: float = 0.0
    unit_since: int = 0
    errors_since: int = 0
    calm: int = 0
    calls: int = 0
    runs: list[str] = field(default_factory=list)
    runs_before: list[str] = field(default_factory=list)
    runs_a_minute: float = 0.0
    switched: float = 0.0

    def see(self, minute: int, sums: Sums) -> tuple[float, float]:
        """A minute with traffic. Returns how far the price of a call, or what makes it, and the errors are over their
        bounds: an alarm above 1; 0 where an alarm stands already."""
        gap = minute - self.last
        self.last = minute
        calls = sums.calls
        self.per_minute = self.per_minute * (1.0 - _BY_CLOCK) ** gap + _BY_CLOCK * calls
        errors_open = self.errors_since > 0
        errors = self.errors.see(sums.errors / calls, WEIGHTS[calls if calls < 256 else 255], errors_open)
        if errors_open:
            errors = self._still_errors(minute, errors)
        n = sums.answered
        unit = self._unit(minute, sums, n) if n else 0.0
        if sums.runs:
            self._count_runs(sums.runs)
        if unit < CALM and errors < CALM:
            self.calm, self.calls, self.runs = minute, 0, []
        else:
            self.calls += calls
        return (
            unit if len(self.runs) >= self.runs_a_minute * RUNS_MINUTES - 1 or len(self.runs) == RUNS_COUNTED else 0.0
        ), errors

    def _count_runs(self, runs: list[str]) -> None:
        """One long conversation is not what happens to all: where runs are many, several have to show it."""
        new = sum(run not in self.runs_before for run in runs)
        self.runs_a_minute += RUNS_SLOW * (new - self.runs_a_minute)
        self.runs_before = runs
        if not self.runs:
            self.runs = runs
        elif len(self.runs) < RUNS_COUNTED:
            self.runs = list(dict.fromkeys(self.runs + runs))[:RUNS_COUNTED]

    def _unit(self, minute: int, sums: Sums, n: int) -> float:
        weight = WEIGHTS[n if n < 256 else 255]
        open_ = self.unit_since > 0
        part = 1.0 / n
        over = self.cost.see(sums.cost * part, weight, open_)
        if (other := self.prompt.see(sums.prompt * part, weight, open_)) > over:
            over = other
        if (other := self.output.see(sums.output * part, weight, open_)) > over:
            over = other
        if sums.rated:
            self.switched = other = self.rate.see(sums.rate / sums.rated, weight, open_)
            over = max(over, other)
        if (other := self.uncached.see(sums.uncached * part, weight, open_)) > over:
            over = other
        if open_:
            return self._still_dear(minute, over)
        mean, known = sums.cost_pico / sums.calls, self.mean_pico
        if not known:
            self.mean_pico = mean
        else:
            self.mean_pico += 0.004 * ((min(10 * known, mean)) - known)
        return over

    def rise(self) -> float:
        """Of what a call costs, as a logarithm. A dearer model is dearer by its price list, whatever the latest calls
        cost."""
        rise = self.cost.now - self.cost.level
        return max(rise, self.rate.now - self.rate.level) if self.switched > 1 else rise

    def excess_pico_per_h(self) -> float:
        """What calls cost an hour above what they would have."""
        return 60 * self.per_minute * self.mean_pico * (exp(min(self.rise(), 7.0)) - 1)

    def errors_pico_per_h(self) -> float:
        """What it costs an hour to make the failed calls again."""
        each = max(self.mean_pico, exp(self.cost.now))
        return 60 * self.per_minute * each * max(0.0, self.errors.now - self.errors.level)

    def numbers(self, kind: Kind) -> tuple[float, float]:
        """Before and after, in the unit of that kind; of what has a heavy tail it is what is typical, not the mean."""
        if kind == "tier_switch":
            return 1.0, exp(self.rate.now - self.rate.level)
        if kind == "cache_collapse":
            return self.uncached.level, self.uncached.now
        one = {"long_prompt": self.prompt, "output_drift": self.output}.get(kind, self.cost)
        unit = PICO_PER_USD if one is self.cost else 1
        return (exp(one.level) - 1) / unit, (exp(one.now) - 1) / unit

    def made_dearer(self) -> Kind:
        """What explains most of the rise."""
        grew = self.prompt.now - self.prompt.level
        uncached = max(0.0, min(1.0, self.uncached.now)), max(0.0, min(1.0, self.uncached.level))
        price = [1 - READ_SAVES * (1 - share) for share in uncached]
        reads_less = (1 - uncached[0]) * exp(grew) < READ_LESS * (
            1 - uncached[1]
        )  # tokens, not shares: those fall with any growth
        parts: dict[Kind, float] = {
            "tier_switch": self.rate.now - self.rate.level,
            "cache_collapse": (1 - OUTPUT_PART) * log(price[0] / price[1]) if reads_less else 0.0,
            "long_prompt": (1 - OUTPUT_PART) * grew,
            "output_drift": OUTPUT_PART * (self.output.now - self.output.level),
        }
        kind = max(parts, key=lambda each: parts[each])
        return kind if parts[kind] > 0.25 * self.rise() else "unit_cost"

    def _still_dear(self, minute: int, over: float) -> float:
        adopted = minute - self.unit_since > ADOPT_MINUTES
        if adopted:
            for each in (self.cost, self.prompt, self.output, self.rate, self.uncached):
                each.adopt()
        if adopted or over < CLOSED:
            self.unit_since = 0
        return 0.0

    def _still_errors(self, minute: int, over: float) -> float:
        adopted = minute - self.errors_since > ADOPT_MINUTES
        if adopted:
            self.errors.adopt()
        if adopted or over < CLOSED:
            self.errors_since = 0
        return 0.0

    def turn(self) -> None:
        """A week is over."""
        for each in (self.cost, self.prompt, self.output, self.rate, self.uncached, self.errors):
            each.turn()
