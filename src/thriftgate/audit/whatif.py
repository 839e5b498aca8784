"""What the same calls would have cost on other terms: in batches, on a newer model, without surcharges.

These are price questions, no replays. Nothing says that a caller could have waited, or that another model is good enough: so
each is marked unsafe. The interval of batches begins where no call can wait; that of a new model is what its tokenizer may
make of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from msgspec.structs import replace

from thriftgate.audit.accounts import BY_TOTALS, Alike, groups, price
from thriftgate.audit.calc import GROWTH
from thriftgate.audit.calls import Calls
from thriftgate.audit.findings import Money, PolicyResult
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.models import ModelTable
from thriftgate.core.prices import PriceBook, day_from_iso
from thriftgate.core.usage import Tokens

BATCH = "what-if:batch"
GEO = "what-if:no-us-geo"
FAST = "what-if:no-fast-mode"
MIGRATE = "what-if:migrate"
ALONE = (
    "kind = 'call' and mode = 'standard' and agent = '' and (session = '' or session in"
    " (select session from calls where session <> '' group by session having count(*) = 1))"
)
"""Calls that are no part of a conversation: nobody is known to have waited for the next one."""


Factors = tuple[Fraction, Fraction, Fraction]
"""How many times the tokens: at least, about, at most."""


class _Move(NamedTuple):
    """From one model to the newest of its line, priced on the last day of the log, when that is there."""

    model: str
    target: str
    day: int
    factors: Factors
    note: str


class _Sums(NamedTuple):
    calls: int
    was: int
    would: int


def what_ifs(calls: Calls, cost: Money, book: PriceBook, models: ModelTable) -> tuple[PolicyResult, ...]:
    """Each question whose answer is not nothing."""
    found = [
        _batches(calls, cost, book, models),
        _terms(calls, cost, book, GEO),
        _terms(calls, cost, book, FAST),
        *_migrations(calls, cost, book, models),
    ]
    return tuple(one for one in found if one is not None)


def _batches(calls: Calls, cost: Money, book: PriceBook, models: ModelTable) -> PolicyResult | None:
    def batched(alike: Alike) -> Alike | None:
        return replace(alike, mode="batch") if alike.mode == "standard" and models[alike.model].batch else None

    sums = _summed(calls, book, ALONE, batched)
    saved = sums.was - sums.would
    if saved <= 0:
        return None
    return PolicyResult(
        BATCH,
        "what-if",
        "every call that is no part of a conversation through Message Batches, at half price",
        sums.calls,
        Money(cost.pico - saved, cost.low - saved, cost.high),
        Money(saved, 0, saved),
        safe=False,
        note="for calls that can wait up to a day; which those are, only their callers know",
    )


_TITLES = {GEO: "the same calls without a geography of their own", FAST: "the same calls at standard speed"}
_NOTES = {GEO: "where data need not stay in one country", FAST: "where answers may take longer"}


def _terms(calls: Calls, cost: Money, book: PriceBook, name: str) -> PolicyResult | None:
    """The surcharge of a geography or of fast mode."""

    def plain(alike: Alike) -> Alike | None:
        if name == GEO:
            return replace(alike, geo="global") if alike.geo != "global" else None
        return replace(alike, mode="standard") if alike.mode == "fast" else None

    sums = _summed(calls, book, "kind = 'call'", plain)
    saved = sums.was - sums.would
    if saved <= 0:
        return None
    return PolicyResult(
        name,
        "what-if",
        _TITLES[name],
        sums.calls,
        Money(cost.pico - saved, cost.low - saved, cost.high - saved),
        Money(saved, saved, saved),
        safe=False,
        note=_NOTES[name],
    )


def _migrations(calls: Calls, cost: Money, book: PriceBook, models: ModelTable) -> Iterator[PolicyResult]:
    """Each model's calls on the newest one of its line, where that comes out cheaper."""
    moves = _moves(_by_model(groups(calls, book, BY_TOTALS)), models)
    edges = {row.above_tokens for row in book.rows if row.above_tokens}
    steps = {int(edge / factor) for move in moves for factor in move.factors for edge in edges}
    used = _by_model(groups(calls, book, BY_TOTALS, steps=steps)) if moves else {}
    for move in moves:
        result = _migration(move, used[move.model], cost, book)
        if result is not None:
            yield result


def _by_model(found: Iterable[tuple[Alike, str]]) -> dict[str, list[Alike]]:
    used: dict[str, list[Alike]] = {}
    for alike, _ in found:
        used.setdefault(alike.model, []).append(alike)
    return used


