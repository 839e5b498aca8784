"""The Messages dialect: what the planner itself speaks, so nothing is translated and nothing lost
(platform.claude.com/docs/en/api/messages, 2026-08)."""

from __future__ import annotations

import msgspec

from thriftgate.core.errors import ThriftgateError
from thriftgate.core.request import Request, parse_request
from thriftgate.core.splice import Edit, apply
from thriftgate.wire.dialect import Teller
from thriftgate.wire.meter import Reading, StreamMeter, read_message

# platform.claude.com/docs/en/build-with-claude/token-counting, 2026-08
_COUNTED = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"}
    | {"context_management", "mcp_servers", "speed", "output_format"}
)


class AnthropicMessages:
    """See `dialect.Dialect`."""

    name = "anthropic.messages"
    cannot_carry: tuple[str, ...] = ()

    def parse(self, body: bytes) -> Request:
        return parse_request(body)

    def render(self, request: Request) -> bytes:
        return request.body

    def read(self, body: bytes) -> Reading:
        return read_message(body)

    def meter(self) -> StreamMeter:
        return StreamMeter()

    def teller(self, created_s: int) -> Teller | None:
        return None

    def error(self, error: ThriftgateError) -> bytes:
        """Anthropic's error shape, so that SDKs raise what their users catch
        (platform.claude.com/docs/en/api/errors, 2026-08)."""
        inner = {"type": error.error_type, "message": str(error)}
        return msgspec.json.encode({"type": "error", "error": inner, "request_id": error.call_id or None})


def count_body(request: Request) -> bytes:
    """The body that asks `count_tokens` about this request: without the members it does not take. Raises InputError."""
    return apply(request.body, [Edit((name,), None) for name in request.members if name not in _COUNTED])


class _Count(msgspec.Struct):
    input_tokens: int


def read_count(body: bytes) -> int | None:
    """The answer of `count_tokens`; None where it is no count."""
    try:
        return msgspec.json.decode(body, type=_Count).input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
