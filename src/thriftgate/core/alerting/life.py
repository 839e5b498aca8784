"""The life of an alert: when it opens, when it is told again, when it is over.

Told once, then only when it is worse by a factor or of a higher severity, or still there after a quiet time. It is over
when it was not sighted for a while. One that comes back soon after is the same alert, and must stay away twice as long
each time before it counts as over: a condition that flickers is told two or three times, not every quarter of an hour.

Clocks jump: no time that lies ahead of now is believed.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.alerting.alert import Alert, Sighting, Why, rank

_DOUBLINGS_MAX = 4
_LABELS_MAX, _EVIDENCE_MAX, _TEXT_MAX = 12, 8, 500


class Habits(Struct, frozen=True):
    """When to speak (microseconds). `flap_us`: what comes back within it is the same alert."""

    worse_factor: float = 2.0
    again_us: int = 24 * 3_600_000_000
    resolve_us: int = 15 * 60_000_000
    flap_us: int = 6 * 3_600_000_000


def sighted(
    alert: Alert | None, sighting: Sighting, habits: Habits, now_us: int, *, silenced: bool
) -> tuple[Alert, Why | None]:
    """The alert after a sighting, and what is to be told. `alert` is the one that lasts, or the one that was over a short
    while ago."""
    if alert is None:
        return _opened(_fresh(sighting, now_us), silenced=silenced)
    seen = replace(
        alert,
        severity=sighting.severity,
        sentence=_short(sighting.sentence),
        evidence=_bounded(sighting.evidence),
        action=_short(sighting.action),
        pico_per_h=sighting.pico_per_h,
        level=sighting.level,
        seen_us=now_us,
        until_us=sighting.until_us,
        count=alert.count + 1,
        told_us=min(alert.told_us, now_us),
    )
    if alert.state == "resolved":
        return _opened(replace(seen, flaps=alert.flaps + 1, closed_us=0, by=""), silenced=silenced)
    if silenced:
        return replace(seen, state="silenced"), None
    seen = replace(seen, state="acknowledged" if seen.by else "open")
    why = _to_tell(seen, habits, now_us)
    return (_told(seen, now_us), why) if why else (seen, None)


def unsighted(alert: Alert, habits: Habits, now_us: int, *, silenced: bool) -> tuple[Alert, Why | None] | None:
    """The alert once it is over, and whether that is to be told; None while it lasts."""
    if alert.state == "resolved" or now_us < max(alert.seen_us + wait_us(alert, habits), alert.until_us):
        return None
    over = replace(alert, state="resolved", closed_us=now_us, until_us=0)
    return over, "resolved" if alert.told_us and not silenced else None


def wait_us(alert: Alert, habits: Habits) -> int:
    """How long it must not be sighted before it is over."""
    return habits.resolve_us << min(alert.flaps, _DOUBLINGS_MAX)


def _to_tell(alert: Alert, habits: Habits, now_us: int) -> Why | None:
    if not alert.told_us:  # it was silenced from the first
        return "opened"
    if rank(alert.severity) > rank(alert.told_severity) or 0 < alert.told_level * habits.worse_factor <= alert.level:
        return "worse"
    return "again" if alert.state == "open" and now_us - alert.told_us >= habits.again_us else None


def _fresh(sighting: Sighting, now_us: int) -> Alert:
    return Alert(
        id=0,
        signature=sighting.signature,
        kind=sighting.kind,
        state="open",
        severity=sighting.severity,
        sentence=_short(sighting.sentence),
        rule=sighting.rule,
        labels=tuple(one[:_TEXT_MAX] for one in sighting.labels[:_LABELS_MAX]),
        evidence=_bounded(sighting.evidence),
        action=_short(sighting.action),
        pico_per_h=sighting.pico_per_h,
        level=sighting.level,
        since_us=min(sighting.since_us or now_us, now_us),
        opened_us=now_us,
        seen_us=now_us,
        until_us=sighting.until_us,
    )


def _opened(alert: Alert, *, silenced: bool) -> tuple[Alert, Why | None]:
    if silenced:
        return replace(alert, state="silenced", told_us=0), None
    return _told(replace(alert, state="open"), alert.seen_us), "opened"


def _told(alert: Alert, now_us: int) -> Alert:
    return replace(alert, told_us=now_us, told_level=alert.level, told_severity=alert.severity)


def _bounded(evidence: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_short(one) for one in evidence[:_EVIDENCE_MAX])


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 1]}…"
