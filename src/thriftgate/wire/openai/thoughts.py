"""The extension that keeps thinking: an answer's blocks as OpenAI's clients can hold them, and back.

Signed thinking must come back as it was, on newer models behind the very prefix that it was made from
(platform.claude.com/docs/en/build-with-claude/preserved-thinking, 2026-10), and OpenAI's messages have no place for it. So
an answer that holds any carries its `thinking_blocks`: the thinking alone where it stands before one text and the calls of
tools, else every block in order. A client that sends messages back as they came keeps them; without them the conversation
holds no thinking at all, which is allowed as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from thriftgate.core.blocks import THINKING
from thriftgate.core.splice import Edit, apply
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.parts import Block

FIELD = "messages[].thinking_blocks"
_ORDER = {**dict.fromkeys(THINKING, 0), "text": 1, "tool_use": 2}
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Head(msgspec.Struct):
    """What is looked at of a block."""

    type: str = ""
    text: str | None = None
    id: str | None = None
    signature: str | None = None
    data: str | None = None
    citations: list[Raw] | None = None


def kept(kinds: Sequence[str], cites: bool) -> list[int]:
    """Which blocks of an answer, by their kinds, `thinking_blocks` must hold; `cites`: a text has citations."""
    plain = all(kind in _ORDER for kind in kinds) and not cites and kinds.count("text") <= 1
    if plain and sorted(kinds, key=_ORDER.__getitem__) == list(kinds):
        return [at for at, kind in enumerate(kinds) if kind in THINKING]
    return list(range(len(kinds)))


def restored(told: Sequence[Raw], blocks: Sequence[Block], report: Report) -> list[Any]:
    """The blocks of the assistant's turn: `blocks` are those of its text and its calls, `told` what it was told with."""
    try:
        heads = [msgspec.json.decode(one, type=Head) for one in told]
        raws = [Raw(_without_index(bytes(one))) for one in told]
    except _UNREADABLE:
        report.lose(FIELD, "cannot be read")
        return list(blocks)
    if any(head.type in THINKING and not (head.signature or head.data) for head in heads):
        report.lose(FIELD, "without their signature")
        return list(blocks)
    if all(head.type in THINKING for head in heads):
        return [*raws, *blocks]
    if _spoken((head.type, head.text, head.id) for head in heads) != _spoken(
        (block["type"], block.get("text"), block.get("id")) for block in blocks
    ):
        report.lose(FIELD, "the message says something else")
        return list(blocks)
    return [raw for raw, head in zip(raws, heads, strict=True) if head.type != "text" or (head.text or "").strip()]


def _spoken(blocks: Any) -> tuple[str, list[str]]:
    """All of the text, and the calls by their ids."""
    listed = list(blocks)
    text = "".join(text or "" for kind, text, _ in listed if kind == "text")
    return text.strip(), [id_ or "" for kind, _, id_ in listed if kind == "tool_use"]


def _without_index(raw: bytes) -> bytes:
    """Streams number the blocks, and clients keep the numbers."""
    fields: Mapping[str, Raw] = msgspec.json.decode(raw, type=dict[str, Raw])
    return apply(raw, [Edit(("index",), None)]) if "index" in fields else raw
