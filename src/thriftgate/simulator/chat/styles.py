"""How the imitated servers differ: what they take, how they count, how they fail; and the models that are not Claude.

Sources, all 2026-10 or 2026-11: platform.openai.com/docs/{api-reference/chat,guides/prompt-caching};
api-docs.deepseek.com/{quick_start/pricing,guides/kv_cache,guides/thinking_mode,quick_start/error_codes};
alibabacloud.com/help/en/model-studio/context-cache; openrouter.ai/docs (prompt caching, usage accounting, errors);
docs.litellm.ai/docs/completion/prompt_caching; docs.vllm.ai (OpenAI-compatible server).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from thriftgate.simulator.models import Model, ModelTable, PricePeriod, Prices
from thriftgate.simulator.usage import Usage

_COMMON = frozenset(
    {"model", "messages", "stream", "stream_options", "temperature", "top_p", "stop", "tools", "tool_choice"}
    | {"parallel_tool_calls", "response_format", "reasoning_effort"}
)


@dataclass(frozen=True, slots=True)
class Style:
    """`takes` are the members that a body may have; `unit` and `least` are the tokens in which, and from which on, prefixes
    are cached unasked (0: they are not); `thinks` says what its own models do that are told nothing; `text_only` where
    contents must be plain strings."""

    name: str
    takes: frozenset[str]
    unit: int = 0
    least: int = 0
    thinks: bool = False
    text_only: bool = False
    keyless: bool = False


STYLES = {
    style.name: style
    for style in (
        Style("openai", _COMMON | {"max_completion_tokens"}, unit=128, least=1024),
        Style("deepseek", _COMMON | {"max_tokens", "thinking"}, unit=64, least=64, thinks=True, text_only=True),
        Style("qwen", _COMMON | {"max_tokens", "enable_thinking", "thinking_budget", "top_k"}, 1, 256, thinks=True),
        Style("openrouter", _COMMON | {"max_tokens", "reasoning", "top_k"}, unit=64, least=64),
        Style("litellm", _COMMON | {"max_tokens", "thinking", "top_k"}, unit=64, least=64),
        Style("vllm", _COMMON | {"max_tokens", "max_completion_tokens", "top_k"}, unit=16, least=16, keyless=True),
    )
}

# USD per million tokens: input, written prefix, read prefix, output.
_FOREIGN: dict[str, tuple[str, str, str, str]] = {
    "deepseek-flash": ("0.3", "0.3", "0.006", "1.2"),  # at peak hours, which is always here
    "deepseek-v4-pro": ("1.32", "1.32", "0.044", "3.96"),
    "qwen3.7-plus": ("0.32", "0.4", "0.064", "1.28"),  # openrouter.ai/qwen/qwen3.7-plus
    "gpt-6-luna": ("0.1", "0.125", "0.01", "0.5"),
    "local": ("0", "0", "0", "0"),
}
_LONGEST = {"deepseek-flash": 384_000, "deepseek-v4-pro": 384_000}  # of the others 128,000 (assumed)


def models_with_others(models: ModelTable) -> ModelTable:
    """Claude's models and the others. What those take is what chat completions has; their tokens are counted as Claude 3's
    (assumed)."""
    base = models.by_name["claude-opus-4-8"]
    others = tuple(_model(base, name, prices) for name, prices in _FOREIGN.items())
    return ModelTable((*models.rows, *others), models.by_name | {row.id: row for row in others})


def _model(base: Model, name: str, listed: tuple[str, str, str, str]) -> Model:
    fresh, written, read, output = map(Decimal, listed)
    prices = Prices(fresh, written, written, read, output)
    return replace(
        base,
        id=name,
        display=name,
        line=name,
        launched=dt.date(2025, 1, 1),
        prices=(PricePeriod(dt.date(2025, 1, 1), prices, None, None),),
        context=1_000_000,
        max_output=_LONGEST.get(name, 128_000),
        tokenizer="3.0",
        min_cache=10**9,
        tool_prompt=(100, 100),
        thinking=("adaptive", "disabled"),
        thinking_default="off",
        aliases=(),
        deprecated=None,
        retires=None,
        sampling="any",
        system_messages=True,
        effort=("low", "medium", "high", "xhigh", "max"),
        binding="none",
        fast=(),
    )


def usage_told(style: str, usage: Usage, cost: Decimal) -> dict[str, Any]:
    """The usage object of an answer."""
    written = usage.write_5m + usage.write_1h
    told: dict[str, Any] = {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total_input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.read},
        "completion_tokens_details": {"reasoning_tokens": usage.thinking},
    }
    if style == "deepseek":
        told |= {"prompt_cache_hit_tokens": usage.read, "prompt_cache_miss_tokens": usage.total_input - usage.read}
    elif style == "openrouter":
        told["prompt_tokens_details"]["cache_write_tokens"] = written
        told["cost"] = float(cost)
    elif style == "litellm":
        told |= {"cache_creation_input_tokens": written, "cache_read_input_tokens": usage.read}
        told["prompt_tokens_details"]["cache_creation_token_details"] = {
            "ephemeral_5m_input_tokens": usage.write_5m,
            "ephemeral_1h_input_tokens": usage.write_1h,
        }
    elif style == "vllm":
        told["prompt_tokens_details"] = None  # unless it is started with --enable-prompt-tokens-details
        del told["completion_tokens_details"]
    return told


def error_told(style: str, status: int, message: str, code: str) -> dict[str, Any]:
    """The body of an error."""
    if style == "openrouter":
        return {"error": {"code": status, "message": message}}
    if style == "vllm":
        return {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": status}
    return {"error": {"message": message, "type": code, "param": None, "code": code}}
