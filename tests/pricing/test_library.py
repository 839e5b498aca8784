"""Reading the library is strict: what it does not say exactly, or in a way unknown to us, stops it."""

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
from thriftgate.core.models import Capabilities
from thriftgate.core.prices import FOREVER_DAY, PriceRow, Rates, day_from_iso
from thriftgate.pricing.library import read_foreign, read_library

MODEL = Capabilities(id="m-1", source="s", checked="2026-11-20", aliases=("m-latest",))
STANDARD = Rates(2 * 10**12, 25 * 10**11, 4 * 10**12, 2 * 10**11, 10**13)
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


def test_what_others_do_not_sell_apart_is_input() -> None:
    none: dict[str, Decimal | TieredPrices | None] = {
        "cache_write_mtok": None,
        "cache_write_1h_mtok": None,
        "cache_read_mtok": None,
    }
    known = [provider(price(changes=none))]
    assert read_foreign({"v/x": ("anthropic", "m")}, known) == (
        PriceRow("v/x", Rates(2 * 10**12, 2 * 10**12, 2 * 10**12, 2 * 10**12, 10**13), "genai-prices"),
    )
    written = read_foreign({"v/x": ("anthropic", "m")}, [provider(price(changes={"cache_write_1h_mtok": None}))])
    assert written[0].rates.write_1h == written[0].rates.write_5m == 25 * 10**11


def test_ways_of_serving_that_nothing_asks_for_are_passed_over() -> None:
    quick = PriceVariant({"service_tier": "priority"}, price("2"), None)
    assert len(read_foreign({"v/x": ("anthropic", "m")}, [provider(price(), [quick])])) == 1


def test_a_price_by_the_hour_is_refused() -> None:
    peak = ConditionalPrice(TimeOfDateConstraint(time(1), time(4)), prices=price("2"))
    by_hour = [ConditionalPrice(prices=price()), peak]
    with pytest.raises(ConfigError, match="which thriftgate does not know"):
        read_foreign({"v/x": ("anthropic", "m")}, [provider(by_hour)])
    with pytest.raises(ConfigError, match="has no n of anthropic"):
        read_foreign({"v/x": ("anthropic", "n")}, [provider(price())])
