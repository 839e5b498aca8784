"""Names as logs write them mean what the price book lists, and nothing similar."""

from __future__ import annotations

import pytest

from thriftgate.audit.names import Named, is_claude, resolve
from thriftgate.core.foreign import is_foreign
from thriftgate.core.prices import GeoRow, PriceBook, PriceRow, Rates
from thriftgate.pricing.load import load_book

BOOK = load_book()
RATES = Rates(3, 4, 6, 1, 15)


def own_book(*models: str, aliases: dict[str, str] | None = None, geos: tuple[GeoRow, ...] = ()) -> PriceBook:
    return PriceBook("own", tuple(PriceRow(model, RATES, "test") for model in models), aliases=aliases, geos=geos)


@pytest.mark.parametrize(
    ("raw", "model"),
    [
        ("claude-opus-4-8", "claude-opus-4-8"),
        ("claude-opus-4-8[1m]", "claude-opus-4-8"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        ("claude-sonnet-4.5", "claude-sonnet-4-5-20250929"),
        ("CLAUDE-Sonnet-4-5-20250929 ", "claude-sonnet-4-5-20250929"),
        ("claude-sonnet-4-5-latest", "claude-sonnet-4-5-20250929"),
        ("claude-3-5-sonnet-20241022", "claude-3-5-sonnet-20241022"),
        ("claude-3.5-sonnet", "claude-3-5-sonnet-20241022"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("claude-opus-4-0", "claude-opus-4-20250514"),
        ("claude-opus-4-8-20260528", "claude-opus-4-8"),
        ("Claude Sonnet 4.5", "claude-sonnet-4-5-20250929"),
        ("Claude Haiku 3.5", "claude-3-5-haiku-20241022"),
        ("Claude Fable 5.2", "claude-fable-5-2"),
        ("Claude4.5Sonnet", "claude-sonnet-4-5-20250929"),
        ("Claude Opus 4", "claude-opus-4-20250514"),
    ],
)
def test_spellings_of_one_model(raw: str, model: str) -> None:
    assert resolve(raw, BOOK) == Named(model, "", "", "", known=True)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ("anthropic/claude-sonnet-5", ("claude-sonnet-5", "", "")),
        ("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", ("claude-sonnet-4-5-20250929", "bedrock", "")),
        (
            "bedrock/us-east-1/anthropic.claude-sonnet-4-5-20250929-v1:0",
            ("claude-sonnet-4-5-20250929", "bedrock", "regional"),
        ),
        ("bedrock/converse/us.anthropic.claude-opus-4-6-v1", ("claude-opus-4-6", "bedrock", "regional")),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", ("claude-sonnet-4-5-20250929", "bedrock", "regional")),
        ("jp.anthropic.claude-haiku-4-5-20251001-v1:0", ("claude-haiku-4-5-20251001", "bedrock", "regional")),
        ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", ("claude-sonnet-4-5-20250929", "bedrock", "regional")),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", ("claude-sonnet-4-5-20250929", "bedrock", "global")),
        ("eu.anthropic.claude-3-5-sonnet-20241022-v2:0", ("claude-3-5-sonnet-20241022", "bedrock", "regional")),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0:200k", ("claude-3-5-sonnet-20241022", "bedrock", "")),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/apac.anthropic.claude-sonnet-4-5-20250929-v1:0",
            ("claude-sonnet-4-5-20250929", "bedrock", "regional"),
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.claude-opus-4-8",
            ("claude-opus-4-8", "bedrock", "global"),
        ),
        (
            "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0",
            ("claude-haiku-4-5-20251001", "bedrock", "regional"),
        ),
        ("Claude Opus 4.6 (Amazon Bedrock Edition)", ("claude-opus-4-6", "bedrock", "")),
        ("Claude 3.5 Sonnet v2 (Amazon Bedrock Edition)", ("claude-3-5-sonnet-20241022", "bedrock", "")),
        ("vertex_ai/claude-sonnet-4-5@20250929", ("claude-sonnet-4-5-20250929", "vertex", "")),
        ("claude-3-5-sonnet-v2@20241022", ("claude-3-5-sonnet-20241022", "vertex", "")),
        ("publishers/anthropic/models/claude-sonnet-5", ("claude-sonnet-5", "vertex", "")),
        ("projects/p/locations/global/publishers/anthropic/models/claude-sonnet-5", ("claude-sonnet-5", "vertex", "global")),
        (
            "projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-5@default",
            ("claude-sonnet-5", "vertex", "regional"),
        ),
        ("openrouter/anthropic/claude-3.7-sonnet:thinking", ("claude-3-7-sonnet-20250219", "gateway", "")),
        ("azure_ai/claude-opus-4-8", ("claude-opus-4-8", "foundry", "")),
        ("us/claude-opus-4-6", ("claude-opus-4-6", "", "us")),
    ],
)
def test_who_serves_it_and_where(raw: str, named: tuple[str, str, str]) -> None:
    found = resolve(raw, BOOK)
    assert (found.model, found.platform, found.geo) == named
    assert (found.known, found.mode) == (True, "")


