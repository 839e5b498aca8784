"""What is known of servers that speak chat completions: one row each, from their documentation.

A server that is not listed is `openai_compatible`: what OpenAI documents and most servers take, and nothing else. Marks
(`cache_control`) and thinking mean something only where the server hands a call on to Claude.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Thinking = Literal["", "switch", "enable_thinking", "reasoning", "reasoning_effort", "anthropic"]
"""How a server is told to think: not at all; `thinking: {type}` and `reasoning_effort`; `enable_thinking` with
`thinking_budget`; OpenRouter's `reasoning`; `reasoning_effort` alone; Anthropic's own `thinking`."""
Thoughts = Literal["", "reasoning_content", "reasoning_details", "thinking_blocks"]
"""How thinking goes back to a server with the conversation: not at all, as text, or with its signature."""

EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")


class Server(Struct, frozen=True):
    """`url` is the base that OpenAI's SDK is given, "" where everybody has one of their own. `key_header` carries the key,
    as a bearer token in `authorization`. `output_limit` is what the longest answer is called. `marks`: `cache_control` on
    parts counts for Claude models, `tool_marks`: also on tools. `caches`: prefixes are cached unasked. `efforts` are the
    levels of effort that are known, in rising order. `thinks_unasked`: its models think unless they are told not to.
    `parts`: text may come in parts. `tools`, `schema`, `top_k`: it documents these. `stops_max` stop sequences are taken.
    `passed` are headers of the client's that go on to it. `messages` tells how to reach its Messages API, where it has
    one: that is the way that loses nothing."""

    name: str
    source: str
    url: str = ""
    key_header: str = "authorization"
    output_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    marks: bool = False
    tool_marks: bool = False
    caches: bool = True
    thinking: Thinking = "reasoning_effort"
    thoughts: Thoughts = ""
    efforts: tuple[str, ...] = ("low", "medium", "high")
    thinks_unasked: bool = False
    parts: bool = True
    tools: bool = True
    schema: bool = True
    top_k: bool = False
    stops_max: int = 4
    passed: tuple[str, ...] = ()
    messages: str = ""


SERVERS = (
    Server(
        "openai_compatible",
        "platform.openai.com/docs/api-reference/chat, 2026-10",
        caches=False,
    ),
    Server(
        "openai",
        "platform.openai.com/docs/api-reference/chat, platform.openai.com/docs/guides/prompt-caching, 2026-10",
        url="https://api.openai.com/v1",
        output_limit="max_completion_tokens",
        efforts=("minimal", "low", "medium", "high", "xhigh"),
    ),
    Server(
        "deepseek",
        "api-docs.deepseek.com/quick_start/pricing, /guides/thinking_mode, /guides/kv_cache, 2026-11",
        url="https://api.deepseek.com",
        thinking="switch",
        thoughts="reasoning_content",
        efforts=EFFORTS,
        thinks_unasked=True,
        parts=False,
        schema=False,
        stops_max=16,
        messages='provider = "anthropic", url = "https://api.deepseek.com/anthropic"',
    ),
    Server(
        "qwen",
        "alibabacloud.com/help/en/model-studio/{context-cache,deep-thinking}, 2026-10",
        url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        thinking="enable_thinking",
        thoughts="reasoning_content",
        efforts=(),
        thinks_unasked=True,
        top_k=True,
    ),
    Server(
        "openrouter",
        "openrouter.ai/docs/guides/best-practices/{prompt-caching,reasoning-tokens}, /docs/api/reference/errors, 2026-11",
        url="https://openrouter.ai/api/v1",
        marks=True,
        thinking="reasoning",
        thoughts="reasoning_details",
        efforts=EFFORTS,
        top_k=True,
        passed=("http-referer", "x-title"),
        messages='provider = "anthropic", url = "https://openrouter.ai/api"',
    ),
    Server(
        "litellm",
        "docs.litellm.ai/docs/completion/prompt_caching, /docs/reasoning_content, 2026-10",
        marks=True,
        tool_marks=True,
        thinking="anthropic",
        thoughts="thinking_blocks",
        efforts=EFFORTS,
        top_k=True,
        messages='provider = "anthropic", url = "http://your-litellm:4000"',
    ),
    Server(
        "portkey",
        "portkey.ai/docs/integrations/llms/anthropic/prompt-caching, 2026-10",
        url="https://api.portkey.ai/v1",
        key_header="x-portkey-api-key",
        marks=True,
        thinking="",
        efforts=(),
        passed=("x-portkey-provider", "x-portkey-config", "x-portkey-virtual-key", "x-portkey-metadata"),
        messages='provider = "anthropic", url = "https://api.portkey.ai"',
    ),
    Server(
        "tokenmix",
        "tokenmix.ai/docs/chat-completions, 2026-05",
        url="https://api.tokenmix.ai/v1",
        caches=False,
        thinking="",
        efforts=(),
        parts=False,
    ),
    Server(
        "claudexia",
        "claudexia.tech/docs/api-reference/openai, 2026-10",
        url="https://api.claudexia.tech/v1",
        caches=False,
        thinking="",
        efforts=(),
        parts=False,
        tools=False,
        schema=False,
        messages='provider = "anthropic", url = "https://api.claudexia.tech"',
    ),
    Server(
        "vllm",
        "docs.vllm.ai/en/latest/serving/openai_compatible_server, /features/reasoning_outputs, 2026-10",
        thinking="",
        efforts=(),
        top_k=True,
        stops_max=64,
    ),
)
