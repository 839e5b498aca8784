"""The words and rounded figures that all faces of an audit share. Exact figures are in `document.py`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from thriftgate.audit.findings import Books, Findings, Kinds, Money, PolicyResult
from thriftgate.audit.records import Depth
from thriftgate.core.misses import Cause
from thriftgate.core.moments import EPOCH
from thriftgate.core.money import usd_from_pico

KINDS = {
    "input": "input, uncached",
    "write_5m": "cache write, 5 min",
    "write_1h": "cache write, 1 h",
    "read": "cache read",
    "output": "output",
    "fees": "searches and other fees",
}
"""How tokens are billed: field of `Kinds` -> what people read."""

CAUSES: dict[Cause, str] = {
    "cold": "first time sent",
    "expired": "entry expired",
    "prefix_changed": "prefix changed",
    "model_changed": "model changed",
    "speed_changed": "speed changed",
    "tool_choice_changed": "tool_choice changed",
    "thinking_changed": "thinking changed",
    "effort_changed": "effort changed",
    "format_changed": "output format changed",
    "images_changed": "images came or went",
    "citations_changed": "citations changed",
    "below_minimum": "below the model's minimum",
    "look_back": "beyond the look-back",
    "concurrency": "sent at the same time",
    "evicted": "dropped by the provider",
    "not_marked": "no breakpoint there",
    "hour_not_granted": "1 h asked, 5 min given",
}
DEPTHS: dict[Depth, str] = {
    "day": "sums of days",
    "call": "single calls",
    "prefix": "calls and which prefixes they share",
    "body": "whole requests",
}
REASONS = {
    "malformed": "cut off, or no JSON",
    "not_a_call": "lines of another kind",
    "no_usage": "calls without usage",
    "synthetic": "texts the client made itself",
    "api_error": "failed calls, not billed",
    "cached_answer": "answers from another tool's cache",
    "other_provider": "calls to other providers",
    "not_billed": "calls that were not billed",
    "duplicate": "repeated lines",
    "companion": "kept beside logs, but no log",
    "other_encoding": "not in UTF-8",
}
FILES = frozenset({"unknown_format", "unreadable", "other_encoding", "companion", "empty_file"})
"""Reasons that count files; the others count what stands in them."""
LOUD = frozenset({"malformed", "no_usage"})
"""Reasons for which something that was billed may be missing."""
HOW_TO_READ = (
    "thriftgate audit --help lists the formats that can be read, and docs/guides/audit.md what each of them tells; --format "
    "names one where looking at a file does not tell."
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SIZES = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_MONEY_SIZES = ((10**12, "tn"), (10**9, "bn"), (10**6, "M"), (10**3, "k"))
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def plain(text: str) -> str:
    """A name out of a log without what could steer a terminal or turn the reading direction; "–" where it is empty."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text) or "–"


def money(pico: int) -> str:
    """Dollars rounded for people: cents from one dollar on, below it four decimals, below a cent two digits."""
    usd = Decimal(usd_from_pico(abs(pico)))
    if usd >= 1 or not usd:
        shown = f"{usd:,.2f}"
    elif usd >= Decimal("0.01"):
        shown = f"{usd:.4f}"
    else:
        shown = f"{usd:.{1 - usd.adjusted()}f}"
    return f"{'-' * (pico < 0)}${shown}"


def money_short(pico: float) -> str:
    """For axes and tight places: $1.2k, $950, $0.05."""
    usd = abs(pico) / 1e12
    sign = "-" * (pico < 0)
    for size, unit in _MONEY_SIZES:
        if usd >= size:
            return f"{sign}${usd / size:,.4g}{unit}"
    return f"{sign}${usd:.3g}" if usd >= 1e-4 or not usd else f"{sign}${usd:.0e}"


def fitting(pico: int) -> str:
    """In full below a million dollars, short from there on."""
    return money(pico) if abs(pico) < 10**18 else money_short(pico)


def rounded(pico: int) -> str:
    """Without cents from a hundred dollars on: for the ends of an interval."""
    return f"{'-' * (pico < 0)}${abs(pico) / 1e12:,.0f}" if 10**14 <= abs(pico) < 10**18 else fitting(pico)


