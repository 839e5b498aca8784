"""Small months: calls as a log has them, and the cost and usage reports that a provider would make of them.

The provider here prices call by call straight from the book; it shares no code with what is tested. A fault is a function
that says under which terms one call is billed, or that it is not billed at all.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec.structs import replace as altered

from thriftgate.audit.moments import DAY_US, micros
from thriftgate.audit.reconcile.books import Books
from thriftgate.audit.reconcile.cards import Cards
from thriftgate.audit.reconcile.document import reconcile_document
from thriftgate.audit.reconcile.match import match
from thriftgate.audit.records import Record
from thriftgate.core.cost import refusal_is_billed
from thriftgate.core.prices import Terms, day_from_iso
from thriftgate.pricing.load import load_book

BOOK = load_book()
OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
FIRST = "2026-11-02"
KINDS = ("input", "write_5m", "write_1h", "read", "output")


def call(seed: int, day: str = FIRST, **members: Any) -> Record:
    """A call at some time of the day, with counts that no other call has."""
    draw = random.Random(seed)
    values: dict[str, Any] = {
        "source": "made",
        "position": seed,
        "at_us": micros(day) + draw.randrange(DAY_US),
        "model": OPUS,
        "call_id": f"msg_{seed}",
        "input": draw.randrange(3, 4_000),
        "write_5m": draw.randrange(500, 9_000),
        "write_1h": draw.randrange(100, 5_000),
        "read": draw.randrange(1_000, 60_000),
        "output": draw.randrange(50, 3_000),
        "geo": "global",
        "workspace": "wrkspc_a",
    }
    return Record(**values | members)


def month(days: int = 3, calls: int = 6) -> list[Record]:
    """Calls of three models in two workspaces, some in batches, fast or in the US."""
    made: list[Record] = []
    for day in range(days):
        for model in (OPUS, SONNET, HAIKU):
            for number in range(calls):
                seed = len(made) + 1
                terms: dict[str, Any] = {"model": model, "workspace": ("wrkspc_a", "wrkspc_b")[number % 2]}
                if number == 3:
                    terms["mode"] = "batch"
                if number == 4:
                    terms["geo"] = "us"
                if model == HAIKU and number == 5:
                    terms["read"] = 150_000 + seed
                made.append(call(seed, f"2026-11-{2 + day:02}", **terms))
    return made


@dataclass(frozen=True)
class Bill:
    """How one call is billed. `share` is a contract's; `label_mode` and `label_geo` are those of the row it is billed in."""

    terms: Terms
    prompt: int
    label_mode: str
    label_geo: str
    billed: bool = True
    share: tuple[int, int] = (1, 1)


Fault = Callable[[Record, Bill], Bill]


def honest(record: Record, bill: Bill) -> Bill:
    """As it should be."""
    del record
    return bill


@dataclass
class Reports:
    """What the provider shows: charges in pico-USD and tokens, by day, model, workspace, mode, geo and kind."""

    charges: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    tokens: Counter[tuple[Any, ...]] = field(default_factory=Counter)

    def cost_records(self, grain: int = 1) -> list[Record]:
        """As an importer gives them, rounded to `grain` pico-USD."""
        return [
            Record(
                source="cost.json", position=at, at_us=key[0] * DAY_US, span_us=DAY_US, calls=0, model=key[1],
                workspace=key[2], mode=key[3], geo=key[4], token_type=key[5],
                bill_pico=(pico + grain // 2) // grain * grain,
            )
            for at, (key, pico) in enumerate(sorted(self.charges.items()))
        ]  # fmt: skip

    def usage_records(self) -> list[Record]:
        """The usage report of the same days."""
        made = []
        for at, (key, count) in enumerate(sorted(self.tokens.items())):
            day, model, workspace, mode, geo, kind = key
            counts: dict[str, Any] = {kind: count}
            made.append(
                Record(
                    source="usage.json", position=at, at_us=day * DAY_US, span_us=DAY_US, calls=0, model=model,
                    workspace=workspace, mode=mode, geo=geo, **counts,
                )
            )  # fmt: skip
        return made


def provider(records: Iterable[Record], fault: Fault = honest) -> Reports:
    """The reports of these calls."""
    made = Reports()
    for record in records:
        day = record.at_us // DAY_US
        free = (
            record.stop_reason == "refusal"
            and not record.output
            and not refusal_is_billed(record.stop_category or None, output_tokens=0, day=day)
        )
        terms = Terms(record.model, day, record.mode, record.geo)
        bill = fault(record, Bill(terms, record.prompt_tokens, record.mode, record.geo, not free))
        rates = BOOK.rates(bill.terms, bill.prompt)
        for kind in KINDS:
            tokens = getattr(record, kind)
            key = (day, record.model, record.workspace, bill.label_mode, bill.label_geo, kind)
            if tokens:
                made.tokens[key] += tokens
            if tokens and bill.billed:
                pico, rest = divmod(tokens * getattr(rates, kind) * bill.share[0], 10**6 * bill.share[1])
                assert not rest
                made.charges[key] += pico
        if record.web_searches:
            made.charges[day, "", record.workspace, "standard", "", "web_search"] += record.web_searches * 10**10
    return made


def billed_under(wanted: Callable[[Record], bool], *, label: bool = False, **changes: Any) -> Fault:
    """A fault: some calls billed under other terms; with `label` in the rows of those terms, too. `prompt` is the length by
    which the price step is chosen."""

    def fault(record: Record, bill: Bill) -> Bill:
        if not wanted(record):
            return bill
        prompt = changes.get("prompt", bill.prompt)
        terms = altered(bill.terms, **{name: value for name, value in changes.items() if name != "prompt"})
        bill = replace(bill, terms=terms, prompt=prompt)
        return replace(bill, label_mode=terms.mode, label_geo=terms.geo) if label else bill

    return fault


def reconciled(
    ours: Iterable[Record], cost: Iterable[Record], usage: Iterable[Record] = (), tolerance_pico: int = 10**10
) -> dict[str, Any]:
    """The document of a comparison."""
    books = Books(Cards(BOOK))
    books.take_billed(cost)
    books.take_reported(usage)
    books.take_ours(ours)
    books.close()
    return reconcile_document(books, match(books), tolerance_pico)


def day_of(day: str) -> int:
    """UTC days since 1970."""
    return day_from_iso(day)
