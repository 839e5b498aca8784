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

StepKind = Literal["window", "compact", "clear", "bare"]
_LEFT_OUT = "[{n} earlier messages of this conversation were left out here to save space.]"
_SUMMARY = (
    "The earlier part of this conversation was left out to save space. This is a summary of it:\n\n"
    "<summary>\n{text}\n</summary>\n\nThe conversation goes on from there."
)
_SILENT = b'[{"type":"text","text":"[No answer was given here.]"}]'
_CLEARED = "[An old tool result of {n} characters was left out here to save space. Run the tool again if it is needed.]"
_WORTH_BYTES = 2 * len(_CLEARED)


class Step(Struct, frozen=True):
    """`window` leaves out messages `head` to `keep_from`, `compact` puts `text` in the place of messages 0 to `keep_from`,
    `clear` empties the tool results before `keep_from`, `bare` leaves everything but thinking. `upto` is how many messages
    there were when it was taken; with `bare` the thinking among them goes. What is kept is cleared before message
    `cleared`. A `window` with a `text` keeps that summary in the place of its first message."""

    kind: StepKind
    keep_from: int
    upto: int
    head: int = 0
    text: str = ""
    bare: bool = False
    cleared: int = 0

    @property
    def gone(self) -> int:
        """How many messages fewer are sent than the client has sent."""
        return self.keep_from - self.head - 1 if self.kind in ("window", "compact") else 0


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


def next_step(before: Step | None, kind: StepKind, at: int, sent: int, *, text: str = "", bare: bool = False) -> Step:
    """The step after `before`, told by the messages as they are sent now, `sent` in all: `at` is where they are cut, or up
    to where they are cleared. What was left out before stays left out, and a summary stays until there is another one."""
    gone = before.gone if before is not None else 0
    keep_from, upto, cleared = at + gone, sent + gone, 0
    if before is not None:
        bare = bare or before.bare
        cleared = before.keep_from if before.kind == "clear" else before.cleared
        if before.kind in ("window", "compact"):  # a cut before the note or the summary that stands for the others
            keep_from = max(keep_from, before.keep_from)
    if kind == "clear" and before is not None and before.kind in ("window", "compact"):
        return msgspec.structs.replace(before, upto=upto, bare=bare, cleared=max(keep_from, cleared))
    if kind == "window" and before is not None:
        text = before.text
    return Step(kind, keep_from, upto, 1 if kind == "window" else 0, text, bare, 0 if kind == "clear" else cleared)


def with_step(messages: Sequence[bytes], step: Step) -> list[bytes]:
    """The messages (raw JSON each) as they are sent once the step was taken. What a message of the assistant holds besides
    thinking stays."""
    cleared = step.keep_from if step.kind == "clear" else step.cleared
    kept = [_bare(raw) if step.bare and at < step.upto else raw for at, raw in enumerate(messages)]
    kept = [_cleared(raw) if at < cleared else raw for at, raw in enumerate(kept)]
    if step.kind in ("clear", "bare"):
        return kept
    tail = kept[step.keep_from :]
    head = [_user(_SUMMARY.format(text=step.text))] if step.text else kept[: step.head]
    if step.kind == "compact":
        return [*head, *tail]
    return [*head, _user(_LEFT_OUT.format(n=step.keep_from - step.head)), *tail]


def _user(text: str) -> bytes:
    return msgspec.json.encode({"role": "user", "content": text})


def _bare(raw: bytes) -> bytes:
    """A message without its thinking. One that held nothing else says so: that it stays keeps the numbers of the others."""
    if b"thinking" not in raw:
        return raw
    message = lenient(raw, _Message)
    if message is None or message.role != "assistant" or not bytes(message.content).startswith(b"["):
        return raw
    blocks = lenient(message.content, list[Raw]) or []
    left = [bytes(block) for block in blocks if (kind := lenient(block, _Kind)) is None or kind.type not in THINKING]
    if len(left) == len(blocks):
        return raw
    return apply(raw, [Edit(("content",), b"[" + b",".join(left) + b"]" if left else _SILENT)])


def _cleared(raw: bytes) -> bytes:
    """A message whose tool results are empty but for a note; short ones stay."""
    notes = {at: msgspec.json.encode(_CLEARED.format(n=length)) for at, length in clearable(raw).items()}
    return apply(raw, [Edit(("content", at, "content"), note) for at, note in notes.items()])


def clearable(raw: bytes) -> dict[int, int]:
    """The tool results of a message that are worth emptying, by their place in it, with their length in bytes."""
    if b'"tool_result"' not in raw:
        return {}
    message = lenient(raw, _Message)
    blocks = lenient(message.content, list[_Kind]) if message is not None and message.role == "user" else None
    lengths = {at: len(block.content) for at, block in enumerate(blocks or []) if block.type == "tool_result"}
    return {at: length for at, length in lengths.items() if length > _WORTH_BYTES}
