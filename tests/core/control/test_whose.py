"""Who a call is for."""

from __future__ import annotations

import pytest

from thriftgate.core.control.whose import NOBODY, Whose, scopes_of, tier_of
from thriftgate.pricing.load import claude_models


@pytest.mark.parametrize(
    ("model", "tier"),
    [
        ("claude-opus-5-5", "opus"),
        ("claude-3-opus-20240229", "opus"),
        ("claude-3-5-haiku-20241022", "haiku"),
        ("claude-sonnet-4.6", "sonnet"),
        ("anthropic/claude-fable-5-2", "fable"),
        ("gpt-oss", ""),
        ("octopus-1", ""),
        ("", ""),
    ],
)
def test_a_model_is_of_a_line(model: str, tier: str) -> None:
    assert tier_of(model) == tier


def test_every_model_of_the_table_is_of_a_line() -> None:
    assert [row.id for row in claude_models().rows if not tier_of(row.id)] == []


def test_a_call_counts_under_all_that_is_known_of_it() -> None:
    whose = Whose("ann", "search", "acme", ("env=prod", "eu"))
    assert scopes_of("key_1", whose, model="claude-opus-5-5", provider="anthropic", task="triage") == {
        "org=acme",
        "team=search",
        "user=ann",
        "key=key_1",
        "task=triage",
        "model=claude-opus-5-5",
        "tier=opus",
        "provider=anthropic",
        "tag=env=prod",
        "tag=eu",
    }
    assert scopes_of("none", NOBODY, model="m", provider="", task="") == {"key=none", "model=m"}
