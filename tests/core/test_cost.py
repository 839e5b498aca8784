"""The bill of one call, on the compiled book: the published vectors, and the laws that hold for every call."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from thriftgate.core.cost import Cost, day_of, price_usage, refusal_is_billed
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.money import pico_from_usd
from thriftgate.core.prices import Mode, PriceBook, Rates, Terms, day_from_iso
from thriftgate.core.usage import Iteration, Tokens, Usage
from thriftgate.pricing.load import load_book

BOOK = load_book()
TODAY = day_from_iso("2026-11-20")
BUCKETS = Rates.__struct_fields__
GEO_MODELS = {
    name: [model for geo in BOOK.geos if geo.geo == name for model in geo.models] for name in {geo.geo for geo in BOOK.geos}
}
FACTORS = {(geo.geo, model): (geo.numerator, geo.denominator) for geo in BOOK.geos for model in geo.models}
FIRST_DAY, LAST_DAY = day_from_iso("2024-03-01"), day_from_iso("2027-12-31")

SONNET = Tokens(input=2_000, write_5m=10_000, read=50_000, output=1_000)
VECTORS: list[tuple[str, Usage, Terms, str]] = [
    ("1 Sonnet 5.5", Usage(SONNET), Terms("claude-sonnet-5-5", TODAY), "0.044"),
    ("2 in a batch", Usage(SONNET), Terms("claude-sonnet-5-5", TODAY, "batch"), "0.022"),
    ("3 in the US", Usage(SONNET), Terms("claude-sonnet-5-5", TODAY, geo="us"), "0.0484"),
    ("4 batch in the US", Usage(SONNET), Terms("claude-sonnet-5-5", TODAY, "batch", "us"), "0.0242"),
    ("5 before the read cut", Usage(SONNET), Terms("claude-sonnet-5-5", day_from_iso("2026-10-06")), "0.049"),
    ("6 at the step", Usage(Tokens(500, read=99_500, output=1_000)), Terms("claude-haiku-5-5", TODAY), "0.001545"),
    ("7 above it", Usage(Tokens(501, read=99_500, output=1_000)), Terms("claude-haiku-5-5", TODAY), "0.0077255"),
    ("8 mixed TTL", Usage(Tokens(1_000, 4_000, 10_000, 20_000)), Terms("claude-opus-5-5", TODAY), "0.108"),
    (
        "9 compaction",
        Usage(
            Tokens(23_000, output=1_000),
            iterations=(
                Iteration("compaction", Tokens(180_000, output=3_500)),
                Iteration("message", Tokens(23_000, output=1_000)),
            ),
        ),
        Terms("claude-opus-5", TODAY),
        "1.1275",
    ),
    ("10 a million reads", Usage(Tokens(read=1_000_000)), Terms("claude-fable-5-1", TODAY), "0.25"),
    ("11 fast", Usage(Tokens(1_000, read=100_000, output=2_000)), Terms("claude-opus-5-5", TODAY, "fast"), "0.128"),
    ("12 searches", Usage(Tokens(10_000, output=500), web_searches=3), Terms("claude-sonnet-4-6", TODAY), "0.0675"),
]


@pytest.mark.parametrize(("usage", "terms", "usd"), [v[1:] for v in VECTORS], ids=[v[0] for v in VECTORS])
def test_vectors(usage: Usage, terms: Terms, usd: str) -> None:
    assert price_usage(usage, terms, BOOK).pico == pico_from_usd(usd)


COUNT = st.one_of(st.integers(0, 2_000), st.integers(0, 1_200_000))
TOKENS = st.builds(Tokens, COUNT, COUNT, COUNT, COUNT, COUNT)
DAYS = st.integers(FIRST_DAY, LAST_DAY)
MODELS = st.sampled_from(sorted({row.model for row in BOOK.rows}))
ANY_TERMS = st.builds(
    Terms, MODELS, DAYS, st.sampled_from(get_args(Mode)), st.sampled_from(["global", "not_available", "", "us", "regional"])
)


def _priced(usage: Usage, terms: Terms) -> Cost:
    """The bill; discards the example where the book rightly has none, so that every combination is drawn from."""
    for iteration in usage.billed():
        try:
            BOOK.rates(replace(terms, model=iteration.model or terms.model), iteration.tokens.prompt)
        except UnknownPrice:
            assume(False)
    return price_usage(usage, terms, BOOK)


@given(TOKENS, ANY_TERMS, st.integers(0, 50))
def test_a_bill_is_the_sum_of_its_lines_and_each_line_is_exact(tokens: Tokens, terms: Terms, searches: int) -> None:
    cost = _priced(Usage(tokens, searches), terms)
    rates = BOOK.rates(terms, tokens.prompt)
    assert cost.pico == sum(line.pico for line in cost.lines)
    assert cost.price_book == BOOK.id
    assert all(line.quantity > 0 and line.pico > 0 for line in cost.lines)
    assert cost.pico * 10**6 == sum(getattr(tokens, name) * getattr(rates, name) for name in BUCKETS) + (
        searches * 10**10 * 10**6
    )


@given(TOKENS, ANY_TERMS)
def test_a_bill_is_additive_in_its_buckets(tokens: Tokens, terms: Terms) -> None:
    whole = _priced(Usage(tokens), terms)
    rates = BOOK.rates(terms, tokens.prompt)
    flat = PriceBook("flat", (replace(BOOK.rows[0], model="flat", mode="standard", rates=rates, from_day=0, until_day=9),))
    parts = [Tokens(**{name: getattr(tokens, name)}) for name in BUCKETS]
    assert whole.pico == sum(price_usage(Usage(part), Terms("flat", 1), flat).pico for part in parts)


@given(TOKENS, TOKENS, ANY_TERMS)
def test_iterations_are_priced_each_at_its_own_model_and_length(one: Tokens, two: Tokens, terms: Terms) -> None:
    other = "claude-opus-5-5"
    both = Usage(Tokens(), iterations=(Iteration("message", one), Iteration("advisor_message", two, other)))
    alone = _priced(both, terms).pico
    assert alone == _priced(Usage(one), terms).pico + _priced(Usage(two), replace(terms, model=other)).pico


@given(TOKENS, DAYS, st.sampled_from(sorted({row.model for row in BOOK.rows if row.mode == "batch"})))
def test_a_batch_is_exactly_half_on_every_category(tokens: Tokens, day: int, model: str) -> None:
    standard = BOOK.rates(Terms(model, day), tokens.prompt)
    batch = BOOK.rates(Terms(model, day, "batch"), tokens.prompt)
    assert all(2 * getattr(batch, name) == getattr(standard, name) for name in BUCKETS)
    assert 2 * price_usage(Usage(tokens), Terms(model, day, "batch"), BOOK).pico == (
        price_usage(Usage(tokens), Terms(model, day), BOOK).pico
    )


@pytest.mark.parametrize("geo", sorted(GEO_MODELS))
@given(data=st.data(), tokens=TOKENS, day=DAYS, mode=st.sampled_from(get_args(Mode)))
def test_a_geography_is_exactly_its_factor(data: st.DataObject, tokens: Tokens, day: int, mode: Mode, geo: str) -> None:
    terms = Terms(data.draw(st.sampled_from(GEO_MODELS[geo])), day, mode)
    plain = _priced(Usage(tokens, 3), terms).pico
    there = price_usage(Usage(tokens, 3), replace(terms, geo=geo), BOOK).pico
    fee = 3 * BOOK.web_search_pico
    numerator, denominator = FACTORS[geo, terms.model]
    assert (numerator, denominator) in ((1, 1), (11, 10))
    assert denominator * (there - fee) == numerator * (plain - fee)


@given(st.text(max_size=30), DAYS, st.sampled_from(get_args(Mode)))
def test_an_unknown_model_has_no_price(model: str, day: int, mode: Mode) -> None:
    assume(not BOOK.knows(model))
    with pytest.raises(UnknownPrice):
        price_usage(Usage(Tokens(1)), Terms(model, day, mode), BOOK)


@given(st.text(max_size=12), MODELS)
def test_an_unknown_geography_has_no_price(geo: str, model: str) -> None:
    assume(geo not in ("global", "not_available", "") and model not in GEO_MODELS.get(geo, ()))
    with pytest.raises(UnknownPrice):
        price_usage(Usage(Tokens(1)), Terms(model, TODAY, geo=geo), BOOK)


@pytest.mark.parametrize(
    "terms",
    [
        Terms("claude-sonnet-5-5", TODAY, "fast"),
        Terms("claude-opus-4-7", day_from_iso("2026-07-24"), "fast"),
        Terms("claude-opus-4-8", day_from_iso("2026-11-30"), "fast"),
        Terms("claude-3-opus-20240229", day_from_iso("2025-06-01"), "batch"),
        Terms("claude-opus-4-5-20251101", TODAY, geo="us"),
        Terms("claude-mythos-preview", TODAY),
        Terms("claude-sonnet-5-5", -1),
    ],
)
def test_what_the_provider_does_not_sell_has_no_price(terms: Terms) -> None:
    with pytest.raises(UnknownPrice):
        price_usage(Usage(Tokens(1)), terms, BOOK)


def test_one_unknown_iteration_spoils_the_bill() -> None:
    usage = Usage(Tokens(1), iterations=(Iteration("message", Tokens(1)), Iteration("advisor_message", Tokens(1), "who")))
    with pytest.raises(UnknownPrice, match="'who'"):
        price_usage(usage, Terms("claude-opus-5", TODAY), BOOK)


@pytest.mark.parametrize(
    ("category", "output_tokens", "day", "billed"),
    [
        (None, 0, "2026-06-01", True),
        ("cyber", 0, "2026-06-01", True),
        ("cyber", 0, "2026-06-02", False),
        ("bio", 0, "2026-06-02", False),
        ("bio", 0, "2026-09-23", False),
        ("bio", 0, "2026-09-24", True),
        ("frontier_llm", 0, "2026-09-24", True),
        ("reasoning_extraction", 0, "2026-11-20", True),
        ("cyber", 0, "2026-11-20", False),
        ("general_harms", 0, "2026-11-20", False),
        (None, 0, "2026-11-20", False),
        ("something_new", 0, "2026-11-20", False),
        ("cyber", 1, "2026-07-01", True),
        (None, 12, "2026-11-20", True),
    ],
)
def test_refusals(category: str | None, output_tokens: int, day: str, *, billed: bool) -> None:
    assert refusal_is_billed(category, output_tokens=output_tokens, day=day_from_iso(day)) is billed


def test_days_turn_at_midnight_utc() -> None:
    midnight = float(day_from_iso("2026-10-07") * 86_400)
    assert day_of(midnight) == day_from_iso("2026-10-07")
    assert day_of(midnight - 0.001) == day_from_iso("2026-10-06")
