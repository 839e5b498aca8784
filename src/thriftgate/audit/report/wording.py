"""The words and rounded figures that all faces of an audit share. Exact figures are in `document.py`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from thriftgate.audit.findings import Books, Findings, Kinds, Money, PolicyResult
from thriftgate.audit.records import Depth
from thriftgate.core.misses import Cause
from thriftgate.core.moments import EPOCH
from thriftgate.drawing.words import counted, day_text, money, percent, plain

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


def interval(sum_: Money) -> str:
    """Its error bar, or "" where the figure is exact."""
    return "" if sum_.low == sum_.high else f"{money(sum_.low)} to {money(sum_.high)}"


def hit_rate(kinds: Kinds) -> str:
    """The share of prompt tokens that were read from the cache."""
    return percent(kinds.read, kinds.prompt)


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
