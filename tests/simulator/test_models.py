from datetime import UTC, datetime
from decimal import Decimal

import pytest

from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.models import load_models

TABLE = load_models()


def at(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


NOW = at("2026-11-21")


@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: row.id)
def test_rows_are_whole(row: object) -> None:
    model = TABLE.by_name[getattr(row, "id")]  # noqa: B009  parametrised objects are untyped
    assert model.source
    assert model.date >= "2026-10"
    assert model.min_cache in {512, 1024, 2048, 4096}
    assert model.thinking_default in {"on", "off"}
    assert model.binding in {"none", "account", "always"}
    assert model.keep in {"all", "last_turn"}
    assert model.tokenizer in {"3.0", "4.7", "5.0"}
    assert model.sampling in {"any", "one", "default_only"}
    for reader in model.thinking_readers or ():
        assert reader == "*" or (reader in TABLE.by_name and reader != model.id)
    for period in model.prices:
        prices = period.base
        assert prices.write_1h == 2 * prices.input
        assert prices.read < prices.input < prices.write_5m < prices.write_1h < prices.output
        if model.id != "claude-3-haiku-20240307":  # its list prices are rounded
            assert prices.write_5m == Decimal("1.25") * prices.input


@pytest.mark.parametrize(
    ("name", "resolved"),
    [
        ("claude-opus-4-5", "claude-opus-4-5-20251101"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ("claude-sonnet-5-5", "claude-sonnet-5-5"),
    ],
)
def test_aliases(name: str, resolved: str) -> None:
    assert TABLE.resolve(name, NOW).id == resolved


@pytest.mark.parametrize("name", ["claude-opus-9", "", None, 5, "claude-3-opus-20240229", "claude-opus-4-1"])
def test_unknown_and_retired_404(name: object) -> None:
    with pytest.raises(ApiError) as problem:
        TABLE.resolve(name, NOW)
    assert problem.value.status == 404
    assert problem.value.message == f"model: {name}"


@pytest.mark.parametrize(
    ("name", "day", "stage"),
    [
        ("claude-sonnet-4-5", "2026-09-29", "active"),
        ("claude-sonnet-4-5", "2026-09-30", "deprecated"),
        ("claude-sonnet-4-5", "2026-11-29", "deprecated"),
        ("claude-sonnet-4-5", "2026-11-30", "retired"),
        ("claude-fable-5-2", "2026-11-08", "unreleased"),
        ("claude-fable-5-2", "2026-11-09", "active"),
    ],
)
def test_life_cycle(name: str, day: str, stage: str) -> None:
    model = TABLE.by_name[name]
    assert model.lifecycle_at(at(day)) == stage
    assert TABLE.resolve(name, at(day), lifecycle=False) is model


@pytest.mark.parametrize(
    ("name", "day", "tokens", "read"),
    [
        ("claude-sonnet-5-5", "2026-10-06", 10, "0.20"),
        ("claude-sonnet-5-5", "2026-10-07", 10, "0.10"),
        ("claude-haiku-5-5", "2026-11-01", 100_000, "0.01"),
        ("claude-haiku-5-5", "2026-11-01", 100_001, "0.05"),
        ("claude-opus-4-6", "2026-03-12", 200_001, "1.00"),
        ("claude-opus-4-6", "2026-03-13", 200_001, "0.50"),
        ("claude-sonnet-4-6", "2026-03-01", 200_000, "0.30"),
    ],
)
def test_dated_and_stepped_prices(name: str, day: str, tokens: int, read: str) -> None:
    assert TABLE.by_name[name].prices_at(at(day), tokens).read == Decimal(read)


@pytest.mark.parametrize(
    ("name", "day", "sold"),
    [
        ("claude-opus-5-5", "2026-11-01", True),
        ("claude-opus-4-8", "2026-11-29", True),
        ("claude-opus-4-8", "2026-11-30", False),
        ("claude-opus-4-7", "2026-07-24", False),
        ("claude-sonnet-5-5", "2026-11-01", False),
    ],
)
def test_fast_periods(name: str, day: str, sold: bool) -> None:
    assert (TABLE.by_name[name].fast_at(at(day)) is not None) is sold


def test_opus_46_ignores_fast_since_june() -> None:
    model = TABLE.by_name["claude-opus-4-6"]
    assert not model.fast_ignored_at(at("2026-06-28"))
    assert model.fast_ignored_at(at("2026-06-29"))


def test_listing_is_newest_first_without_the_retired() -> None:
    listed = [model.id for model in TABLE.listed(NOW)]
    assert "claude-3-haiku-20240307" not in listed
    assert listed.index("claude-fable-5-2") < listed.index("claude-opus-5-5") < listed.index("claude-haiku-4-5-20251001")


def test_gates_that_the_documentation_names() -> None:
    assert "disabled" not in TABLE.by_name["claude-fable-5-2"].thinking
    assert "disabled" in TABLE.by_name["claude-haiku-5-5"].thinking
    assert TABLE.by_name["claude-opus-4-6"].prefill is False
    assert TABLE.by_name["claude-haiku-4-5"].prefill
    assert not TABLE.by_name["claude-opus-4-6"].new_tokenizer
