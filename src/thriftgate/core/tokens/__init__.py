"""How many tokens a request will cost: fast estimates for forecasts, minimum prefixes and money holds; never for billing.

    text.py      bytes of text -> Estimate, at C speed        classes.py, weights.py   its constants
    images.py    pixels -> tokens, by the published rule      blocks.py    a content block or tool definition -> Estimate
    memory.py    what was counted before, what `usage` taught: TokenMemory

The provider's own `usage` is the only truth (platform.claude.com/docs/en/build-with-claude/token-counting, 2026-08).
Exact counts of text, where they can be had offline, live in `thriftgate.counting`.
"""

from __future__ import annotations

from typing import Protocol

from thriftgate.core.tokens.blocks import BlockKind, Measure, estimate_block, framing_tokens
from thriftgate.core.tokens.images import ImageTier, image_size, image_tokens
from thriftgate.core.tokens.memory import Correction, Counted, PromptTokens, TokenMemory
from thriftgate.core.tokens.text import Estimate, Family, estimate_text


class TextCounter(Protocol):
    """Counts the tokens of a text, without any framing. `exact` tells whether the count is a tokenizer's or a guess."""

    @property
    def exact(self) -> bool: ...

    @property
    def method(self) -> str: ...

    def count(self, text: str, family: Family) -> int: ...


__all__ = [
    "BlockKind",
    "Correction",
    "Counted",
    "Estimate",
    "Family",
    "ImageTier",
    "Measure",
    "PromptTokens",
    "TextCounter",
    "TokenMemory",
    "estimate_block",
    "estimate_text",
    "framing_tokens",
    "image_size",
    "image_tokens",
]
