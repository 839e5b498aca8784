"""How the imitated servers count and fail."""

from __future__ import annotations

from decimal import Decimal

import pytest

from thriftgate.simulator.chat.styles import STYLES, error_told, models_with_others, usage_told
from thriftgate.simulator.models import load_models
from thriftgate.simulator.usage import Usage

USED = Usage(input=100, write_5m=30, write_1h=20, read=50, output=9, thinking=4)


@pytest.mark.parametrize("style", STYLES)
def test_prompts_are_told_with_what_was_cached(style: str) -> None:
    told = usage_told(style, USED, Decimal("0.5"))
    assert (told["prompt_tokens"], told["completion_tokens"], told["total_tokens"]) == (200, 9, 209)


def test_each_in_its_own_fields() -> None:
    assert usage_told("deepseek", USED, Decimal(0))["prompt_cache_miss_tokens"] == 150
    routed = usage_told("openrouter", USED, Decimal("0.5"))
    assert (routed["prompt_tokens_details"], routed["cost"]) == ({"cached_tokens": 50, "cache_write_tokens": 50}, 0.5)
    assert usage_told("litellm", USED, Decimal(0))["cache_creation_input_tokens"] == 50


def test_errors() -> None:
    assert error_told("openrouter", 402, "m", "c") == {"error": {"code": 402, "message": "m"}}
    assert error_told("vllm", 400, "m", "c")["object"] == "error"
    assert error_told("deepseek", 402, "m", "c")["error"]["code"] == "c"


def test_others_stand_beside_claudes_models() -> None:
    models = models_with_others(load_models())
    assert models.by_name["deepseek-flash"].min_cache > 10**6
    assert models.by_name["claude-opus-4-8"].min_cache < 10**6
