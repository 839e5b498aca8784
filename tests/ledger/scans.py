"""The questions of `sql_spend`, answered by looking at every entry: what roll-ups must agree with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from msgspec.structs import replace

from tests.contracts.check_ledger import entry_of
from thriftgate.core.control.whose import Whose, tier_of
from thriftgate.core.misses import Miss
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import BASELINE, SAVED, UPSTREAM, Entry, balanced
from thriftgate.ledger.rollup_columns import BOUNDS_MS, ERRORS, HOUR_US
from thriftgate.ledger.sql_spend import (
    Asked,
    CacheCell,
    LatencyCell,
    MissCell,
    SavingCell,
    SpendCell,
    Times,
    quantile_ms,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START_US = 1_792_800_000_000_000  # 2026-10-24T00:00:00Z: Berlin puts its clocks back the next night
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Auckland")

_Picked = dict[tuple[Any, ...], list[Entry]]


def _chosen(entries: Iterable[Entry], asked: Asked) -> _Picked:
    """Entries by bucket and name; one with several tags is under each where it is told apart by tag."""
    found: _Picked = {}
    for entry in entries:
        if not asked.since_us <= entry.opened_us < asked.until_us or not _meant(entry, asked):
            continue
        for name in dict.fromkeys(_names(entry, asked)):
            found.setdefault((_start(entry, asked), name), []).append(entry)
    return found


def _meant(entry: Entry, asked: Asked) -> bool:
    only, whose = asked.only, entry.whose
    wanted = (
        (only.key, entry.key), (only.user, whose.user_id), (only.team, whose.team), (only.org, whose.org),
        (only.model, entry.model), (only.task, entry.task), (only.provider, entry.provider),
    )  # fmt: skip
    return all(a is None or a == b for a, b in wanted) and (only.tag is None or only.tag in whose.tags)


def _names(entry: Entry, asked: Asked) -> Iterable[str]:
    whose = entry.whose
    if asked.by == "tag":
        return [tag for tag in whose.tags if tag and asked.only.tag in (None, tag)]
    plain = {
        "": "",
        "user": whose.user_id,
        "team": whose.team,
        "org": whose.org,
        "tier": tier_of(entry.model),
    }
    return [plain[asked.by] if asked.by in plain else getattr(entry, asked.by)]


def _start(entry: Entry, asked: Asked) -> int:
    if asked.step == "hour":
        return entry.opened_us // HOUR_US * HOUR_US
    if asked.step == "total":
        return asked.since_us
    local = (EPOCH + timedelta(microseconds=entry.opened_us)).astimezone(ZoneInfo(asked.zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (midnight.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


def _used(some: Iterable[Entry]) -> list[Entry]:
    return [one for one in some if one.usage_source != "none"]


def _tokens(some: Iterable[Entry]) -> Tokens:
    return sum((one.usage.total for one in _used(some)), Tokens())


def spend(entries: Iterable[Entry], asked: Asked) -> list[SpendCell]:
    found = []
    for (start, name), some in _chosen(entries, asked).items():
        own = [one for one in some if not one.posted(BASELINE) and one.posted(UPSTREAM)]
        found.append(
            SpendCell(
                start_us=start,
                name=name,
                calls=len(some),
                errors=sum(one.outcome in ERRORS for one in some),
                estimated=sum(one.usage_source == "estimated" for one in some),
                baseline_pico=sum(one.posted(BASELINE) for one in some),
                paid_pico=-sum(one.posted(UPSTREAM) for one in some),
                own_calls=len(own),
                own_pico=-sum(one.posted(UPSTREAM) for one in own),
                tokens=_tokens(some),
                web_searches=sum(one.usage.web_searches for one in some),
            )
        )
    return sorted(found, key=lambda cell: (cell.start_us, -cell.paid_pico, -cell.calls, cell.name))


def savings(entries: Iterable[Entry], asked: Asked) -> list[SavingCell]:
    found: dict[tuple[Any, ...], list[int]] = {}
    for (start, name), some in _chosen(entries, asked).items():
        for one in some:
            for posting in one.postings:
                if posting.account.startswith(SAVED):
                    lever = posting.account.removeprefix(SAVED)
                    found.setdefault((start, name, lever), []).append(-posting.pico)
    cells = [SavingCell(start, name, lever, len(picos), sum(picos)) for (start, name, lever), picos in found.items()]
    return sorted(cells, key=lambda cell: (cell.start_us, -cell.saved_pico, cell.name, cell.lever))


def misses(entries: Iterable[Entry], asked: Asked) -> list[MissCell]:
    found: dict[tuple[Any, ...], list[Miss]] = {}
    for (start, name), some in _chosen(entries, asked).items():
        for one in some:
            if one.miss is not None:
                found.setdefault((start, name, one.miss.cause), []).append(one.miss)
    cells = [
        MissCell(
            start,
            name,
            cause,
            len(those),
            sum(one.tokens for one in those),
            sum(one.pico for one in those),
            sum(one.pico for one in those if one.avoidable),
        )
        for (start, name, cause), those in found.items()
    ]
    return sorted(cells, key=lambda cell: (cell.start_us, -cell.pico, cell.name, cell.cause))


def cache(entries: Iterable[Entry], asked: Asked) -> list[CacheCell]:
    found = []
    for (start, name), some in _chosen(entries, asked).items():
        used, tokens = _used(some), _tokens(some)
        missed = sum(one.miss.pico for one in used if one.miss is not None and one.miss.cause != "cold")
        if used:
            counts = (tokens.read, tokens.write_5m, tokens.write_1h, tokens.input)
            found.append(CacheCell(start, name, len(used), *counts, missed))
    return sorted(found, key=lambda cell: (cell.start_us, -cell.prompt, cell.name))


def latency(entries: Iterable[Entry], asked: Asked) -> list[LatencyCell]:
    found = [
        LatencyCell(start, name, _times(one.latency_ms for one in some), _times(one.ttfb_ms for one in some))
        for (start, name), some in _chosen(entries, asked).items()
    ]
    return sorted(found, key=lambda cell: (cell.start_us, cell.name))


def _times(some: Iterable[int]) -> Times:
    taken = [one for one in some if one > 0]
    classes = [
        sum(low < one <= high for one in taken) for low, high in zip((0, *BOUNDS_MS), (*BOUNDS_MS, 2**62), strict=True)
    ]
    mean = round(sum(taken) / len(taken)) if taken else 0
    return Times(len(taken), mean, quantile_ms(classes, 0.5), quantile_ms(classes, 0.95))


SCANS: dict[str, Callable[[Iterable[Entry], Asked], list[Any]]] = {
    scan.__name__: scan for scan in (spend, savings, misses, cache, latency)
}

_NAMES = st.sampled_from(["", "a", "b"])
_PICO = st.sampled_from([0, 1, 999_999, 10**9 + 7, 2**61]) | st.integers(0, 10**12)
_MISSES = st.none() | st.builds(
    Miss,
    cause=st.sampled_from(["cold", "expired", "evicted"]),
    tokens=st.integers(0, 9_000),
    pico=_PICO,
    detail=st.just(""),
    avoidable=st.booleans(),
)
_MOMENTS = st.integers(0, 3 * 24).flatmap(  # around the edges of hours, and anywhere
    lambda hour: st.sampled_from([0, 1, HOUR_US // 2, HOUR_US // 2 - 1, HOUR_US - 1]).map(
        lambda into: START_US + hour * HOUR_US + into
    )
) | st.integers(START_US, START_US + 72 * HOUR_US)


@st.composite
def some_entries(draw: st.DrawFn, most: int = 15) -> list[Entry]:
    """Calls of three days, few enough names that they meet."""
    return [draw(_entries(f"e{at}")) for at in range(draw(st.integers(0, most)))]


@st.composite
def _entries(draw: st.DrawFn, name: str) -> Entry:
    baseline, paid = draw(_PICO), draw(_PICO)
    levers = draw(st.dictionaries(st.sampled_from(["cache.breakpoints", "route.rules"]), st.integers(-9, 9), max_size=2))
    rest = baseline - paid - sum(levers.values())
    if rest:
        levers["batch.defer"] = rest
    whose = Whose(draw(_NAMES), draw(_NAMES), draw(_NAMES), tuple(draw(st.lists(st.sampled_from("xyz"), max_size=3))))
    output = draw(st.integers(0, 5_000))
    counts = [draw(st.integers(0, 300_000) | st.sampled_from([0, 4_000, 100_000])) for _ in range(4)]
    tokens = Tokens(counts[0], counts[1], counts[2], counts[3], output, draw(st.integers(0, output)))
    usage = Usage(tokens, draw(st.integers(0, 3)))
    outcome = draw(st.sampled_from(["answered", "failed", "refused"]))
    source = draw(st.sampled_from(["exact", "estimated", "none"]))
    return replace(
        entry_of(name),
        opened_us=draw(_MOMENTS),
        key=draw(_NAMES),
        model=draw(st.sampled_from(["claude-opus-5-5", "claude-opus-4-8", "m"])),
        served_model=draw(st.sampled_from(["", "served"])),
        geo=draw(st.sampled_from(["global", "us"])),
        endpoint=draw(st.sampled_from(["anthropic.messages", "proof"])),
        mode=draw(st.sampled_from(["standard", "batch"])),
        task=draw(_NAMES),
        provider=draw(_NAMES),
        upstream=draw(_NAMES),
        outcome=outcome,
        usage_source=source,
        usage=usage,
        whose=whose,
        postings=balanced(baseline, paid, levers),
        miss=draw(_MISSES),
        latency_ms=draw(st.sampled_from([0, 1, 160, 161, 5_000, 99_999_999])),
        ttfb_ms=draw(st.integers(0, 3_000)),
    )