def _moves(used: dict[str, list[Alike]], models: ModelTable) -> list[_Move]:
    moves: list[_Move] = []
    for model, group in sorted(used.items()):
        last_day = max(alike.day for alike in group)
        target = newest(model, models, last_day)
        if target is not None:
            factors, note = _factors(models[model].tokenizer, models[target].tokenizer, group)
            moves.append(_Move(model, target, last_day, factors, note))
    return moves


def newest(model: str, models: ModelTable, day: int) -> str | None:
    """The latest model of the same line (opus, sonnet, haiku, …) that was out on that day; None where this is it, or the
    model is not listed."""
    if model not in models:
        return None
    line = _line(models[model].id)
    out = [
        row
        for row in models.rows
        if _line(row.id) == line
        and row.launched
        and day_from_iso(f"{row.launched}-01"[:10]) <= day
        and not row.is_retired(day)
    ]
    latest = max(out, key=lambda row: (row.launched, row.id), default=None)
    return latest.id if latest is not None and latest.id != models[model].id else None


def _line(model: str) -> str:
    return next((word for word in model.split("-")[1:] if word.isalpha()), "")


def _migration(move: _Move, group: list[Alike], cost: Money, book: PriceBook) -> PolicyResult | None:
    was = calls = 0
    would = [0, 0, 0]
    for alike in group:
        try:
            now = price(alike, book).cost.pico
            then = [_priced_on(alike, move, factor, book) for factor in move.factors]
        except UnknownPrice:
            continue
        if alike.refusal is not None and not now:  # free then; whether it is now is no merit of the model
            continue
        was += now
        calls += alike.calls
        would = [one + other for one, other in zip(would, then, strict=True)]
    low, mid, high = (was - pico for pico in reversed(would))
    if mid <= 0:
        return None
    return PolicyResult(
        f"{MIGRATE}:{move.model}->{move.target}",
        "what-if",
        f"the calls to {move.model} on {move.target}",
        calls,
        Money(cost.pico - mid, cost.low - high, cost.high - low),
        Money(mid, low, high),
        safe=False,
        note=f"{move.note}; whether it answers as well is for an evaluation to tell",
    )


def _factors(before: str, after: str, group: list[Alike]) -> tuple[Factors, str]:
    """How many times the tokens the same text has on the other model, and how that is known."""
    if before == after:
        return (Fraction(1), Fraction(1), Fraction(1)), "both count tokens alike"
    told = _recounted(group, after)
    if told is not None:
        words = f"the text of these calls has {float(told):.2f} times the tokens there, recounted from it"
        return (told * Fraction(19, 20), told, told * Fraction(21, 20)), words
    low, mid, high = GROWTH
    factors = (low, mid, high) if after == "claude47" else (1 / high, 1 / mid, 1 / low)
    least, about, most = (f"{float(factor):.2f}" for factor in factors)
    return factors, f"a text has about {about} times the tokens there ({least} to {most})"


def _priced_on(alike: Alike, move: _Move, factor: Fraction, book: PriceBook) -> int:
    tokens = alike.tokens
    scaled = Tokens(
        *(round(count * factor) for count in (tokens.input, tokens.write_5m, tokens.write_1h, tokens.read, tokens.output))
    )
    moved = replace(
        alike,
        model=move.target,
        day=move.day,
        tokens=scaled,
        prompt=ceil(alike.prompt * factor),
        shortest=ceil(alike.shortest * factor),
        longest=ceil(alike.longest * factor),
        mode="standard" if alike.mode == "fast" else alike.mode,
    )
    return price(moved, book).cost.pico


def _recounted(group: list[Alike], family: str) -> Fraction | None:
    """How many times the tokens the prompts have in that family, where they could be counted in both."""
    old, new = sum(alike.old_tokens for alike in group), sum(alike.new_tokens for alike in group)
    if not old or not new:
        return None
    return Fraction(new, old) if family == "claude47" else Fraction(old, new)


def _summed(calls: Calls, book: PriceBook, where: str, changed: Callable[[Alike], Alike | None]) -> _Sums:
    """What the calls that change cost, and would cost then."""
    count = was = would = 0
    for alike, _ in groups(calls, book, f"{BY_TOTALS} and {where}"):
        other = changed(alike)
        if other is None:
            continue
        try:
            now, then = price(alike, book).cost.pico, price(other, book).cost.pico
        except UnknownPrice:
            continue
        count, was, would = count + alike.calls, was + now, would + then
    return _Sums(count, was, would)
