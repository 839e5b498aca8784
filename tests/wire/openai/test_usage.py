"""Usage and endings in OpenAI's terms."""

from __future__ import annotations

import pytest

from thriftgate.wire.openai.usage import chat_usage, counts_of, finish_reason, tier_of
from thriftgate.wire.usage import ApiUsage, CacheCreation, OutputDetails

USED = ApiUsage(
    input_tokens=10,
    cache_creation_input_tokens=30,
    cache_creation=CacheCreation(20, 10),
    cache_read_input_tokens=400,
    output_tokens=50,
    output_tokens_details=OutputDetails(7),
)


def test_the_prompt_includes_what_was_cached() -> None:
    assert counts_of(USED) == (440, 400, 30, 50, 7)
    assert chat_usage(USED) == {
        "prompt_tokens": 440,
        "completion_tokens": 50,
        "total_tokens": 490,
        "prompt_tokens_details": {"cached_tokens": 400, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }


@pytest.mark.parametrize(
    ("stop_reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("of_tomorrow", "stop"),
    ],
)
def test_endings(stop_reason: str, finish: str) -> None:
    assert finish_reason(stop_reason) == finish


def test_tiers() -> None:
    assert tier_of(USED) == "default"
    assert tier_of(ApiUsage(speed="fast")) == "priority"
    assert tier_of(ApiUsage(service_tier="priority")) == "priority"
