"""What is looked at: a span of time in a zone, and of whom. It stands in the URL, so that a page can be sent to somebody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.answers.moments import FOREVER_US, micros_from_text
from thriftgate.core.errors import InputError
from thriftgate.core.moments import EPOCH
from thriftgate.drawing.words import MONTHS
from thriftgate.ledger.rollup_columns import HOUR_US

SPANS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days", "1y": "a year", "all": "all"}
"""As the URL says it -> as people read it."""
_DAYS = {"7d": 7, "30d": 30, "90d": 90, "1y": 365}
OTHER = "other"
STEPS_MAX = 100
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


class Look(Struct, frozen=True):
    """`span` is one of SPANS, or "other" with `since` and `until` as the URL gave them; `team`, `key`, `model` and `task`
    narrow it down, "" is all. `span_us` is what that comes to, in microseconds since 1970."""

    span: str
    zone: str
    span_us: tuple[int, int]
    now_us: int
    since: str = ""
    until: str = ""
    team: str = ""
    key: str = ""
    model: str = ""
    task: str = ""

    @property
    def narrowed(self) -> dict[str, str]:
        """What narrows it down beside the span: name -> value."""
        return {name: getattr(self, name) for name in ("team", "key", "model", "task") if getattr(self, name)}

    def query(self, **changes: str) -> str:
        """The query string of this look with changes, "" where all is as by default."""
        told = {"span": self.span, "zone": self.zone, "since": self.since, "until": self.until, **self.narrowed, **changes}
        if told["span"] != OTHER:
            told["since"] = told["until"] = ""
        default = {"span": "7d", "zone": "UTC"}
        kept = {name: value for name, value in told.items() if value and value != default.get(name)}
        return f"?{urlencode(kept)}" if kept else ""

    @property
    def told_us(self) -> tuple[int | None, int | None]:
        """The ends of the span, None where it is open: from the first call, or up to now."""
        since_us, until_us = self.span_us
        return (since_us or None, None if until_us == FOREVER_US else until_us)

    @property
    def title(self) -> str:
        """The span in words."""
        if self.span == OTHER:
            return f"{self.since or 'the beginning'} to {self.until or 'now'}"
        return {"all": "all time", "1y": "last year"}.get(self.span, f"last {SPANS[self.span]}")

    def compared(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """The span of the same length just before this one, and this one; None where there is none. Both end with a whole
        hour of their length, the one under way left out: so roll-ups tell them, and no single calls are read."""
        since_us, until_us = self.span_us[0], min(self.span_us[1], self.now_us)
        length = until_us - since_us
        if length >= HOUR_US:
            length -= length % HOUR_US
        return ((since_us - length, since_us), (since_us, since_us + length)) if 0 < length <= since_us else None

    def moment(self, micros: int) -> datetime:
        """In the zone that is looked at."""
        return (EPOCH + timedelta(microseconds=micros)).astimezone(ZoneInfo(self.zone))


def look_of(query: Mapping[str, str], now_s: float) -> Look:
    """What a query string asks for. Raises InputError for a span or zone that is none."""
    zone, span = query.get("zone") or "UTC", query.get("span") or "7d"
    place = zone_of(zone)
    since, until = query.get("since", ""), query.get("until", "")
    now = datetime.fromtimestamp(int(now_s), UTC).astimezone(place)
    if span == OTHER:
        since_us = micros_from_text(since, "since") if since else 0
        until_us = micros_from_text(until, "until") if until else FOREVER_US
        if since_us >= until_us:
            raise InputError(f"since {since} must lie before until {until}")
    elif span in SPANS:
        since_us, until_us = _since_us(span, now), FOREVER_US
    else:
        raise InputError(f"span: {span[:40]!r} is none of {', '.join((*SPANS, OTHER))}")
    told = {name: query.get(name, "") for name in ("team", "key", "model", "task")}
    return Look(span, zone, (since_us, until_us), int(now_s * 1e6), since, until, **told)


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name, such as Europe/Zurich. Raises InputError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # none of that name, none that can be one, a folder
        raise InputError(f"zone: there is no time zone {name[:60]!r}; write one like Europe/Zurich or UTC") from None


def _since_us(span: str, now: datetime) -> int:
    """The last 24 hours begin with a full hour, days at midnight of the zone; both hold the one that is under way."""
    if span == "all":
        return 0
    if span == "24h":
        start = now.astimezone(UTC).replace(minute=0, second=0) - 23 * _HOUR
    else:
        day = now.date() - (_DAYS[span] - 1) * _DAY
        start = datetime(day.year, day.month, day.day, tzinfo=now.tzinfo)
    return micros(start)


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


class Steps(Struct, frozen=True):
    """The columns of a chart over time: hours, days, weeks or months of the zone. `edges` has one more than there are
    columns (microseconds since 1970)."""

    unit: str
    zone: str
    edges: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.edges) - 1

    def text(self, place: int) -> str:
        """A column in words."""
        at = self._at(place)
        if self.unit == "hour":
            return f"{at.day} {MONTHS[at.month - 1]} {at:%H}:00"
        if self.unit == "month":
            return f"{MONTHS[at.month - 1]} {at.year}"
        started = f"{at.day} {MONTHS[at.month - 1]} {at.year}"
        return started if self.unit == "day" else f"week of {started}"

    def ticks(self, most: int) -> list[tuple[int, str]]:
        """At most so many columns to name, and how."""
        named = [(place, self._short(place)) for place in range(self.count)]
        return named[:: -(-len(named) // most)]

    def _at(self, place: int) -> datetime:
        return (EPOCH + timedelta(microseconds=self.edges[place])).astimezone(ZoneInfo(self.zone))

    def _short(self, place: int) -> str:
        at = self._at(place)
        if self.unit == "hour":
            return f"{at:%H}:00"
        month = MONTHS[at.month - 1]
        return f"{month} {at.year}" if self.unit == "month" else f"{at.day} {month}"


def steps_of(look: Look, first_us: int) -> Steps:
    """The columns of what is looked at; `first_us` is when the books begin, for spans without a start of their own."""
    since_us, until_us = max(look.span_us[0], min(first_us, look.now_us)), min(look.span_us[1], look.now_us + 1)
    until_us = max(until_us, since_us + 1)
    hours = (until_us - since_us) / 3.6e9
    unit = "hour" if hours <= 50 else "day" if hours <= 24 * STEPS_MAX else "week" if hours <= 168 * STEPS_MAX else "month"
    zone = ZoneInfo(look.zone)
    at = (
        (EPOCH + timedelta(microseconds=since_us))
        .astimezone(UTC if unit == "hour" else zone)
        .replace(minute=0, second=0, microsecond=0)
    )
    if unit != "hour":
        at = at.replace(hour=0)
    if unit == "week":
        at -= at.weekday() * _DAY
    if unit == "month":
        at = at.replace(day=1)
    edges = [micros(at)]
    while edges[-1] < until_us:
        at = _next(at, unit)
        edges.append(micros(at))
    return Steps(unit, look.zone, tuple(edges))


def _next(at: datetime, unit: str) -> datetime:
    """The next hour (of UTC), or the next midnight of the zone, which a change of clocks does not move."""
    if unit == "month":
        return at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
    return at + {"hour": _HOUR, "day": _DAY, "week": 7 * _DAY}[unit]


def narrowed_to(look: Look, team: str) -> Look:
    """The same for one who may only see that team."""
    return replace(look, team=team)
