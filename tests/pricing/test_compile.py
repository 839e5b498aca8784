"""Compiling is strict: what library and overlay do not say exactly, or say against each other, stops it."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

import pytest
from genai_prices.types import (
    ClauseStartsWith,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.core.models import Capabilities, ModelTable
from thriftgate.core.prices import FOREVER_DAY, PriceBook, PriceRow, Rates, Terms, day_from_iso
from thriftgate.pricing.book import book_from_file
from thriftgate.pricing.compile import OVERLAY, compile_book
from thriftgate.pricing.library import Library, read_library
from thriftgate.pricing.load import load_models
from thriftgate.pricing.overlay import parse_overlay

MODEL = Capabilities(id="m-1", source="s", checked="2026-11-20", aliases=("m-latest",))
MODELS = ModelTable((MODEL,))
STANDARD = Rates(2 * 10**12, 25 * 10**11, 4 * 10**12, 2 * 10**11, 10**13)
HEAD = '[web_search]\nusd_per_search = "0.01"\nsource = "s"\nchecked = "2026-11-20"\n'
NOTE = 'source = "s"\nchecked = "2026-11-20"\n'
CARD = '{ input = "3", write_5m = "3.75", write_1h = "6", read = "0.3", output = "15" }'
SEPTEMBER = day_from_iso("2026-09-01")


def price(factor: str = "1", changes: dict[str, Decimal | TieredPrices | None] | None = None) -> ModelPrice:
    """A full card of the library, $2 in and $10 out times a factor, with some keys changed."""
    cards = {"input": "2", "cache_write": "2.5", "cache_write_1h": "4", "cache_read": "0.2", "output": "10"}
    prices: dict[str, Decimal | TieredPrices | None] = {
        f"{key}_mtok": Decimal(usd) * Decimal(factor) for key, usd in cards.items()
    }
    return ModelPrice(**{**prices, "web_searches_kcount": Decimal(10), **(changes or {})})


def provider(
    prices: ModelPrice | list[ConditionalPrice], variants: list[PriceVariant] | None = None, *more: ModelInfo
) -> Provider:
    model = ModelInfo("m", ClauseStartsWith("m-"), prices=prices, price_variants=variants)
    return Provider("anthropic", "A", "api", models=[model, *more])


def library(*rows: PriceRow) -> Library:
    return Library("9.9", rows or (PriceRow("m-1", STANDARD, "genai-prices"),), 10**10, (), ())


def compiled(rows: Library, overlay: str = "", models: ModelTable = MODELS) -> PriceBook:
    return book_from_file(compile_book(models, rows, parse_overlay(HEAD + overlay)))


# --- the library ----------------------------------------------------------------------------------------------------------


def test_a_plain_card_is_one_row() -> None:
    read = read_library([MODEL], provider(price()))
    assert read.rows == (PriceRow("m-1", STANDARD, "genai-prices"),)
    assert (read.web_search_pico, read.unclaimed, read.missing) == (10**10, (), ())


def test_a_context_without_a_variant_gives_no_row_rather_than_the_standard_price() -> None:
    batch = PriceVariant({"processing": "batch"}, price("0.5"), StartDateConstraint(date(2026, 10, 14)))
    read = read_library([MODEL], provider(price(), [batch]))
    start = day_from_iso("2026-10-14")
    assert [(row.mode, row.from_day, row.until_day) for row in read.rows] == [
        ("batch", start, FOREVER_DAY),
        ("standard", 0, FOREVER_DAY),
    ]
    assert all(row.mode != "fast" for row in read.rows)


def test_dated_prices_and_steps_are_rows_of_their_own() -> None:
    tiered: dict[str, Decimal | TieredPrices | None] = {
        key: TieredPrices(Decimal(low), [Tier(200_000, Decimal(high))])
        for key, low, high in (
            ("input_mtok", "2", "4"),
            ("cache_write_mtok", "2.5", "5"),
            ("cache_write_1h_mtok", "4", "8"),
            ("cache_read_mtok", "0.2", "0.4"),
            ("output_mtok", "10", "15"),
        )
    }
    dated = [
        ConditionalPrice(prices=price(changes=tiered)),
        ConditionalPrice(StartDateConstraint(date(2026, 9, 1)), prices=price()),
    ]
    rows = read_library([MODEL], provider(dated)).rows
    assert [(row.above_tokens, row.from_day, row.until_day) for row in rows] == [
        (0, 0, FOREVER_DAY),
        (200_000, 0, SEPTEMBER),
    ]
    assert rows[1].rates.output == 15 * 10**12


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (provider(price(), [PriceVariant({"tier": "x"}, price())]), "prices m by {'tier': 'x'}, which thriftgate does not"),
        (
            provider(price(), [PriceVariant({"processing": "batch", "region": "us"}, price())]),
            "which thriftgate does not know",
        ),
        (
            provider(price(), [PriceVariant({"speed": "fast"}, ModelPrice(input_mtok=Decimal(4)))]),
            "no single, complete price of m for {'speed': 'fast'}",
        ),
        (provider(price(), [PriceVariant({"speed": "fast"}, price())] * 2), "no single, complete price"),
        (provider(price(changes={"cache_write_1h_mtok": None})), "no cache_write_1h_mtok for m"),
        (
            provider(price(changes={"input_mtok": TieredPrices(Decimal(2), [Tier(100_000, Decimal(3))])})),
            "step at different prompt lengths",
        ),
        (
            provider([ConditionalPrice(TimeOfDateConstraint(time(1), time(2)), prices=price())]),
            "TimeOfDateConstraint.*which thriftgate does not know",
        ),
        (provider(price(changes={"web_searches_kcount": None})), "0 prices for a web search"),
    ],
)
def test_what_cannot_be_read_exactly_is_refused(found: Provider, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_library([MODEL], found)


def test_names_that_the_library_mixes_up_are_refused() -> None:
    with pytest.raises(ConfigError, match="takes m-2 and m-1 for one model, m"):
        read_library([MODEL, replace(MODEL, id="m-2", aliases=())], provider(price()))
    other = ModelInfo("other", ClauseStartsWith("x"), prices=price())
    with pytest.raises(ConfigError, match="takes x-latest for other, not for m"):
        read_library([replace(MODEL, aliases=("x-latest",))], provider(price(), None, other))


def test_models_known_to_one_side_only_are_named() -> None:
    other = ModelInfo("other", ClauseStartsWith("x"), prices=price())
    read = read_library([MODEL, replace(MODEL, id="new", aliases=())], provider(price(), None, other))
    assert (read.unclaimed, read.missing) == (("other",), ("new",))


# --- the overlay ----------------------------------------------------------------------------------------------------------


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
