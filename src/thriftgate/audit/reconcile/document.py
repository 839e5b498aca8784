"""What `thriftgate reconcile` says: totals, causes, days and rows, as `--json` prints it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from thriftgate.audit.reconcile.books import Books
from thriftgate.audit.reconcile.causes import CAUSES, Cause
from thriftgate.audit.reconcile.keys import Key
from thriftgate.audit.reconcile.volume import reported_price
from thriftgate.audit.reconcile.work import Finding, Work
from thriftgate.core.money import usd_from_pico
from thriftgate.core.prices import iso_from_day


def reconcile_document(books: Books, work: Work, tolerance_pico: int) -> dict[str, Any]:
    """All that was found. `reconciled`: no more than `tolerance_pico` is left unexplained, row by row and whatever its sign.
    The causes' amounts and `unexplained_usd` sum to `difference_usd` to the last digit."""
    left = {key: pico for key, pico in work.left.items() if pico}
    ours, billed = sum(row.ours for row in work.rows.values()), sum(row.billed for row in work.rows.values())
    return {
        "reconciled": sum(map(abs, left.values())) <= tolerance_pico,
        "price_book": books.cards.book.id,
        "days": _days(work),
        "ours_usd": usd_from_pico(ours),
        "billed_usd": usd_from_pico(billed),
        "difference_usd": usd_from_pico(billed - ours),
        "explained_usd": usd_from_pico(billed - ours - sum(left.values())),
        "unexplained_usd": usd_from_pico(sum(left.values())),
        "tolerance_usd": usd_from_pico(tolerance_pico),
        "causes": _causes(work.findings),
        "unexplained": [
            {**_place(key), "usd": usd_from_pico(pico), "text": _unknown(work, key)}
            for key, pico in sorted(left.items(), key=lambda item: -abs(item[1]))
        ],
        "rows": _rows(work),
        "unpriced": [
            {"model": model, "calls": calls, "reason": reason} for (model, reason), calls in books.unpriced.most_common()
        ],
        "outside": {
            "days": [iso_from_day(day) for day in sorted(books.outside)],
            "ours_usd": usd_from_pico(books.outside.total()),
        },
        "notes": books.notes,
    }


def _place(key: Key) -> dict[str, Any]:
    return {
        "day": iso_from_day(key.day),
        "model": key.model,
        "workspace": key.workspace,
        "mode": key.mode,
        "geo": key.geo,
        "token_type": key.kind,
    }


def _days(work: Work) -> list[dict[str, Any]]:
    ours, billed, left = Counter[int](), Counter[int](), Counter[int]()
    for key, row in work.rows.items():
        ours[key.day] += row.ours
        billed[key.day] += row.billed
        left[key.day] += work.left[key]
    return [
        {
            "day": iso_from_day(day),
            "ours_usd": usd_from_pico(ours[day]),
            "billed_usd": usd_from_pico(billed[day]),
            "difference_usd": usd_from_pico(billed[day] - ours[day]),
            "unexplained_usd": usd_from_pico(left[day]),
        }
        for day in sorted(ours)
    ]


def _causes(findings: list[Finding]) -> list[dict[str, Any]]:
    """Each cause once, the largest first; its text ends with the evidence of its largest part."""
    by_cause: dict[Cause, list[Finding]] = {}
    for finding in findings:
        by_cause.setdefault(finding.cause, []).append(finding)
    found = [
        {
            "cause": cause,
            "usd": usd_from_pico(sum(part.pico for part in parts)),
            "rows": len({part.key for part in parts}),
            "days": sorted({iso_from_day(part.key.day) for part in parts}),
            "text": f"{CAUSES[cause]} {_evidence(max(parts, key=lambda part: abs(part.pico)))}",
        }
        for cause, parts in by_cause.items()
    ]
    weight = {cause: sum(abs(part.pico) for part in parts) for cause, parts in by_cause.items()}
    return sorted(found, key=lambda one: -weight[one["cause"]])


def _evidence(finding: Finding) -> str:
    key = finding.key
    names = [iso_from_day(key.day), key.model, key.workspace, key.mode if key.mode != "standard" else "", key.kind]
    return f"{' '.join(name for name in names if name)}: {finding.evidence}."


def _unknown(work: Work, key: Key) -> str:
    row = work.rows[key]
    if row.billed_rows and not row.ours:
        return "billed, and there is nothing of this kind in the log"
    return reported_price(work, key) or "no cause fits"


def _rows(work: Work) -> list[dict[str, Any]]:
    causes: dict[Key, dict[str, None]] = {}
    for finding in work.findings:
        causes.setdefault(finding.key, {})[finding.cause] = None
    return [
        {
            **_place(key),
            "tokens": row.tokens,
            "reported_tokens": row.reported,
            "ours_usd": usd_from_pico(row.ours),
            "billed_usd": usd_from_pico(row.billed),
            "difference_usd": usd_from_pico(row.billed - row.ours),
            "unexplained_usd": usd_from_pico(work.left[key]),
            "cause": "+".join([*causes.get(key, {}), *(["unknown"] if work.left[key] else [])]),
        }
        for key, row in work.rows.items()
        if row.ours or row.billed or row.tokens or key in causes
    ]