def interval(sum_: Money) -> str:
    """Its error bar, or "" where the figure is exact."""
    return "" if sum_.low == sum_.high else f"{money(sum_.low)} to {money(sum_.high)}"


def tokens(count: int) -> str:
    """1,234 up to five digits, then 12.3 M."""
    for size, unit in _SIZES:
        if count >= size and count >= 10**5:
            return f"{count / size:,.3g} {unit}" if count < 1000 * size else f"{count // size:,} {unit}"
    return f"{count:,}"


def counted(count: int, thing: str) -> str:
    """1 call, 2 calls."""
    return f"{count:,} {thing}{'s' * (count != 1)}"


def percent(part: float, whole: float) -> str:
    """With one decimal; "–" where there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def hit_rate(kinds: Kinds) -> str:
    """The share of prompt tokens that were read from the cache."""
    return percent(kinds.read, kinds.prompt)


def span(seconds: float) -> str:
    """A duration in its largest unit: 300 -> "5 min"."""
    if math.isinf(seconds):
        return "longer"
    for size, unit in _SPANS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s"


def day(days: int) -> date:
    """The UTC day so many days after the start of 1970."""
    return EPOCH.date() + timedelta(days=days)


def day_text(on: date) -> str:
    """21 Nov 2026."""
    return f"{on.day} {MONTHS[on.month - 1]} {on.year}"


def period(found: Findings) -> str:
    """First and last day of the log, "" where nothing tells."""
    if not found.first_us and not found.last_us:
        return ""
    first, last = (day_text((EPOCH + timedelta(microseconds=at)).date()) for at in (found.first_us, found.last_us))
    return first if first == last else f"{first} to {last}"


def reason(slug: str) -> str:
    """Why something was skipped, in words."""
    return REASONS.get(slug, plain(slug).replace("_", " "))


def nothing_read(found: Findings) -> bool:
    """Whether there was neither a call nor a sum of days: then a bill of $0 would say something that is not known."""
    return not found.calls and not any(source.records for source in found.sources)


def why_nothing(found: Findings) -> list[str]:
    """That nothing was read, how many files were skipped and why, in sentences; what is LOUD is said elsewhere."""
    told = ["Nothing was read: no call, and no sum of days."]
    skipped = {slug: count for slug, count in found.skipped.items() if count}
    aside = sum(count for slug, count in skipped.items() if slug in FILES)
    if aside:
        why = ", ".join(_skipped(found, slug) for slug in skipped if slug in FILES)
        told.append(f"{counted(aside, 'file')} {'was' if aside == 1 else 'were'} skipped: {why}.")
    quiet = [_skipped(found, slug) for slug in skipped if slug not in FILES | LOUD]
    if quiet:
        told.append(f"What was found is no call: {', '.join(quiet)}.")
    if not skipped and not found.sources:
        told.append("There was no file to read.")
    return told


def _skipped(found: Findings, slug: str) -> str:
    places = found.skipped_examples.get(slug, ())[:1]
    return f"{found.skipped[slug]:,} × {reason(slug)}{f' (as {plain(places[0])})' if places else ''}"


def by_cost(policies: Iterable[PolicyResult]) -> list[PolicyResult]:
    """The dearest first, so that the eye goes down as the cost does."""
    return sorted(policies, key=lambda policy: (-policy.cost.pico, policy.name))


def best(found: Findings, *, safe: bool) -> PolicyResult | None:
    """What could be had by settings alone: the policy of levers that saves most, among those that change no answer if
    `safe`. None where none saves anything."""
    own = [policy for policy in found.policies if policy.family in {"config", "lever", "levers"}]
    saving = [policy for policy in own if policy.saved.pico > 0 and (policy.safe or not safe)]
    return max(saving, key=lambda policy: policy.saved.pico, default=None)


def stands_up(books: Books) -> str:
    """Whether the savings that a ledger claims are those of a replay, in a few words."""
    claimed = sum(books.claimed.values())
    if books.claimed == books.replayed:
        return f"the ledger claims {money(claimed)} saved; a replay saves the same, lever by lever"
    return f"the ledger claims {money(claimed)} saved, a replay {money(sum(books.replayed.values()))}"
