"""Prices of targets that are not the list's: a factor on the rates of the same models, kept as a geography of its own, so
that an entry can be priced again by what it says."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from thriftgate.core.prices import GeoRow, PriceBook
from thriftgate.pricing.book import digest

PREFIX = "at:"


def place_named(target: str) -> str:
    """What the price book calls the place where a target's factor holds."""
    return f"{PREFIX}{target}"


def with_places(book: PriceBook, factors: Mapping[str, tuple[str, Fraction]]) -> PriceBook:
    """The book with the places of targets: by their name, the geography of the book that they are in ("" for none), and a
    factor of their own. The same book where there are none."""
    if not factors:
        return book
    geos = list(book.geos)
    models = sorted({row.model for row in book.rows})
    for target, (place, factor) in sorted(factors.items()):
        dearer: dict[str, Fraction] = {}
        for row in book.geos:
            if row.geo == place:
                dearer |= dict.fromkeys(row.models, Fraction(row.numerator, row.denominator))
        shares: dict[Fraction, list[str]] = {}
        for model in models:
            shares.setdefault(factor * dearer.get(model, Fraction(1)), []).append(model)
        for share, named in shares.items():
            geos.append(GeoRow(place_named(target), share.numerator, share.denominator, tuple(named), f"target {target}"))
    told = [(name, place, str(factor)) for name, (place, factor) in sorted(factors.items())]
    return PriceBook(
        f"{book.id} + targets {digest(told)}",
        book.rows,
        geos=tuple(geos),
        aliases=book.aliases,
        web_search_pico=book.web_search_pico,
    )
