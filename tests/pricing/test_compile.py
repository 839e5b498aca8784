"""Compiling is strict: what library and overlay say against each other, or leave open, stops it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.core.models import Capabilities, ModelTable
from thriftgate.core.prices import PriceBook, PriceRow, Rates, Terms, day_from_iso
from thriftgate.pricing.book import book_from_file
from thriftgate.pricing.compile import OVERLAY, compile_book
from thriftgate.pricing.library import Library
from thriftgate.pricing.load import load_models
from thriftgate.pricing.overlay import parse_overlay

MODEL = Capabilities(id="m-1", source="s", checked="2026-11-20", aliases=("m-latest",))
MODELS = ModelTable((MODEL,))
STANDARD = Rates(2 * 10**12, 25 * 10**11, 4 * 10**12, 2 * 10**11, 10**13)
HEAD = '[web_search]\nusd_per_search = "0.01"\nsource = "s"\nchecked = "2026-11-20"\n'
NOTE = 'source = "s"\nchecked = "2026-11-20"\n'
CARD = '{ input = "3", write_5m = "3.75", write_1h = "6", read = "0.3", output = "15" }'
SEPTEMBER = day_from_iso("2026-09-01")


def library(*rows: PriceRow) -> Library:
    return Library("9.9", rows or (PriceRow("m-1", STANDARD, "genai-prices"),), 10**10, (), ())


def compiled(rows: Library, overlay: str = "", models: ModelTable = MODELS) -> PriceBook:
    return book_from_file(compile_book(models, rows, parse_overlay(HEAD + overlay)))


def test_an_overlay_row_replaces_its_days_and_nothing_else() -> None:
    book = compiled(library(), f'[[rates]]\nmodels = ["m-1"]\nfrom = "2026-09-01"\nuntil = "2026-09-11"\n'
                    f"usd_per_mtok = {CARD}\n{NOTE}")  # fmt: skip
    rates = [book.rates(Terms("m-latest", SEPTEMBER + day), 1).output for day in (-1, 0, 9, 10)]
    assert rates == [10**13, 15 * 10**12, 15 * 10**12, 10**13]


def test_a_step_that_the_facts_deny_is_overruled() -> None:
    """The library of August 2026 let Sonnet 5 rise to 3/15 on 2026-09-01; the rise was cancelled."""
    models = load_models()
    sonnet = ModelTable((models["claude-sonnet-5"],))
    low, high = STANDARD, STANDARD.scaled(3, 2)
    wrong = library(
        PriceRow("claude-sonnet-5", low, "genai-prices", until_day=SEPTEMBER),
        PriceRow("claude-sonnet-5", high, "genai-prices", from_day=SEPTEMBER),
    )
    overlay = parse_overlay(OVERLAY.read_text(encoding="utf-8"))
    standing = replace(
        overlay,
        skip=(), unpriced=(), ends=(), batch=(), geo=(),
        rates=tuple(table for table in overlay.rates if table.models == ("claude-sonnet-5",)),
    )  # fmt: skip
    book = book_from_file(compile_book(sonnet, wrong, standing))
    assert [row.rates for row in book.rows] == [low]


def test_batch_rows_follow_the_standard_rows() -> None:
    steps = library(
        PriceRow("m-1", STANDARD, "genai-prices", until_day=SEPTEMBER),
        PriceRow("m-1", STANDARD.scaled(3, 2), "genai-prices", from_day=SEPTEMBER),
        PriceRow("m-1", STANDARD.scaled(2, 1), "genai-prices", above_tokens=100_000),
    )
    book = compiled(steps, f'[[batch]]\nfactor = "0.5"\nmodels = ["m-1"]\n{NOTE}')
    for day in (SEPTEMBER - 1, SEPTEMBER):
        for prompt in (1, 100_001):
            whole, half = (book.rates(Terms("m-1", day, mode), prompt) for mode in ("standard", "batch"))
            assert half == whole.scaled(1, 2)


def test_a_batch_price_of_the_library_that_is_not_half_is_refused() -> None:
    odd = library(
        PriceRow("m-1", STANDARD, "genai-prices"), PriceRow("m-1", STANDARD.scaled(3, 5), "genai-prices", "batch", 5)
    )
    with pytest.raises(ConfigError, match="disagree on the batch price of m-1"):
        compiled(odd, f'[[batch]]\nfactor = "0.5"\nmodels = ["m-1"]\n{NOTE}')
    with pytest.raises(ConfigError, match="disagree on the batch price of m-1"):
        compiled(odd)


def test_what_was_withdrawn_ends() -> None:
    fast = library(PriceRow("m-1", STANDARD, "g"), PriceRow("m-1", STANDARD.scaled(2, 1), "g", "fast"))
    book = compiled(fast, f'[[ends]]\nmodels = ["m-1"]\nmode = "fast"\nuntil = "2026-09-01"\n{NOTE}')
    assert [row.until_day for row in book.rows if row.mode == "fast"] == [SEPTEMBER]


@pytest.mark.parametrize(
    ("rows", "overlay", "message"),
    [
        (replace(library(), unclaimed=("brand-new",)), "", "brand-new are in genai-prices and not in models.toml"),
        (library(PriceRow("x", STANDARD, "g")), "", "m-1 have no price"),
        (library(), f'[[unpriced]]\nmodels = ["m-1"]\n{NOTE}', "m-1 are priced and yet listed under"),
        (library(), f'[[skip]]\nlibrary_models = ["gone"]\n{NOTE}', "gone are under .* not left out by anything"),
        (
            library(),
            f'[[geo]]\ngeo = "us"\nfactor = "1.1"\nmodels = ["m-9"]\n{NOTE}',
            "m-9 are named by the overlay and not in models.toml",
        ),
        (library(), f'[[batch]]\nfactor = "0.5"\nmodels = ["m-9"]\n{NOTE}', "which have no standard price"),
        (library(), f'[[batch]]\nfactor = "half"\nmodels = ["m-1"]\n{NOTE}', "factor must be a decimal"),
        (library(), f'[[batch]]\nfactor = "-1"\nmodels = ["m-1"]\n{NOTE}', "factor must lie above 0"),
        (
            library(),
            f'[[rates]]\nmodels = ["m-1"]\nmode = "batch"\nusd_per_mtok = {CARD}\n{NOTE}',
            "batch prices are derived",
        ),
        (library(), f'[[rates]]\nmodels = ["m-1"]\nusd_per_mtok = {CARD}\nsource = "s"', "missing required field `checked`"),
        (
            library(),
            f'[[rates]]\nmodels = ["m-1"]\nfrom = "2026-09-02"\nuntil = "2026-09-02"\nusd_per_mtok = {CARD}\n{NOTE}',
            "holds no day",
        ),
        (replace(library(), web_search_pico=1), "", "a web search costs 10000000000 pico-USD in the overlay, 1 in"),
    ],
)
def test_contradictions_and_gaps_stop_the_compiler(rows: Library, overlay: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compiled(rows, overlay)
