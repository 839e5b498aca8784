"""Tokens of one content block or tool definition, from its raw JSON.

Anthropic does not publish how blocks are laid out for the model; the constants marked *assumed* are held generous in `upper`
and are corrected per model by `memory.TokenMemory` from the usage of answered calls.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from thriftgate.core.tokens.images import ImageTier, image_size, image_tokens, image_tokens_max
from thriftgate.core.tokens.text import NOTHING, Estimate, Family, estimate_text

BlockKind = Literal[
    "text", "image", "document", "tool", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result"
]
"""Kinds with a rule of their own; any other string is taken as an unknown block and counted whole, as text."""

Measure = Callable[[bytes | Raw], Estimate]
"""Tokens of a JSON value: of what a string spells, of anything else its JSON text."""

QUOTE, BRACKET = ord('"'), ord("[")

# Frame of a request and of each message: 7 tokens for one user message up to 4.6, 6 from 4.8 on (ctok 1.3, 2026-09, measured
# against count_tokens). How they split over more messages is assumed.
_REQUEST_TOKENS: dict[Family, int] = {"claude3": 3, "claude47": 2}
_MESSAGE_TOKENS = 4
_REQUEST_TOKENS_SLACK = 4
_MESSAGE_TOKENS_SLACK = 4

# Built-in client tools by type prefix, for (claude3, claude47): platform.claude.com/docs/en/about-claude/pricing, 2026-08.
_BUILT_IN_TOOLS: tuple[tuple[str, int, int], ...] = (
    ("bash_", 244, 325),
    ("text_editor_", 745, 974),
    ("computer_toolset_", 4_590, 4_590),
    ("browser_toolset_", 6_610, 6_610),
    ("computer_", 735, 735),
)
_SERVER_TOOL = Estimate(1_000, 4_000)  # web search and the like: size unpublished, assumed
_TOOL_FRAME = Estimate(2, 8)  # 2.2 tokens a tool in a recorded 18-tool request (montevive/autocache test data, 2024-10)
_CALL_FRAME = Estimate(30, 60)  # assumed: tool_use and tool_result
_PART_FRAME = Estimate(4, 12)  # assumed: thinking, documents

# PDF: 1,500–3,000 text tokens a page plus the page as an image, at most 600 pages
# (platform.claude.com/docs/en/build-with-claude/pdf-support, 2026-08). Bytes a page: assumed, 20 kB and at least 2 kB.
_PDF_PAGES_MAX = 600
_PDF_PAGE_TEXT = Estimate(2_000, 3_000)
_PDF_PAGE_BYTES = 20_000
_PDF_PAGE_BYTES_LEAST = 2_000
_REMOTE_PAGES = 10  # a document behind a URL or file id: nothing is known of it here


class _Block(Struct):
    """The members that reach the model, raw. `signature`, `cache_control`, ids and the like do not."""

    type: str = ""
    text: Raw | UnsetType = UNSET
    source: Raw | UnsetType = UNSET
    content: Raw | UnsetType = UNSET
    input: Raw | UnsetType = UNSET
    name: Raw | UnsetType = UNSET
    input_schema: Raw | UnsetType = UNSET
    thinking: Raw | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    title: Raw | UnsetType = UNSET
    context: Raw | UnsetType = UNSET


class _Source(Struct):
    type: str = ""
    data: Raw | UnsetType = UNSET
    content: Raw | UnsetType = UNSET


_BLOCK = msgspec.json.Decoder(_Block)
_SOURCE = msgspec.json.Decoder(_Source)
_BLOCKS = msgspec.json.Decoder(list[_Block])
_ITEMS = msgspec.json.Decoder(list[Raw])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_DEPTH_MAX = 4  # of blocks in blocks: the API takes two; what stands deeper is counted whole, not read again at each level


class _Reader(Struct, frozen=True):
    """What a rule needs to know besides the block: how to measure text, how the model sees, and in how many others the block
    stands."""

    measure: Measure
    family: Family
    tier: ImageTier
    depth: int = 0


def _estimator(family: Family) -> Measure:
    def measure(raw: bytes | Raw) -> Estimate:
        if opens_with(raw, QUOTE):
            return estimate_text(memoryview(raw)[1:-1], family)
        return estimate_text(spaced_json(raw), family)

    return measure


_READERS: dict[tuple[Family, ImageTier | None], _Reader] = {
    ("claude3", None): _Reader(_estimator("claude3"), "claude3", "standard"),
    ("claude3", "standard"): _Reader(_estimator("claude3"), "claude3", "standard"),
    ("claude3", "high"): _Reader(_estimator("claude3"), "claude3", "high"),
    ("claude47", None): _Reader(_estimator("claude47"), "claude47", "high"),
    ("claude47", "standard"): _Reader(_estimator("claude47"), "claude47", "standard"),
    ("claude47", "high"): _Reader(_estimator("claude47"), "claude47", "high"),
}


@lru_cache(1024)
def framing_tokens(family: Family, *, messages: int, tool_prompt_tokens: int = 0) -> Estimate:
    """Tokens that a request holds besides its blocks.

    `tool_prompt_tokens` is the model's tool-use system prompt (`Capabilities.tool_prompt_tokens`, or the forced one) where
    the request has at least one tool, else 0.
    """
    tokens = _REQUEST_TOKENS[family] + tool_prompt_tokens + _MESSAGE_TOKENS * messages
    return Estimate(tokens, tokens + _REQUEST_TOKENS_SLACK + _MESSAGE_TOKENS_SLACK * messages)


def estimate_block(
    kind: str, raw: bytes | Raw, family: Family, tier: ImageTier | None = None, measure: Measure | None = None
) -> Estimate:
    """Tokens of one block. `raw` is its JSON: the object, or a bare string literal where the API takes one for text.

    `kind` is the block's `type`; "tool" for a definition in `tools`; "" to read it from the block. `tier` is how finely the
    model sees images, by default as the models of the family do. `measure` replaces the estimate of text, say by a count.
    Never raises on odd input: what cannot be read is counted as text.
    """
    reader = _READERS[family, tier]
    if measure is not None:
        reader = _Reader(measure, family, reader.tier)
    return _read(kind, raw, reader)


def _read(kind: str, raw: bytes | Raw, reader: _Reader) -> Estimate:
    if opens_with(raw, QUOTE):
        return reader.measure(raw)
    try:
        block = _BLOCK.decode(raw)
    except _UNREADABLE:
        return _whole(raw, reader)
    rule = _RULES.get(kind or block.type, _unknown)
    return rule(block, raw, reader)


def opens_with(raw: bytes | Raw, char: int) -> bool:
    """Whether a JSON value begins with this byte, and so what it is."""
    return len(raw) > 0 and memoryview(raw)[0] == char


def is_null(raw: bytes | Raw) -> bool:
    """Whether a JSON value is null. A `Raw` never equals `bytes`, whatever it holds."""
    return len(raw) == 4 and bytes(raw) == b"null"


def spaced_json(raw: bytes | Raw) -> bytes:
    """JSON on one line, a blank after each comma and colon: how the API lays values out for the model, however they came.

    Found on a recorded request with 18 tools: 0.3 % off with blanks, 12 % short without (montevive/autocache test data,
    claude-3-5-sonnet-20241022). Text that is no JSON is returned as it is.
    """
    data = bytes(raw)
    try:
        return msgspec.json.format(data, indent=0)
    except _UNREADABLE:
        return data


def _whole(raw: bytes | Raw, reader: _Reader) -> Estimate:
    """Counted as if all of its JSON reached the model, with half as much again above."""
    estimate = reader.measure(raw)
    return Estimate(estimate.tokens, estimate.upper + estimate.tokens // 2)


def _member(raw: Raw | UnsetType, reader: _Reader) -> Estimate:
    return NOTHING if raw is UNSET or is_null(raw) else reader.measure(raw)


def _content(raw: Raw | UnsetType, reader: _Reader) -> Estimate:
    """`content` of a tool result or document: a string or a list of blocks."""
    if raw is UNSET or not opens_with(raw, BRACKET):
        return _member(raw, reader)
    if reader.depth >= _DEPTH_MAX:
        return _whole(raw, reader)
    total = NOTHING
    try:
        blocks = _BLOCKS.decode(raw)
    except _UNREADABLE:
        blocks = []
    if blocks and all(block.type == "text" and block.text is not UNSET for block in blocks):  # one scan of the bytes less
        for block in blocks:
            total += _member(block.text, reader)
        return total
    try:
        items = _ITEMS.decode(raw)
    except _UNREADABLE:
        return _whole(raw, reader)
    inner = replace(reader, depth=reader.depth + 1)
    for item in items:
        total += _read("", item, inner)
    return total


def _unknown(_block: _Block, raw: bytes | Raw, reader: _Reader) -> Estimate:
    return _whole(raw, reader)


def _text(block: _Block, raw: bytes | Raw, reader: _Reader) -> Estimate:
    return _whole(raw, reader) if block.text is UNSET else _member(block.text, reader)


def _tool(block: _Block, raw: bytes | Raw, reader: _Reader) -> Estimate:
    if block.input_schema is not UNSET or block.type in ("", "custom"):
        return _TOOL_FRAME + reader.measure(raw)
    for prefix, old, new in _BUILT_IN_TOOLS:
        if block.type.startswith(prefix):
            tokens = old if reader.family == "claude3" else new
            return Estimate(tokens, tokens + tokens // 10)
    return _SERVER_TOOL


def _tool_use(block: _Block, _raw: bytes | Raw, reader: _Reader) -> Estimate:
    return _CALL_FRAME + _member(block.name, reader) + _member(block.input, reader)


def _tool_result(block: _Block, _raw: bytes | Raw, reader: _Reader) -> Estimate:
    return _CALL_FRAME + _content(block.content, reader)


def _thinking(block: _Block, raw: bytes | Raw, reader: _Reader) -> Estimate:
    """Its text; where the text is withheld (`display: "omitted"`), what the length of the signature suggests."""
    if block.thinking is UNSET or len(block.thinking) <= 2:
        return _PART_FRAME + _sealed(len(raw))
    return _PART_FRAME + _member(block.thinking, reader)


def _redacted(block: _Block, _raw: bytes | Raw, _reader: _Reader) -> Estimate:
    return _PART_FRAME + _sealed(0 if block.data is UNSET else len(block.data))


def _sealed(base64_bytes: int) -> Estimate:
    """Encrypted text of this length: about 5 base64 bytes a token, at worst 2 (assumed)."""
    return Estimate(base64_bytes // 5, base64_bytes // 2)


def _image(block: _Block, _raw: bytes | Raw, reader: _Reader) -> Estimate:
    """By pixels where the header tells them; else, and for a URL or file, the most an image can cost."""
    source = _source(block)
    size = None if source.data is UNSET else image_size(memoryview(source.data)[1:-1])
    tokens = image_tokens_max(reader.tier) if size is None else image_tokens(*size, reader.tier)
    return Estimate(tokens, tokens + 4)


def _document(block: _Block, _raw: bytes | Raw, reader: _Reader) -> Estimate:
    """Text and content documents by their text; a PDF by its bytes, since its pages can only be counted by reading it."""
    source = _source(block)
    head = _PART_FRAME + _member(block.title, reader) + _member(block.context, reader)
    if source.type == "text":
        return head + _member(source.data, reader)
    if source.type == "content":
        return head + _content(source.content, reader)
    pages, pages_upper = _REMOTE_PAGES, _PDF_PAGES_MAX
    if source.data is not UNSET:
        size = len(source.data) * 3 // 4
        pages = min(_PDF_PAGES_MAX, 1 + size // _PDF_PAGE_BYTES)
        pages_upper = min(_PDF_PAGES_MAX, 1 + size // _PDF_PAGE_BYTES_LEAST)
    image = image_tokens_max(reader.tier)
    return head + Estimate(pages * (_PDF_PAGE_TEXT.tokens + image), pages_upper * (_PDF_PAGE_TEXT.upper + image))


def _search_result(block: _Block, _raw: bytes | Raw, reader: _Reader) -> Estimate:
    return _CALL_FRAME + _member(block.title, reader) + _member(block.source, reader) + _content(block.content, reader)


def _source(block: _Block) -> _Source:
    try:
        return _Source() if block.source is UNSET else _SOURCE.decode(block.source)
    except _UNREADABLE:
        return _Source()


_RULES: dict[str, Callable[[_Block, bytes | Raw, _Reader], Estimate]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "tool": _tool,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "search_result": _search_result,
}
