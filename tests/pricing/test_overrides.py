"""The `[prices]` table of the settings: own models, contracts, single rows; wrong ones are named by key."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.errors import ConfigError, UnknownPrice
from thriftgate.core.foreign import is_foreign
from thriftgate.core.models import NEVER_CACHED
from thriftgate.core.prices import Mode, PriceBook, Rates, Terms, day_from_iso
from thriftgate.pricing.load import load_book, load_models
from thriftgate.pricing.overrides import parse_overrides

LIST = load_book()
TODAY = day_from_iso("2026-11-20")
OPUS = LIST.rates(Terms("claude-opus-5-5", TODAY), 1)


def with_prices(text: str) -> PriceBook:
    return load_book(tomllib.loads(text)["prices"])


def test_no_overrides_is_the_list_and_its_id() -> None:
    assert load_book({}).id == LIST.id
    assert load_book(parse_overrides({})).rows == LIST.rows


def test_an_own_model() -> None:
    book = with_prices("""
        [[prices.models]]
        id = "our-llm"
        aliases = ["ours"]
        batch_factor = "0.5"
        usd_per_mtok = { input = "0.60", output = "2.40", read = "0.06" }
    """)
    million = 10**12
    assert book.rates(Terms("ours", 0), 10**6) == Rates(
        million * 6 // 10, million * 6 // 10, million * 6 // 10, million * 6 // 100, million * 24 // 10
    )
    assert book.rates(Terms("our-llm", 0, "batch"), 1).output == million * 12 // 10
    with pytest.raises(UnknownPrice):
        book.rates(Terms("our-llm", 0, "fast"), 1)
    with pytest.raises(UnknownPrice):
        book.rates(Terms("our-llm", 0, geo="us"), 1)
    assert book.rates(Terms("claude-opus-5-5", TODAY), 1) == OPUS


def test_an_own_model_without_a_batch_factor_has_no_batch_price() -> None:
    book = with_prices('[[prices.models]]\nid = "our-llm"\nusd_per_mtok = { input = "1", output = "2" }')
    with pytest.raises(UnknownPrice):
        book.rates(Terms("our-llm", 0, "batch"), 1)


def test_a_contract_holds_on_its_days_in_every_mode() -> None:
    book = with_prices("""
        [[prices.discounts]]
        factor = "0.85"
        models = ["claude-opus-5-5"]
        from = "2026-10-01"
        until = "2027-10-01"
    """)
    inside, before, after = day_from_iso("2026-10-01"), day_from_iso("2026-09-30"), day_from_iso("2027-10-01")
    modes: tuple[Mode, ...] = ("standard", "batch", "fast")
    for mode in modes:
        listed = LIST.rates(Terms("claude-opus-5-5", inside, mode), 1)
        assert book.rates(Terms("claude-opus-5-5", inside, mode), 1) == listed.scaled(85, 100)
        assert book.rates(Terms("claude-opus-5-5", before, mode), 1) == listed
        assert book.rates(Terms("claude-opus-5-5", after, mode), 1) == listed
    assert book.rates(Terms("claude-opus-5-5", inside, geo="us"), 1) == OPUS.scaled(85, 100).scaled(11, 10)
    assert book.rates(Terms("claude-opus-5", inside), 1) == LIST.rates(Terms("claude-opus-5", inside), 1)
    assert book.web_search_pico == LIST.web_search_pico


@given(st.decimals("0.01", "1", places=4), st.sampled_from([row for row in LIST.rows if not is_foreign(row.model)]))
def test_a_contract_on_everything_scales_every_shipped_row_of_claude(factor: Any, row: Any) -> None:
    book = load_book({"discounts": [{"factor": str(factor)}]})
    day = row.from_day
    prompt = row.above_tokens + 1
    listed = LIST.rates(Terms(row.model, day, row.mode), prompt)
    assert book.rates(Terms(row.model, day, row.mode), prompt) == listed.scaled(*factor.as_integer_ratio())


def test_a_contract_on_everything_leaves_own_models_alone() -> None:
    own = '[[prices.models]]\nid = "our-llm"\nusd_per_mtok = { input = "1", output = "2" }\n'
    book = with_prices(own + '[[prices.discounts]]\nfactor = "0.5"')
    assert book.rates(Terms("our-llm", 0), 1).input == 10**12
    named = with_prices(own + '[[prices.discounts]]\nfactor = "0.5"\nmodels = ["our-llm"]')
    assert named.rates(Terms("our-llm", 0), 1).input == 5 * 10**11


def test_a_contract_on_everything_is_one_on_claude() -> None:
    book = load_book({"discounts": [{"factor": "0.5"}]})
    deep = Terms("deepseek/deepseek-flash", TODAY)
    assert book.rates(deep, 1) == LIST.rates(deep, 1)


def test_an_own_model_of_known_lengths_is_one_that_calls_can_be_routed_to() -> None:
    told = {"id": "local/llama", "aliases": ["llama"], "usd_per_mtok": {"input": "0", "output": "0"}}
    assert "local/llama" not in load_models({"models": [told]})
    row = load_models({"models": [told | {"context_tokens": 32_000, "output_tokens_max": 4_000}]})["llama"]
    assert (row.id, row.known, row.context_tokens, row.output_tokens_max) == ("local/llama", True, 32_000, 4_000)
    assert row.cache_min_tokens == NEVER_CACHED
    assert not row.prefix_bound_thinking


def test_a_row_replaces_one_card_and_a_discount_comes_after_it() -> None:
    book = with_prices("""
        [[prices.rows]]
        model = "claude-haiku-4-5"
        mode = "fast"
        from = "2026-11-01"
        usd_per_mtok = { input = "2", write_5m = "2.5", write_1h = "4", read = "0.2", output = "10" }
        [[prices.rows]]
        model = "claude-haiku-5-5"
        above_tokens = 100_000
        usd_per_mtok = { input = "0.3", write_5m = "0.375", write_1h = "0.6", read = "0.03", output = "1.5" }
        [[prices.discounts]]
        factor = "0.5"
        models = ["claude-haiku-5-5"]
        from = "2026-11-20"
    """)
    assert book.rates(Terms("claude-haiku-4-5", TODAY, "fast"), 1).output == 10**13
    with pytest.raises(UnknownPrice):
        book.rates(Terms("claude-haiku-4-5", day_from_iso("2026-10-31"), "fast"), 1)
    assert book.rates(Terms("claude-haiku-5-5", TODAY - 1), 100_001).output == 15 * 10**11
    assert book.rates(Terms("claude-haiku-5-5", TODAY), 100_001).output == 75 * 10**10
    assert book.rates(Terms("claude-haiku-5-5", TODAY - 1), 100_000).output == 5 * 10**11


def test_the_search_fee() -> None:
    assert with_prices('[prices]\nweb_search_usd = "0.008"').web_search_pico == 8 * 10**9


def test_the_id_tells_different_overrides_apart_and_equal_ones_together() -> None:
    one, same, other = (load_book({"discounts": [{"factor": factor}]}) for factor in ("0.9", "0.9", "0.8"))
    assert one.id == same.id
    assert len({LIST.id, one.id, other.id}) == 3
    assert one.id.startswith(f"{LIST.id} + overrides ")


CARD = 'usd_per_mtok = { input = "1", write_5m = "1", write_1h = "1", read = "1", output = "1" }'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[prices]\ndiscount = []", r"prices: unknown key 'discount'; did you mean 'discounts'\?"),
        (
            '[[prices.models]]\nid = "x"\nusd_per_mtok = { inptu = "1", output = "2" }',
            r"prices\.models\[0\]\.usd_per_mtok: unknown key 'inptu'; did you mean 'input'\?",
        ),
        (
            '[[prices.models]]\nid = "x"\nusd_per_mtok = { input = 0.6, output = "2" }',
            r"prices\.models\[0\]\.usd_per_mtok\.input: write the amount in quotes",
        ),
        (
            '[[prices.models]]\nid = "x"\nusd_per_mtok = { input = "-1", output = "2" }',
            r"prices\.models\[0\]\.usd_per_mtok\.input: a price must not be negative",
        ),
        (
            '[[prices.models]]\nid = "x"\nusd_per_mtok = { input = "cheap", output = "2" }',
            r"prices\.models\[0\]\.usd_per_mtok\.input: 'cheap' is not an amount",
        ),
        ('[[prices.models]]\nid = "x"\nusd_per_mtok = { input = "1" }', r"usd_per_mtok: .*missing required field `output`"),
        (
            '[[prices.models]]\nid = "claude-opus-5"\nusd_per_mtok = { input = "1", output = "2" }',
            r"prices\.models\[0\]: the name 'claude-opus-5' is empty or already",
        ),
        (
            '[[prices.models]]\nid = "x"\naliases = ["claude-haiku-4-5"]\nusd_per_mtok = { input = "1", output = "2" }',
            r"prices\.models\[0\]: the name 'claude-haiku-4-5' is empty or already",
        ),
        (
            '[[prices.models]]\nid = "x"\naliases = ["x"]\nusd_per_mtok = { input = "1", output = "2" }',
            r"prices\.models\[0\]\.aliases: a name is listed twice",
        ),
        (
            f'[[prices.rows]]\nmodel = "claude-opus-55"\n{CARD}',
            r"prices\.rows\[0\]\.model: 'claude-opus-55' is not in the price book; did you mean 'claude-opus-5-5'\?",
        ),
        (
            f'[[prices.rows]]\nmodel = "claude-opus-5"\nmode = "turbo"\n{CARD}',
            r"prices\.rows\[0\]\.mode: Invalid enum value 'turbo'; modes are standard, batch, fast",
        ),
        (
            f'[[prices.rows]]\nmodel = "claude-opus-5"\nfrom = "1.10.2026"\n{CARD}',
            r"prices\.rows\[0\]\.from: write a day like",
        ),
        (
            f'[[prices.rows]]\nmodel = "claude-opus-5"\nabove_tokens = -1\n{CARD}',
            r"prices\.rows\[0\]\.above_tokens: a prompt length must not be negative",
        ),
        (
            '[[prices.discounts]]\nfactor = "0.9"\nmodels = ["sonnet"]',
            r"prices\.discounts\[0\]\.models: 'sonnet' is not in the price book",
        ),
        ('[[prices.discounts]]\nfactor = "15%"', r"prices\.discounts\[0\]: factor must be a decimal like 0\.85"),
        ('[[prices.discounts]]\nfactor = "0"', r"prices\.discounts\[0\]: factor must lie above 0"),
        ('[[prices.discounts]]\nfactor = "Infinity"', r"prices\.discounts\[0\]: factor must be a decimal"),
        (
            '[[prices.discounts]]\nfactor = "0.9"\nfrom = "2027-01-01"\nuntil = "2026-01-01"',
            r"prices\.discounts\[0\]: from 2027-01-01 until 2026-01-01 holds no day",
        ),
        (
            '[[prices.discounts]]\nfactor = "0.9"\n[[prices.discounts]]\nfactor = "0.8"\nmodels = ["claude-opus-5"]',
            r"prices\.discounts\[1\]: another discount holds for claude-opus-5",
        ),
        ('[prices]\nweb_search_usd = "free"', r"prices\.web_search_usd: 'free' is not an amount"),
    ],
)
def test_a_wrong_override_names_its_key(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        with_prices(text)
