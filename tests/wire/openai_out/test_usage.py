"""Token counts as servers tell them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from thriftgate.wire.openai_out.usage import estimated_usage, messages_usage
from thriftgate.wire.usage import ApiUsage

TOTAL = {"prompt_tokens": 1_000, "completion_tokens": 50, "total_tokens": 1_050}


def counted(**told: Any) -> tuple[int, int, int, int, int, int]:
    usage = messages_usage(Raw(msgspec.json.encode(told)))
    assert usage is not None
    tokens = msgspec.convert(usage, ApiUsage).usage().total
    return tokens.input, tokens.write_5m, tokens.write_1h, tokens.read, tokens.output, tokens.thinking


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({}, (1_000, 0, 0, 0, 50, 0)),
        ({"prompt_tokens_details": {"cached_tokens": 640}}, (360, 0, 0, 640, 50, 0)),
        ({"prompt_tokens_details": None, "completion_tokens_details": None}, (1_000, 0, 0, 0, 50, 0)),
        ({"prompt_cache_hit_tokens": 640, "prompt_cache_miss_tokens": 360}, (360, 0, 0, 640, 50, 0)),
        (
            {"prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 800}, "cost": 0.1},
            (100, 800, 0, 100, 50, 0),
        ),
        ({"cache_creation_input_tokens": 800, "cache_read_input_tokens": 100}, (100, 800, 0, 100, 50, 0)),
        (
            {
                "cache_creation_input_tokens": 800,
                "prompt_tokens_details": {
                    "cached_tokens": 100,
                    "cache_creation_token_details": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 500},
                },
            },
            (100, 300, 500, 100, 50, 0),
        ),
        ({"completion_tokens_details": {"reasoning_tokens": 20}}, (1_000, 0, 0, 0, 50, 20)),
        ({"total_tokens": 1_070, "completion_tokens_details": {"reasoning_tokens": 20}}, (1_000, 0, 0, 0, 70, 20)),
        # not counted within: the sum says so
        (
            {"total_tokens": 1_950, "cache_creation_input_tokens": 800, "cache_read_input_tokens": 100},
            (1_000, 800, 0, 100, 50, 0),
        ),
        ({"cache_read_input_tokens": 5_000}, (1_000, 0, 0, 5_000, 50, 0)),
    ],
)
def test_every_dialect_of_counting(told: dict[str, Any], found: tuple[int, ...]) -> None:
    assert counted(**TOTAL | told) == found


@pytest.mark.parametrize("raw", [b"null", b"{}", b'{"prompt_tokens":-1}', b'{"prompt_tokens":"many"}', b"[]"])
def test_what_is_no_usage_is_none(raw: bytes) -> None:
    assert messages_usage(Raw(raw)) is None


def test_an_estimate_says_that_it_is_one_and_is_never_nothing() -> None:
    assert estimated_usage(7, 10, 3) == {"input_tokens": 7, "output_tokens": 4, "estimated": True}
