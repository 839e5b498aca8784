"""Token counts of one call as disjoint buckets.

Anthropic reports `input_tokens` without the cached part, other vendors with it; here the buckets never overlap, so a
total is a plain sum (platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10).
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace


class Tokens(Struct, frozen=True):
    """Disjoint buckets, unit tokens. `thinking` is the part of `output` spent on thinking and is never added to it."""

    input: int = 0
    write_5m: int = 0
    write_1h: int = 0
    read: int = 0
    output: int = 0
    thinking: int = 0

    def __post_init__(self) -> None:
        if min(self.input, self.write_5m, self.write_1h, self.read, self.output, self.thinking) < 0:
            raise ValueError(f"token counts must not be negative: {self}")
        if self.thinking > self.output:
            raise ValueError(f"thinking ({self.thinking}) is part of output ({self.output}) and cannot exceed it")

    @property
    def prompt(self) -> int:
        """All input tokens, cached or not: what the context window and the long-context price step see."""
        return self.input + self.write_5m + self.write_1h + self.read

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.input + other.input,
            self.write_5m + other.write_5m,
            self.write_1h + other.write_1h,
            self.read + other.read,
            self.output + other.output,
            self.thinking + other.thinking,
        )

    def uncached(self) -> Tokens:
        """The same prompt sent with no caching at all."""
        return replace(self, input=self.prompt, write_5m=0, write_1h=0, read=0)


class Iteration(Struct, frozen=True):
    """One entry of `usage.iterations[]`. `model` is empty where the API names none: it ran on the request's model."""

    kind: str
    tokens: Tokens
    model: str = ""


class Usage(Struct, frozen=True):
    """What one call used.

    `total` is the top level of the API's usage object. When `iterations` is not empty the bill is their sum, not `total`:
    compaction and advisor sub-calls are missing from the top level
    (platform.claude.com/docs/en/build-with-claude/compaction, 2026-08).
    """

    total: Tokens = Tokens()
    web_searches: int = 0
    iterations: tuple[Iteration, ...] = ()

    def billed(self) -> tuple[Iteration, ...]:
        """The token counts that are priced, each with the model it ran on (empty: the request's)."""
        return self.iterations or (Iteration("message", self.total),)
