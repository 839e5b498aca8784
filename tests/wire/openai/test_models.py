"""Model names."""

from __future__ import annotations

import pytest

from tests.wire.openai.completions import MODELS
from thriftgate.core.errors import ModelNotFound
from thriftgate.core.prices import day_from_iso
from thriftgate.wire.openai.models import claude_model, model_list

ALIASES = {"gpt-5": "claude-opus-5-5", "gpt-*": "claude-haiku-5-5", "typo": "claude-opuss"}
TODAY = day_from_iso("2026-11-22")


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("claude-opus-4-8", "claude-opus-4-8"),
        ("claude-haiku-4-5", "claude-haiku-4-5"),
        ("gpt-5", "claude-opus-5-5"),
        ("gpt-5-mini", "claude-haiku-5-5"),
    ],
)
def test_who_serves(asked: str, served: str) -> None:
    assert claude_model(asked, ALIASES, MODELS.__contains__) == served


def test_an_unknown_name_is_told_how_to_map_it() -> None:
    with pytest.raises(ModelNotFound, match=r'\[openai.models\] "o7" = '):
        claude_model("o7", ALIASES, MODELS.__contains__)
    with pytest.raises(ModelNotFound, match="'typo' to 'claude-opuss'"):
        claude_model("typo", ALIASES, MODELS.__contains__)


def test_the_list() -> None:
    listed = {one["id"]: one for one in model_list(MODELS.rows, ALIASES, TODAY)}
    assert listed["claude-opus-5-5"] == {
        "id": "claude-opus-5-5",
        "object": "model",
        "created": 1_790_035_200,  # 2026-09-22
        "owned_by": "anthropic",
    }
    assert listed["claude-haiku-4-5"]["created"] == listed["claude-haiku-4-5-20251001"]["created"] == 1_759_276_800
    assert listed["claude-sonnet-4-5"]["shutdown_date"] == "2026-11-30"
    assert listed["gpt-5"]["owned_by"] == "thriftgate"
    assert "gpt-*" not in listed
    assert "claude-3-opus-20240229" not in listed  # retired
    created = [one["created"] for one in listed.values() if one["id"] in {row.id for row in MODELS.rows}]
    assert created == sorted(created, reverse=True)
