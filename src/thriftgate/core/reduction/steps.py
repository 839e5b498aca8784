"""Steps that leave out the older part of a conversation: decided once, then repeated byte for byte at every later turn.

A step names what it does by the number of messages that the conversation had. Until the next step the conversation only
grows behind it, so it stays in the cache. Where a model binds thinking to its exact prefix, the thinking of all messages
that were there when the step was taken is left out with it: what is written afterwards is bound to what was really sent
(platform.claude.com/docs/en/build-with-claude/preserved-thinking, 2026-10: removing thinking from the start is safe).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.blocks import THINKING, lenient
from thriftgate.core.splice import Edit, apply

StepKind = Literal["window", "compact", "clear"]
_LEFT_OUT = "[{n} earlier messages of this conversation were left out here to save space.]"
_SUMMARY = (
    "The earlier part of this conversation was left out to save space. This is a summary of it:\n\n"
    "<summary>\n{text}\n</summary>\n\nThe conversation goes on from there."
)
_CLEARED = "[An old tool result of {n} characters was left out here to save space. Run the tool again if it is needed.]"


class Step(Struct, frozen=True):
    """`window` leaves out messages `head` to `keep_from`, `compact` puts `text` in the place of messages 0 to `keep_from`,
    `clear` empties the tool results before `keep_from`. `upto` is how many messages there were when it was taken; with
    `bare` the thinking among them goes."""

    kind: StepKind
    keep_from: int
    upto: int
    head: int = 0
    text: str = ""
    bare: bool = False


class _Message(Struct):
    role: str = ""
    content: Raw = Raw()


class _Kind(Struct):
    type: str = ""
    content: Raw = Raw()


def cut_before(messages: Sequence[bytes], wanted: int) -> int | None:
    """The last place up to `wanted` where a conversation can be cut so that each tool result keeps its call: before a
    message of the assistant, or one of the user that brings no tool results. None where there is none behind the first."""
    for at in range(min(wanted, len(messages) - 1), 0, -1):
        message = lenient(messages[at], _Message)
        if message is None:
            return None
        if message.role == "assistant" or (message.role == "user" and b'"tool_result"' not in bytes(message.content)):
            return at
    return None


def with_step(messages: Sequence[bytes], step: Step) -> list[bytes]:
    """The messages (raw JSON each) as they are sent once the step was taken. What a message of the assistant holds besides
    thinking stays; one that held nothing else goes."""
    kept = [_bare(raw) if step.bare and at < step.upto else raw for at, raw in enumerate(messages)]
    if step.kind == "clear":
        return [raw for raw in (_cleared(one) if at < step.keep_from else one for at, one in enumerate(kept)) if raw]
    tail = [raw for raw in kept[step.keep_from :] if raw]
    if step.kind == "compact":
        return [_user(_SUMMARY.format(text=step.text)), *tail]
    head = [raw for raw in kept[: step.head] if raw]
    return [*head, _user(_LEFT_OUT.format(n=step.keep_from - step.head)), *tail]


def _user(text: str) -> bytes:
    return msgspec.json.encode({"role": "user", "content": text})


def _bare(raw: bytes) -> bytes:
    """A message without its thinking; b"" where nothing else is in it."""
    if b"thinking" not in raw:
        return raw
    message = lenient(raw, _Message)
    if message is None or message.role != "assistant" or not bytes(message.content).startswith(b"["):
        return raw
    blocks = lenient(message.content, list[Raw]) or []
    left = [bytes(block) for block in blocks if (kind := lenient(block, _Kind)) is None or kind.type not in THINKING]
    if len(left) == len(blocks):
        return raw
    return apply(raw, [Edit(("content",), b"[" + b",".join(left) + b"]")]) if left else b""


def _cleared(raw: bytes) -> bytes:
    """A message whose tool results are empty but for a note; short ones stay."""
    if b'"tool_result"' not in raw:
        return raw
    message = lenient(raw, _Message)
    blocks = lenient(message.content, list[_Kind]) if message is not None and message.role == "user" else None
    edits = []
    for at, block in enumerate(blocks or []):
        note = _CLEARED.format(n=len(block.content)) if block.type == "tool_result" else ""
        if note and len(block.content) > 2 * len(note):
            edits.append(Edit(("content", at, "content"), msgspec.json.encode(note)))
    return apply(raw, edits)
