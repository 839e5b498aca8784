"""Bills calculated by hand, line by line: `tests/golden/bills/*.toml`, each with its arithmetic."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from thriftgate.core.cost import price_usage
from thriftgate.core.prices import Mode, Terms, day_from_iso
from thriftgate.core.usage import Usage
from thriftgate.pricing.bill import bill_document
from thriftgate.pricing.load import load_book

FOLDER = Path(__file__).parent.parent / "golden" / "bills"


class BillTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """When and how the call was made."""

    model: str
    date: str
    mode: Mode
    geo: str


class Bill(Struct, frozen=True, forbid_unknown_fields=True):
    """One file."""

    title: str
    terms: BillTerms
    usage: Usage
    cost_usd: str
    lines: list[dict[str, str | int]]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_bill(path: Path) -> None:
    bill = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Bill)
    book = load_book()
    terms = Terms(bill.terms.model, day_from_iso(bill.terms.date), bill.terms.mode, bill.terms.geo)
    assert bill_document(price_usage(bill.usage, terms, book)) == {
        "cost_usd": bill.cost_usd,
        "lines": bill.lines,
        "price_book": book.id,
    }
