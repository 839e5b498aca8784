"""What Bedrock calls Claude's models."""

from __future__ import annotations

import pytest

from thriftgate.audit.names import resolve
from thriftgate.core.errors import ConfigError
from thriftgate.pricing.load import load_book, load_models
from thriftgate.providers.bedrock_names import GLOBAL, area_of, is_dearer, named_alike, plain_id, prefix_in, row_of

BOOK = load_book()


def test_every_model_of_the_table_is_known_again_by_its_name_there() -> None:
    """The auditor reads these names in AWS's own logs: both must mean the same."""
    for model in [one for one in load_models().rows if BOOK.knows(one.id)]:
        row = row_of(model.id)
        names = [f"global.{row.base}", f"us.{row.base}", row.base] if row is not None else []
        for name in (*names, plain_id(model.id)):
            if name:
                found = resolve(name, BOOK)
                assert found.model == model.id, name
                assert (found.geo == "regional") == name.startswith("us."), name  # what that costs, the price book says


@pytest.mark.parametrize(
    ("model", "base", "plain"),
    [
        ("claude-sonnet-4-5", "anthropic.claude-sonnet-4-5-20250929-v1:0", ""),
        ("claude-opus-4-6", "anthropic.claude-opus-4-6-v1", ""),
        ("claude-haiku-4-5-20251001", "anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-haiku-4-5"),
        ("claude-opus-4-7", "anthropic.claude-opus-4-7", "anthropic.claude-opus-4-7"),
        ("claude-fable-5-2", "anthropic.claude-fable-5-2", "anthropic.claude-fable-5-2"),
    ],
)
def test_ids(model: str, base: str, plain: str) -> None:
    row = row_of(model)
    assert row is not None
    assert (row.base, plain_id(model)) == (base, plain)


@pytest.mark.parametrize("model", ["gpt-5", "claude-3-opus-20240229", "claude-2.1", "claude-instant-1.2"])
def test_what_is_not_there(model: str) -> None:
    assert row_of(model) is None
    assert plain_id(model) == ""


@pytest.mark.parametrize(
    ("name", "prefix", "dearer"),
    [
        ("global.anthropic.claude-opus-5-5", "global", False),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us", True),
        ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-gov", True),
        ("anthropic.claude-opus-4-6-v1", "", True),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "us", False),
        ("anthropic.claude-3-haiku-20240307-v1:0:200k", "", False),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-opus-5", "global", False),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", None, True),
        ("my-deployment", None, True),
    ],
)
def test_prefixes_and_what_they_cost(name: str, prefix: str | None, dearer: bool) -> None:
    assert (prefix_in(name), is_dearer(name)) == (prefix, dearer)


def test_what_is_named_must_be_of_one_price() -> None:
    assert named_alike({}) is None
    assert named_alike({"a": "arn:of:something"}) == (True, None)
    assert named_alike({"a": "us.anthropic.claude-3-haiku-20240307-v1:0"}) == (False, GLOBAL)
    assert named_alike({"a": "arn:of:something", "b": "eu.anthropic.claude-opus-5"}) == (True, "eu")
    with pytest.raises(ConfigError, match="give them a target each"):
        named_alike({"a": "us.anthropic.claude-opus-5", "b": "global.anthropic.claude-opus-5"})


def test_geographies() -> None:
    assert [area_of(region) for region in ("us-west-2", "ca-central-1", "eu-north-1", "ap-south-1", "me-south-1")] == [
        "us", "us", "eu", "apac", "us",
    ]  # fmt: skip
