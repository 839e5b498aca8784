"""Token counts as chat servers tell them, as the Messages API tells them: disjoint.

OpenAI counts cached tokens within `prompt_tokens`; some gateways do not. Which it is shows in `total_tokens`. The fields:
`prompt_tokens_details.cached_tokens` (OpenAI, OpenRouter, Qwen, LiteLLM, Portkey), `prompt_cache_hit_tokens` (DeepSeek);
written: `cache_write_tokens` (OpenRouter, OpenAI), `cache_creation_input_tokens` (Qwen, LiteLLM, Portkey), with their
lifetimes in `cache_creation_token_details` (LiteLLM). Thinking is part of `completion_tokens`, but for servers (x.ai) that
add it in `total_tokens` alone.

platform.openai.com/docs/guides/prompt-caching, openrouter.ai/docs/cookbook/administration/usage-accounting,
api-docs.deepseek.com/guides/kv_cache, docs.litellm.ai/docs/completion/prompt_caching, alibabacloud.com/help/en/
model-studio/context-cache, docs.x.ai (prompt caching): 2026-10 and 2026-11.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

Count = Annotated[int, Meta(ge=0, le=2**40)]


class _Lives(Struct):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class _Prompt(Struct):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    cache_creation_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_creation_token_details: _Lives | None = None


class _Completion(Struct):
    reasoning_tokens: Count | None = None


class _Told(Struct):
    prompt_tokens: Count
    completion_tokens: Count = 0
    total_tokens: Count | None = None
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None
    prompt_cache_hit_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None


_USAGE = msgspec.json.Decoder(_Told | None)


def messages_usage(raw: Raw) -> dict[str, Any] | None:
    """The `usage` of a Messages answer; None where none was told, or nonsense."""
    try:
        told = _USAGE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if told is None:
        return None
    prompt = told.prompt_tokens_details or _Prompt()
    read = prompt.cached_tokens or told.prompt_cache_hit_tokens or told.cache_read_input_tokens or 0
    written = (
        prompt.cache_write_tokens
        or prompt.cache_creation_tokens
        or prompt.cache_creation_input_tokens
        or told.cache_creation_input_tokens
        or 0
    )
    thought = (told.completion_tokens_details or _Completion()).reasoning_tokens or 0
    output = told.completion_tokens
    beside = (told.total_tokens or 0) - told.prompt_tokens - output
    apart = beside == read + written > 0 or read + written > told.prompt_tokens
    if not apart and beside == thought:
        output += thought
    lives = prompt.cache_creation_token_details or _Lives()
    hour = min(written, lives.ephemeral_1h_input_tokens or 0)
    usage: dict[str, Any] = {
        "input_tokens": told.prompt_tokens if apart else told.prompt_tokens - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": output,
    }
    if hour:
        usage["cache_creation"] = {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour}
    if thought:
        usage["output_tokens_details"] = {"thinking_tokens": min(thought, output)}
    return usage


def estimated_usage(prompt_tokens: int, output_bytes: int, bytes_per_token: int) -> dict[str, Any]:
    """What stands in for the usage of a server that tells none; it says that it is an estimate."""
    return {"input_tokens": prompt_tokens, "output_tokens": -(-output_bytes // bytes_per_token), "estimated": True}
