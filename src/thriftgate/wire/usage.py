"""The API's usage object → disjoint buckets, and the terms it was billed under.

Fields: anthropic-sdk-python v0.121.0 `types/usage.py`, `types/beta/beta_usage.py`, 2026-08-07.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from thriftgate.core.prices import Mode
from thriftgate.core.usage import Iteration, Tokens, Usage

Count = Annotated[int, Meta(ge=0, le=2**40)]
"""A count that can be believed; a usage object with any other is garbage, and is not read."""


class CacheCreation(Struct):
    ephemeral_5m_input_tokens: Count | None = 0
    ephemeral_1h_input_tokens: Count | None = 0


class OutputDetails(Struct):
    thinking_tokens: Count | None = 0


class ServerToolUse(Struct):
    web_search_requests: Count | None = 0


class ApiIteration(Struct):
    type: str = "message"
    model: str | None = None
    input_tokens: Count | None = 0
    output_tokens: Count | None = 0
    cache_creation_input_tokens: Count | None = 0
    cache_read_input_tokens: Count | None = 0
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None


class ApiUsage(Struct):
    """`usage` as sent. None means that the field was absent or null: in a `message_delta` that keeps the earlier value.
    `estimated` is our own: the provider told none, and what stands there is a guess by length."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerToolUse | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    speed: str | None = None
    iterations: list[ApiIteration] | None = None
    estimated: bool | None = None

    def merged(self, later: ApiUsage) -> ApiUsage:
        """`later` (a `message_delta`, cumulative) laid over this one (the `message_start`), field by field."""
        newer = {name: value for name, value in msgspec.structs.asdict(later).items() if value is not None}
        return msgspec.structs.replace(self, **newer)

    def usage(self) -> Usage:
        """Disjoint buckets."""
        server = self.server_tool_use
        return Usage(
            total=_tokens(self),
            web_searches=(server.web_search_requests or 0) if server is not None else 0,
            iterations=tuple(Iteration(one.type, _tokens(one), one.model or "") for one in self.iterations or ()),
        )

    def mode(self) -> Mode:
        """Which rate card applies, as the response reports it."""
        if self.service_tier == "batch":
            return "batch"
        return "fast" if self.speed == "fast" else "standard"


def _tokens(counts: ApiUsage | ApiIteration) -> Tokens:
    """Split the writes by lifetime.

    `message_delta` lacks the split, and writes that a server tool adds later in the stream are 5m ones; so whatever the
    split does not explain is 5m (platform.claude.com/docs/en/agents-and-tools/tool-use/tool-use-with-prompt-caching,
    2026-08).
    """
    written = counts.cache_creation_input_tokens or 0
    split = counts.cache_creation or CacheCreation()
    hour = split.ephemeral_1h_input_tokens or 0
    five = split.ephemeral_5m_input_tokens or 0
    details = counts.output_tokens_details
    output = counts.output_tokens or 0
    return Tokens(
        input=counts.input_tokens or 0,
        write_5m=max(five, written - hour),
        write_1h=hour,
        read=counts.cache_read_input_tokens or 0,
        output=output,
        thinking=min(output, (details.thinking_tokens or 0) if details is not None else 0),
    )


class StopDetails(Struct):
    type: str | None = None
    category: str | None = None
