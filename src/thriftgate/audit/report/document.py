"""What `thriftgate audit --json` prints: everything in `Findings`, money as exact decimal strings in US dollars."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from msgspec.structs import asdict

from thriftgate.audit.findings import (
    Action,
    Books,
    DayModel,
    Findings,
    Gap,
    Kinds,
    MissSum,
    Money,
    Part,
    PolicyResult,
    SourceSum,
)
from thriftgate.audit.report.wording import KINDS
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import usd_from_pico
from thriftgate.drawing.words import day


def document(found: Findings) -> dict[str, Any]:
    """One JSON value. Times are RFC 3339 in UTC, null where nothing was found."""
    told = _sound(_document(found))
    assert isinstance(told, dict)
    return told


def _sound(value: Any) -> Any:
    """Names of files need not be Unicode (Python holds the odd bytes as surrogates); JSON must be."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_sound(key): _sound(inner) for key, inner in value.items()}
    return [_sound(inner) for inner in value] if isinstance(value, list | tuple) else value


def _document(found: Findings) -> dict[str, Any]:
    return {
        "calls": found.calls,
        "duplicates": found.duplicates,
        "skipped": dict(found.skipped),
        "skipped_examples": {reason: list(places) for reason, places in found.skipped_examples.items()},
        "unpriced": [asdict(one) for one in found.unpriced],
        "first": _moment(found.first_us),
        "last": _moment(found.last_us),
        "months": found.months,
        "depth": found.depth,
        "price_book": found.price_book,
        **_money(found.cost),
        "baseline_usd": usd_from_pico(found.baseline_pico),
        "reported_usd": None if found.reported_pico is None else usd_from_pico(found.reported_pico),
        **_kinds(found.kinds),
        "by_model": _parts("model", found.by_model),
        "by_key": _parts("key", found.by_key),
        "by_project": _parts("project", found.by_project),
        "by_session": _parts("session", found.by_session),
        "sessions": found.sessions,
        "days": [_day(one) for one in found.days],
        "gaps": [_gap(one) for one in found.gaps],
        "replay": _replay(found),
        "books": _books(found.books),
        "policies": [_policy(one) for one in found.policies],
        "misses": [_miss(one) for one in found.misses],
        "actions": [_action(one) for one in found.actions],
        "levers": [asdict(one) for one in found.levers],
        "sources": [_source(one) for one in found.sources],
        "notes": list(found.notes),
    }


def _moment(micros: int) -> str | None:
    return text_from_micros(micros) if micros else None


def _money(sum_: Money, prefix: str = "", name: str = "cost") -> dict[str, str]:
    return {
        f"{name}_usd": usd_from_pico(sum_.pico),
        f"{prefix}low_usd": usd_from_pico(sum_.low),
        f"{prefix}high_usd": usd_from_pico(sum_.high),
    }


def _kinds(kinds: Kinds) -> dict[str, Any]:
    told = asdict(kinds)
    return {
        "tokens": {kind: told[kind] for kind in KINDS if kind in told},
        "costs": {f"{kind}_usd": usd_from_pico(told[f"{kind}_pico"]) for kind in KINDS},
    }


def _parts(name: str, parts: Iterable[Part]) -> list[dict[str, Any]]:
    return [
        {
            name: part.name,
            "calls": part.calls,
            **_money(part.cost),
            **_kinds(part.kinds),
            "baseline_usd": usd_from_pico(part.baseline_pico),
            "note": part.note,
        }
        for part in parts
    ]


def _day(one: DayModel) -> dict[str, Any]:
    cost = usd_from_pico(one.pico)
    return {"day": day(one.day).isoformat(), "model": one.model, "calls": one.calls, "cost_usd": cost, **_kinds(one.kinds)}


def _gap(one: Gap) -> dict[str, Any]:
    """JSON knows no infinity: an open end is null."""
    return {**asdict(one), "until_s": one.until_s if math.isfinite(one.until_s) else None}


def _replay(found: Findings) -> dict[str, Any] | None:
    if found.replay is None:
        return None
    return {
        "calls": found.replay.calls,
        "observed_usd": usd_from_pico(found.replay.observed_pico),
        "replayed_usd": usd_from_pico(found.replay.replayed_pico),
        "differing_calls": found.replay.differing_calls,
    }


def _books(books: Books | None) -> dict[str, Any] | None:
    if books is None:
        return None
    return {
        "calls": books.calls,
        "baseline_usd": usd_from_pico(books.baseline_pico),
        "paid_usd": usd_from_pico(books.paid_pico),
        "claimed": {lever: usd_from_pico(pico) for lever, pico in books.claimed.items()},
        "replayed": {lever: usd_from_pico(pico) for lever, pico in books.replayed.items()},
    }


def _policy(one: PolicyResult) -> dict[str, Any]:
    return {
        "name": one.name,
        "family": one.family,
        "title": one.title,
        "calls": one.calls,
        **_money(one.cost),
        **_money(one.saved, "saved_", "saved"),
        "levers": {lever: usd_from_pico(pico) for lever, pico in one.levers.items()},
        "safe": one.safe,
        "note": one.note,
    }


def _miss(one: MissSum) -> dict[str, Any]:
    return {
        "cause": one.cause,
        "calls": one.calls,
        "tokens": one.tokens,
        "cost_usd": usd_from_pico(one.pico),
        "avoidable_usd": usd_from_pico(one.avoidable_pico),
        "example": one.example,
    }


def _action(one: Action) -> dict[str, Any]:
    return {
        "text": one.text,
        "saved_usd_month": usd_from_pico(one.month.pico),
        "low_usd": usd_from_pico(one.month.low),
        "high_usd": usd_from_pico(one.month.high),
        "effort": one.effort,
        "risk": one.risk,
        "config": one.config,
        "why": one.why,
    }


def _source(one: SourceSum) -> dict[str, Any]:
    told = asdict(one)
    first, last = told.pop("first_us"), told.pop("last_us")
    return {**told, "cannot_know": list(one.cannot_know), "first": _moment(first), "last": _moment(last)}
