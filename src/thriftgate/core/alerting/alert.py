"""The words of alerting.

A rule that is met, a detector that found something, a budget that reached a stage: each is a `Sighting`. Sightings of one
signature make one `Alert`, which opens, is told, may be acknowledged or silenced, and resolves itself when nothing was
sighted for a while. What is told is a `Notice`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

from thriftgate.core.errors import InputError

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")

# What an alert is:
#   open           nobody has said anything      acknowledged   somebody has: told again only when it gets worse
#   silenced       somebody does not want to hear of it, until a time
#   resolved       the condition has been gone for a while
State = Literal["open", "acknowledged", "silenced", "resolved"]

# Why it is told: it opened, got worse, is still there after a quiet time, or is over.
Why = Literal["opened", "worse", "again", "resolved"]

# What labels and silences can name. Labels of a call are of the first seven.
DIMENSIONS = ("key", "user", "team", "org", "model", "task", "tag")
MATCHERS = (*DIMENSIONS, "kind", "rule", "severity")


class Sighting(Struct, frozen=True):
    """A condition that holds now. `signature` is the same whenever the same condition is seen again. `labels` tell whose it
    is, such as "key=key_1". `since_us` is when it began, `until_us` a time until which it surely lasts (0: nobody knows).
    `level` is how bad it is, compared with itself earlier; `pico_per_h` what it costs."""

    signature: str
    kind: str
    sentence: str
    severity: Severity = "warning"
    rule: str = ""
    labels: tuple[str, ...] = ()
    since_us: int = 0
    until_us: int = 0
    evidence: tuple[str, ...] = ()
    action: str = ""
    pico_per_h: int = 0
    level: float = 0.0


class Alert(Struct, frozen=True):
    """One condition over its life. Microseconds since 1970; `closed_us` is 0 while it lasts. `count` is how often it was
    sighted, `flaps` how often it came back soon after it was over. `told_…` is what was last told of it. `by` is who
    acknowledged it."""

    id: int
    signature: str
    kind: str
    state: State
    severity: Severity
    sentence: str
    rule: str
    labels: tuple[str, ...]
    evidence: tuple[str, ...]
    action: str
    pico_per_h: int
    level: float
    since_us: int
    opened_us: int
    seen_us: int
    until_us: int
    closed_us: int = 0
    count: int = 1
    flaps: int = 0
    told_us: int = 0
    told_level: float = 0.0
    told_severity: Severity = "info"
    by: str = ""

    def value(self, name: str) -> str:
        """What a label says, such as the team; "" where there is none."""
        return next((one.partition("=")[2] for one in self.labels if one.startswith(f"{name}=")), "")


class Silence(Struct, frozen=True):
    """Alerts that meet all of `matchers` (such as "team=search"; values may hold `*`) are not told until `until_us`."""

    id: int
    matchers: tuple[str, ...]
    until_us: int
    made_us: int
    by: str
    why: str

    def covers(self, sighting: Sighting | Alert, now_us: int) -> bool:
        """Whether it holds now, and for this."""
        return now_us < self.until_us and all(_meets(one, sighting) for one in self.matchers)


class Notice(Struct, frozen=True):
    """Something to tell through one sink: the alert as it was then."""

    id: int
    sink: str
    why: Why
    made_us: int
    alert: Alert


class Message(Struct, frozen=True):
    """What one sink is sent at once: one notice, or a digest of several. `id` stays the same however often it is tried."""

    id: str
    sink: str
    notices: tuple[Notice, ...]
    tries: int = 0


def rank(severity: Severity) -> int:
    """The higher, the worse."""
    return SEVERITIES.index(severity)


def checked_conditions(conditions: tuple[str, ...], kinds: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Conditions such as "team=search", each once and in order. Raises InputError naming `where` they stand."""
    for one in conditions:
        kind, equals, value = one.partition("=")
        if kind not in kinds or not equals or not value or not value.isprintable() or len(value) > 200:
            raise InputError(f"{where}: {one!r} is not of the form name=value; names: {', '.join(kinds)}")
    return tuple(sorted(set(conditions)))


def _meets(matcher: str, sighting: Sighting | Alert) -> bool:
    name, _, pattern = matcher.partition("=")
    if name in DIMENSIONS:
        values = [one.partition("=")[2] for one in sighting.labels if one.startswith(f"{name}=")]
    else:
        values = [{"kind": sighting.kind, "rule": sighting.rule, "severity": sighting.severity}[name]]
    return any(fnmatchcase(value, pattern) for value in values)
