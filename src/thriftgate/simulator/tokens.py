"""Token counts per block: deterministic and additive, so the count of a prefix is the sum over its blocks.

Text is counted by the package `ctok` where it is installed (it reproduces the API's counts for plain text), otherwise
by bytes times a ratio per tokenizer family. Structure costs fixed tokens: a turn, the tool-use system prompt, built-in
tools, pictures (sources beside each figure). The whole frame of a one-message request (7, 11 or 6 tokens by family:
ctok 1.3) is split into a part per turn and a tail after the last block; that split is assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from thriftgate.simulator.draws import digest
from thriftgate.simulator.images import image_tokens, source_size
from thriftgate.simulator.models import Model

FRAME = {"3.0": 7, "4.7": 11, "5.0": 6}
"""tokens that surround the text of a single user message, by family (measured by the authors of ctok 1.3)"""
TURN = 4
"""assumed: the share of the frame that each further turn costs"""
TOOL_CALL = 10
"""assumed: names and brackets around one tool_use or tool_result"""
TOOL_DEFINITION = 4
"""brackets around one tool definition. With the definition written as JSON with spaces this gives exactly the 7,344 tokens
of a recorded request with 18 tools (public test data of the autocache project); one observation, so assumed elsewhere"""
TOOL_PROMPT_TAIL = 139
"""the part of the tool-use system prompt that follows the definitions, from the same record: a breakpoint on the last tool
covered 7,105 of its tokens; assumed to hold for every model"""
FORMAT_PROMPT = 120
"""assumed: the prompt that output_config.format injects, beside the schema (build-with-claude/structured-outputs says only
that there is one)"""
RATIO = {"3.0": 0.27, "4.7": 0.36, "5.0": 0.36}
"""estimator: tokens per UTF-8 byte, fitted roughly on mixed English and code"""
PAGE_BYTES = 3000
PAGE_TOKENS = 2000
"""assumed: a PDF costs 2,000 tokens per 3,000 bytes begun, a stand-in for its pages"""
BUILT_IN = {
    "bash": (325, 244),
    "text_editor": (974, 745),
    "computer_toolset": (4520, 4520),
    "browser_toolset": (6610, 6610),
    "computer_2025": (735, 735),
    "web_search": (0, 0),
    "web_fetch": (0, 0),
}
"""tokens of a built-in tool definition (4.7 and later, older): about-claude/pricing, 2026-10. For the web tools the
page gives none: assumed 0"""
CACHE_SIZE = 100_000
"""counts remembered at least; twice as many at most"""


class TokenCounter:
    """Counts text and blocks. `kind` is "auto", "ctok", "estimate" or a function (text, family) -> tokens."""

    def __init__(self, kind: str | Callable[[str, str], int] = "auto") -> None:
        self._text = _text_counter(kind)
        self._cache: dict[bytes, int] = {}
        self._older: dict[bytes, int] = {}

    def text(self, family: str, text: str) -> int:
        """Tokens of a text by itself, without any frame; 0 for the empty text."""
        if not text:
            return 0
        key = digest("text", family, text)
        return self._remember(key, lambda: max(1, self._text(text, family)))

    def block(self, model: Model, block: dict[str, Any], identity: bytes) -> int:
        """Tokens of one content block. `identity` is the block's own hash: equal blocks are counted once."""
        return self._remember(digest(model.tokenizer, model.image, identity), lambda: self._block(model, block))

    def tool(self, model: Model, tool: dict[str, Any], identity: bytes) -> int:
        """Tokens of one tool definition."""
        return self._remember(digest(model.tokenizer, "tool", identity), lambda: self._tool(model, tool))

    def value(self, family: str, value: object) -> int:
        """Tokens of a JSON value written out."""
        return self.text(family, msgspec.json.encode(value).decode())

    def _remember(self, key: bytes, count: Callable[[], int]) -> int:
        known = self._cache.get(key)
        if known is None:
            known = self._older.get(key)
            known = count() if known is None else known
            if len(self._cache) >= CACHE_SIZE:
                self._older, self._cache = self._cache, {}
            self._cache[key] = known
        return known

    def _tool(self, model: Model, tool: dict[str, Any]) -> int:
        kind = tool.get("type")
        if isinstance(kind, str) and kind != "custom":
            for prefix, (new, old) in BUILT_IN.items():
                if kind.startswith(prefix):
                    return new if model.new_tokenizer else old
        shown = {name: tool[name] for name in ("description", "name", "input_schema") if name in tool}
        spaced = msgspec.json.format(msgspec.json.encode(shown), indent=0).decode()
        return TOOL_DEFINITION + self.text(model.tokenizer, spaced)

    def _block(self, model: Model, block: dict[str, Any]) -> int:  # noqa: PLR0911  one return per block type
        family, kind = model.tokenizer, block.get("type")
        if kind == "text":
            return self.text(family, block.get("text", ""))
        if kind == "image":
            return image_tokens(*source_size(block.get("source")), model.image)
        if kind == "document":
            return self._document(model, block)
        if kind == "thinking":
            return self.text(family, block.get("thinking", ""))
        if kind == "redacted_thinking":
            return max(1, len(str(block.get("data", ""))) // 8)
        if kind in {"tool_use", "server_tool_use", "mcp_tool_use"}:
            return TOOL_CALL + self.text(family, str(block.get("name", ""))) + self.value(family, block.get("input", {}))
        if kind == "compaction":
            return self.text(family, block.get("content") or "")
        if kind == "fallback":
            return 0
        return TOOL_CALL + self._nested(model, block.get("content", ""))

    def _nested(self, model: Model, content: object) -> int:
        if isinstance(content, str):
            return self.text(model.tokenizer, content)
        if isinstance(content, list):
            return sum(
                self._block(model, part)
                if isinstance(part, dict) and part.get("type") in {"text", "image", "document"}
                else self.value(model.tokenizer, part)
                for part in content
            )
        return self.value(model.tokenizer, content)

    def _document(self, model: Model, block: dict[str, Any]) -> int:
        source = block.get("source")
        head = self.text(model.tokenizer, " ".join(str(block[name]) for name in ("title", "context") if block.get(name)))
        if not isinstance(source, dict):
            return head
        if source.get("type") == "text":
            return head + self.text(model.tokenizer, str(source.get("data", "")))
        if source.get("type") == "content":
            return head + self._nested(model, source.get("content", ""))
        size = len(str(source.get("data", ""))) * 3 // 4
        return head + PAGE_TOKENS * max(1, -(-size // PAGE_BYTES))


def estimate(text: str, family: str) -> int:
    """The fallback: bytes times the family's ratio, rounded up."""
    size = len(text.encode("utf-8", "surrogatepass"))
    return int(-(-size * RATIO[family] // 1))


def _text_counter(kind: str | Callable[[str, str], int]) -> Callable[[str, str], int]:
    if callable(kind):
        return kind
    if kind == "estimate":
        return estimate
    if kind not in {"auto", "ctok"}:
        raise ValueError(f'tokenizer must be "auto", "ctok", "estimate" or a function, not {kind!r}')
    try:
        import ctok  # noqa: PLC0415  optional: it needs Python 3.12
    except ImportError:
        if kind == "ctok":
            raise
        return estimate

    def exact(text: str, family: str) -> int:
        clean = text.encode("utf-8", "replace").decode()
        return int(ctok.token_count(clean, family)) - FRAME[family]

    return exact
