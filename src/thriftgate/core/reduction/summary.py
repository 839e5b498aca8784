"""What is asked of the model that sums up the older part of a conversation, and the conversation as plain text for it.

What must survive: facts, decisions, open tasks, identifiers, and what the user has asked for
(platform.claude.com/docs/en/build-with-claude/compaction, 2026-09: the same list).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from thriftgate.core.blocks import THINKING, lenient
from thriftgate.core.splice import Edit, apply

_ASKED = (
    "Sum up the conversation {place}, so that it can go on from your summary alone. Keep, word for word where it matters: "
    "what the user asked for and any instruction that still holds; facts and figures that were found; decisions and the "
    "reasons for them; what is done, what is open, and the next step; names, paths, ids, numbers, URLs and error texts that "
    "may be needed again. Leave out what led nowhere. Use at most {words} words. Answer with the summary alone{tools}."
)
_WORDS_PER_TOKEN = 0.6
THINKS_TOKENS = 1_000  # room for thinking besides the summary, on models that do not go without


def in_conversation(last: bytes, tokens: int) -> bytes:
    """The last message of a conversation, one of the user, with the request for a summary behind it. What stands before it
    stays as it is, and in the cache."""
    asked = _ASKED.format(place="up to here", words=_words(tokens), tools="; call no tools")
    block = msgspec.json.encode({"type": "text", "text": asked})
    message = msgspec.json.decode(last, type=dict[str, msgspec.Raw])
    content = bytes(message["content"])
    if content.startswith(b'"'):
        content = b'[{"type":"text","text":' + content + b"}]"
    joined = content[:-1] + (b"," if content[1:-1].strip() else b"") + block + b"]"
    return apply(last, [Edit(("content",), joined)])


def by_another(messages: Sequence[bytes], model: str, tokens: int) -> bytes:
    """A request to another model for a summary of these messages."""
    asked = _ASKED.format(place="in <conversation>", words=_words(tokens), tools="")
    text = f"<conversation>\n{transcript(messages)}\n</conversation>\n\n{asked}"
    return msgspec.json.encode(
        {"model": model, "max_tokens": 2 * tokens + THINKS_TOKENS, "messages": [{"role": "user", "content": text}]}
    )


def transcript(messages: Sequence[bytes]) -> str:
    """The messages as plain text: what was said, called and returned. Thinking and pictures are left out."""
    said: list[str] = []
    for raw in messages:
        message = lenient(raw, dict[str, Any])
        if message is None:
            continue
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        texts = [text for block in blocks if isinstance(block, dict) and (text := _text(block))]
        if texts:
            said.append("\n".join((f"[{message.get('role', '')}]", *texts)))
    return "\n\n".join(said)


def _text(block: dict[str, Any]) -> str:
    kind = block.get("type", "")
    if kind in THINKING:
        return ""
    if kind == "tool_use":
        return f"(calls {block.get('name', '')}: {msgspec.json.encode(block.get('input')).decode()})"
    if kind == "tool_result":
        content = block.get("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        return "(result: " + "\n".join(_text(part) for part in parts if isinstance(part, dict)) + ")"
    return str(block.get("text") or "") if kind == "text" else f"({kind})"


def _words(tokens: int) -> int:
    return max(50, int(tokens * _WORDS_PER_TOKEN))