@pytest.mark.parametrize("raw", ["claude-opus-4-6-fast", "anthropic/claude-opus-4.6-fast", "fast/us/claude-opus-4-6"])
def test_the_fast_edition(raw: str) -> None:
    found = resolve(raw, BOOK)
    assert (found.model, found.mode, found.known) == ("claude-opus-4-6", "fast", True)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "claude",
        "claude-sonnet",
        "claude-sonnet-latest",
        "claude-opus-6",
        "claude-opus-4-9",
        "claude-sonnet-4-5-20251231",  # a dated model under another date is another model
        "claude-opus-4-8-mini",
        "claude-opus-4-8-v2",
        "claude-mythos-preview",
        "claude-instant-v1",
        "my-claude-opus-4-8",
        "someone/claude-opus-4-8",
        "bedrock/us-east-1/1-month-commitment/anthropic.claude-opus-4-8",  # paid by the hour
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3",
        "us.meta.llama4-maverick-17b-instruct-v1:0",
        "gpt-5",
        "claude-opus-４-8",
    ],
)
def test_what_the_book_does_not_list_stays_unknown(raw: str) -> None:
    found = resolve(raw, BOOK)
    assert (found.model, found.geo, found.mode, found.known) == (raw, "", "", False)


@pytest.mark.parametrize("name", sorted({*(row.model for row in BOOK.rows if not is_foreign(row.model)), *BOOK.aliases}))
def test_every_name_of_the_book_in_every_dress(name: str) -> None:
    model = BOOK.canonical(name)
    dresses = (
        name,
        name.upper(),
        f"{name}[1m]",
        f"anthropic/{name}",
        f"openrouter/anthropic/{name}",
        f"us.anthropic.{name}-v1:0",
        f"arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.{name}-v1:0",
        f"publishers/anthropic/models/{name}",
        f"{name}-fast",
    )
    assert {dress: resolve(dress, BOOK).model for dress in dresses} == dict.fromkeys(dresses, model)
    if name[-8:].isdigit():
        stem, date = name[:-9], name[-8:]
        assert resolve(f"vertex_ai/{stem}@{date}", BOOK) == Named(model, "vertex", "", "", known=True)
        display = stem.replace("-", " ").title()
        assert resolve(display, BOOK).model == model


def test_the_users_own_names_come_first() -> None:
    book = own_book("house/Claude-X", "claude-opus-9-fast", "claude-opus-9", aliases={"main": "house/Claude-X"})
    assert resolve("main", book) == Named("house/Claude-X", "", "", "", known=True)
    assert resolve("house/claude-x", book).model == "house/Claude-X"
    assert resolve("claude-opus-9-fast", book) == Named("claude-opus-9-fast", "", "", "", known=True)


def test_of_two_dates_none_is_guessed() -> None:
    book = own_book("claude-opus-9-20300101", "claude-opus-9-20300601")
    assert not resolve("Claude Opus 9", book).known
    assert not resolve("claude-opus-9-20300301", book).known
    assert resolve("claude-opus-9@20300601", book).model == "claude-opus-9-20300601"


def test_a_region_is_told_only_where_it_has_a_price() -> None:
    named = "us.anthropic.claude-opus-9-v1:0"
    assert resolve(named, own_book("claude-opus-9")).geo == ""
    priced = own_book("claude-opus-9", geos=(GeoRow("regional", 11, 10, ("claude-opus-9",), "test"),))
    assert resolve(named, priced).geo == "regional"
    assert resolve("us/claude-opus-9", priced).geo == ""


def test_many_different_names_are_not_all_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thriftgate.audit.names.NAMES_MAX", 10)
    book = own_book("claude-opus-9")
    names = [f"claude-opus-9-2030{number:04}" for number in range(100)]
    assert all(resolve(name, book).model == "claude-opus-9" for name in names)
    assert resolve(names[0], book).known


@pytest.mark.parametrize(
    ("raw", "claude"),
    [
        ("claude-opus-4-8", True),
        ("Claude Opus 4.6 (Amazon Bedrock Edition)", True),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("anthropic/some-new-model", True),
        ("gpt-5", False),
        ("<synthetic>", False),
        ("", False),
    ],
)
def test_is_claude(raw: str, claude: bool) -> None:
    assert is_claude(raw) is claude
