"""Compile the price book: `python -m thriftgate.pricing.compile [--check]`.

Without `--check` writes `book.json` from the installed genai-prices and `overlay.toml`; with it writes nothing and exits 1
where the committed book says something else.
"""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

from thriftgate.core.errors import ConfigError, ThriftgateError
from thriftgate.core.models import ModelTable
from thriftgate.core.prices import PriceBook, PriceRow
from thriftgate.pricing.book import BookFile, encode_file, file_from_book
from thriftgate.pricing.library import SOURCE, Library, read_foreign, read_library
from thriftgate.pricing.load import BOOK, claude_models, load_models
from thriftgate.pricing.overlay import Overlay, foreign_names, geo_rows, lay_over, parse_overlay, search_fee
from thriftgate.pricing.rows import in_order

OVERLAY = resources.files("thriftgate.pricing") / "overlay.toml"


def compile_book(models: ModelTable, library: Library, overlay: Overlay, foreign: tuple[PriceRow, ...] = ()) -> BookFile:
    """The book. `foreign` are rows of models that are not Claude. Raises ConfigError where a model of either side is neither
    priced nor left out by name."""
    rows = [*lay_over(library, overlay), *foreign]
    priced = {row.model for row in rows if row.mode == "standard"}
    unpriced = {model for table in overlay.unpriced for model in table.models}
    skipped = {model for table in overlay.skip for model in table.library_models}
    listed = {row.id for row in models.rows}
    tables = (overlay.rates, overlay.ends, overlay.batch, overlay.geo, overlay.unpriced)
    named = {model for kind in tables for table in kind for model in table.models}
    for complaint, names in (
        ("have no price: add [[rates]] or [[unpriced]]", listed - priced - unpriced),
        ("are priced and yet listed under [[unpriced]]", priced & unpriced),
        ("are in genai-prices and not in models.toml: add them there or under [[skip]]", set(library.unclaimed) - skipped),
        ("are under [[skip]] and not left out by anything", skipped - set(library.unclaimed)),
        ("are named by the overlay and not in models.toml", named - listed),
    ):
        if names:
            raise ConfigError(f"price overlay: {', '.join(sorted(names))} {complaint}")
    aliases = {alias: row.id for row in models.rows if row.id in priced for alias in row.aliases}
    return file_from_book(
        PriceBook(
            f"{SOURCE} {library.version}",
            in_order(rows),
            geos=geo_rows(overlay),
            aliases=aliases,
            web_search_pico=search_fee(library, overlay),
        )
    )


def compile_installed() -> BookFile:
    """The book that the installed library and the shipped overlay and model table say."""
    overlay = parse_overlay(OVERLAY.read_text(encoding="utf-8"))
    library = read_library(claude_models().rows)
    return compile_book(load_models(), library, overlay, read_foreign(foreign_names(overlay)))


def main(arguments: list[str]) -> int:
    """The command. Returns its exit code: 0 done, 1 the committed book differs or cannot be compiled, 2 bad usage."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m thriftgate.pricing.compile [--check]", file=sys.stderr)  # noqa: T201
        return 2
    try:
        file = compile_installed()
    except ThriftgateError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    data = encode_file(file)
    if arguments:
        same = BOOK.is_file() and BOOK.read_bytes() == data
        print(f"{file.id}: {'as committed' if same else 'differs from the committed book'}")  # noqa: T201
        return 0 if same else 1
    Path(str(BOOK)).write_bytes(data)
    ours = sum(row.source != SOURCE for row in file.content.rows)
    print(f"{file.id}: {len(file.content.rows)} rows, {ours} of them from the overlay")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
