"""What an answer used, and how it ended, in OpenAI's terms.

Anthropic's counts are disjoint, OpenAI's include each other: what was read from the cache and written to it is part of the
prompt (openai-python v3.54 `types/completion_usage.py`; platform.claude.com/docs/en/api/handling-stop-reasons, 2026-08).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from thriftgate.wire.usage import ApiUsage

_FINISHED = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "compaction": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
REFUSED = "The model declined to answer."  # where the provider gives no explanation


class Counts(NamedTuple):
    """Tokens: of the whole prompt, of it read from and written to the cache, of the whole output, of it thinking."""

    prompt: int
    read: int
    written: int
    output: int
    thinking: int


def counts_of(usage: ApiUsage) -> Counts:
    """The counts of an answer."""
    tokens = usage.usage().total
    return Counts(tokens.prompt, tokens.read, tokens.write_5m + tokens.write_1h, tokens.output, tokens.thinking)


def chat_usage(usage: ApiUsage) -> dict[str, Any]:
    """`usage` of a chat completion."""
    counts = counts_of(usage)
    return {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.output,
        "total_tokens": counts.prompt + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.read, "cache_write_tokens": counts.written},
        "completion_tokens_details": {"reasoning_tokens": counts.thinking},
    }


def finish_reason(stop_reason: str) -> str:
    """Why the model stopped. What is not known here is a plain end."""
    return _FINISHED.get(stop_reason, "stop")


def tier_of(usage: ApiUsage) -> str:
    """OpenAI's word for how the call was served."""
    return "priority" if usage.mode() == "fast" or usage.service_tier == "priority" else "default"
