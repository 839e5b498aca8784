"""A recorded workload: who sent which prompt when, as a tree of prompt prefixes.

A node of the tree is a prompt prefix that matters: where a request ended, where two requests part, where tools and system
end. Node ids start at 1; the root, 0, is the empty prompt.
"""

from __future__ import annotations

from msgspec import Struct

from thriftgate.core.prefix import Prefix


class Ask(Struct, frozen=True, gc=False):
    """One request.

    `prefix` holds the boundaries that a gateway could have known when it was sent: ends of earlier requests on its way,
    where it parts from an earlier request, the ends of tools and of system where the trace tells them, its own end (always
    the last). Their chain digests are `digest(node)`. `cumulative` are their depths in tokens. `path` is its whole way in
    the finished tree, the own end last: nodes that only later requests reveal are in it, so it is for the clairvoyant alone.
    `begins_s` is when its answer began, from when on what it wrote can be read. `session` counts the recorded conversations.
    `calls_tool`: the answer called a tool, so that nothing but its result may follow. `weight`: its prices as a multiple of
    those of the world it is replayed in.
    """

    at_s: float
    begins_s: float
    session: int
    prefix: Prefix
    cumulative: tuple[int, ...]
    path: tuple[int, ...]
    output_tokens: int = 0
    calls_tool: bool = False
    model: str = ""
    weight: float = 1.0

    @property
    def tokens(self) -> int:
        return self.cumulative[-1]


class Trace(Struct, frozen=True):
    """Requests in order of time (ties in recorded order). `depths[node]` is the prompt length in tokens at a node."""

    name: str
    asks: tuple[Ask, ...]
    depths: tuple[int, ...]
    sessions: int

    @property
    def tokens(self) -> int:
        """All prompt tokens: the bill without caching, in tokens at the base price."""
        return sum(ask.tokens for ask in self.asks)


def digest(node: int) -> bytes:
    """The chain digest of a node, of the length the planner's digests have."""
    return node.to_bytes(16, "big")
