"""Has the level of a quantity risen? A control chart that knows nothing of the distribution it watches.

What is watched is smoothed over the last minutes with traffic (an exponentially weighted moving average, Roberts 1959),
and compared with how far this very average strayed before: its own spread, in which heavy tails, sessions whose prompts
grow and days that differ from nights are all contained, and the greatest heights it came back from, this week and the
last. A single wild minute is cut to a few times the usual spread. Whatever is out of bounds teaches little, so that an
incident does not become the normal.
"""

from __future__ import annotations

from math import sqrt

from msgspec import Struct

FAST = 0.16  # weight of the newest minute: remembers the last six minutes with traffic
SLOW_MINUTES = 1500  # with traffic: what the level and the spread are learned over
MARGIN = 1.3  # times the greatest height so far
CUT = 4.0  # times the spread of a minute
LEARN_MINUTES = 45  # with traffic: no judgement before
KNOWN_MINUTES = 15  # … where the level is known beforehand
YOUNG_MINUTES = 120.0  # bounds are half as wide again at an age of so many minutes
OVER = 0.5  # of the bound: an excursion is over below


class Chart(Struct):
    """One quantity of one series, of which only a rise is bad. `floor` is the least spread that is believed (of a
    minute), `bound_times` how many times its own spread the average has to rise for an alarm.

    `level` is the long run, `now` the last minutes, both as they are; `height` is the smoothed distance between, each
    minute weighed by how much it can tell."""

    floor: float
    bound_times: float
    spread2: float
    strays2: float
    level: float = 0.0
    now: float = 0.0
    height: float = 0.0
    reach: float = 0.0
    peak: float = 0.0
    peak_before: float = 0.0
    seen: int = 0

    def see(self, x: float, weight: float, open_: bool) -> float:
        """A minute's mean. Returns the height over its bound: an alarm above 1. `open_`: the alarm was raised already,
        and nothing is learned until it is over."""
        seen = self.seen = self.seen + 1
        if seen == 1:
            self.level = self.now = x
            return 0.0
        off = x - self.level
        if -1e-9 < off < 1e-9 and -1e-6 < self.height < 1e-6:
            return 0.0
        self.now += FAST * (x - self.now)
        cut = CUT * sqrt(self.spread2)
        weighed = off * weight
        if weighed > cut or weighed < -cut:
            weighed = cut if weighed > 0 else -cut
        height = self.height = self.height + FAST * (weighed - self.height)
        over = height / self.bound() if height > 0 and seen > LEARN_MINUTES else 0.0
        if not open_:
            self._learn(weighed, weight, height)
        return over

    def bound(self) -> float:
        """Where the alarm is."""
        by_spread = self.bound_times * sqrt(self.strays2) * (1.0 + 0.5 * YOUNG_MINUTES / (self.seen + YOUNG_MINUTES))
        peak = max(self.peak_before, self.peak)
        return max(MARGIN * peak, by_spread)

    def _learn(self, weighed: float, weight: float, height: float) -> None:
        seen = self.seen
        if seen < SLOW_MINUTES:
            rate = 1.0 / (seen + 20)
            self.level += weighed / (weight * seen)
        else:
            rate = 1.0 / SLOW_MINUTES
            self.level += rate * weighed / weight
        floor2 = self.floor * self.floor
        spread2 = self.spread2 + rate * (weighed * weighed - self.spread2)
        self.spread2 = spread2 if spread2 > floor2 else floor2  # noqa: FURB136  here it counts: max() costs three times as much
        strays2, height2 = self.strays2, height * height
        if height2 > 9 * strays2:  # noqa: PLR1730  as above
            height2 = 9 * strays2
        strays2 += rate * (height2 - strays2)
        floor2 *= FAST
        self.strays2 = strays2 if strays2 > floor2 else floor2  # noqa: FURB136  as above
        if height > self.reach:
            self.reach = height
        elif height < OVER * self.reach:
            if self.reach > self.peak and seen > LEARN_MINUTES:
                self.peak = self.reach
            self.reach = height if height > 0 else 0.0

    def turn(self) -> None:
        """A week is over: what was reached in the one before it is forgotten."""
        self.peak_before, self.peak = self.peak, 0.0

    def adopt(self) -> None:
        """The new level has come to stay."""
        self.level, self.height, self.reach = self.now, 0.0, 0.0


def chart(floor: float, bound_times: float, times: float = 3.0) -> Chart:
    """A new one: it takes the first minute for its level, and so many times the least for its spread until it has seen
    more."""
    spread = times * floor
    return Chart(floor, bound_times, spread * spread, spread * spread * FAST)


def chart_from(floor: float, bound_times: float, level: float) -> Chart:
    """One that knows its level beforehand, and is soon judged by it."""
    known = chart(floor, bound_times, 1.5)
    known.seen, known.level, known.now = LEARN_MINUTES - KNOWN_MINUTES, level, level
    return known
