"""Whether a conversation would be refused as it is: asked of the provider for free, where nobody remembers how it was sent.

Counting tokens checks thinking against its prefix just as a call does, and costs nothing
(platform.claude.com/docs/en/build-with-claude/preserved-thinking, 2026-10).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from thriftgate.core.errors import ThriftgateError
from thriftgate.core.request import Request
from thriftgate.core.splice import Edit, apply
from thriftgate.engine.call import Call, WholeReply
from thriftgate.wire.anthropic_messages import count_body

_SIGNS = (b"signature", b"thinking")


class Doubts:
    """One per engine. `forward` sends a free call; `count_path` is where the tokens of a call can be counted, "" where they
    cannot."""

    def __init__(self, forward: Callable[[Call], Awaitable[WholeReply]], count_path: Callable[[Call], str]) -> None:
        self._forward = forward
        self._count_path = count_path

    async def fits(self, call: Call, request: Request) -> bool:
        """Whether the thinking that is sent back fits its prefix. Where that cannot be found out it is taken to."""
        path = self._count_path(call)
        if not path:
            return True
        try:
            reply = await self._forward(replace(call, path=path, body=_strict(count_body(request))))
        except ThriftgateError:
            return True
        return reply.status != 400 or not any(sign in reply.body for sign in _SIGNS)


def _strict(body: bytes) -> bytes:
    """The question such that thinking which does not fit is refused, where the client has it dropped in silence."""
    if b'"drop_block"' not in body:
        return body
    return apply(body, [Edit(("thinking", "block_binding", "prefix_mismatch_behavior"), b'"error"')])
