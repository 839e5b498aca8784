"""The words of an evaluation: an item to be answered, and an answer to be judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.quality.rules import Rule


class Item(Struct, frozen=True):
    """One thing to ask. `request` is a Messages body without model and stream; `judge` None where the run's own is meant;
    `human` are people's grades of arms' answers (0 to 1), `recorded` texts that arms have answered already; `place` says
    where it stands in its file."""

    id: str
    request: Mapping[str, Any]
    expected: Any = None
    judge: Rule | None = None
    task: str = ""
    weight: float = 1.0
    cluster: str = ""
    human: Mapping[str, float] = {}
    recorded: Mapping[str, str] = {}
    place: str = ""

    @property
    def question(self) -> str:
        """The text of the last user message."""
        for message in reversed(self.request["messages"]):
            if isinstance(message, dict) and message.get("role") == "user":
                text = text_of(message.get("content"))
                if text:
                    return text
        return ""

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema that the request wants its answer to follow
        (platform.claude.com/docs/en/build-with-claude/structured-outputs, 2026-10)."""
        wanted = self.request.get("output_config")
        form = wanted.get("format") if isinstance(wanted, dict) else self.request.get("output_format")
        schema = form.get("schema") if isinstance(form, dict) else None
        return schema if isinstance(schema, dict) else None


class ToolCall(Struct, frozen=True):
    """A tool that an answer wants to be called."""

    name: str
    input: Any = None


class Answer(Struct, frozen=True):
    """What a model said. `text` is all its text; `calls` the tools it wants; `output_tokens` 0 where unknown."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    stop_reason: str = "end_turn"
    output_tokens: int = 0

    @property
    def shown(self) -> str:
        """The text, or where there is none the tool call, as JSON: what judges read."""
        if self.text or not self.calls:
            return self.text
        return msgspec.json.encode(self.calls[0] if len(self.calls) == 1 else self.calls).decode()


class _Block(Struct):
    type: str = ""
    text: str = ""
    name: str = ""
    input: Any = None


class _Usage(Struct):
    output_tokens: int = 0


class _Message(Struct):
    content: list[_Block]
    stop_reason: str | None = None
    usage: _Usage = msgspec.field(default_factory=_Usage)


_MESSAGE = msgspec.json.Decoder(_Message)


def read_answer(message: bytes | Raw) -> Answer:
    """The answer in the JSON of a message. Raises ValueError for what is none."""
    try:
        read = _MESSAGE.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the provider's answer cannot be read: {error}") from None
    return Answer(
        "".join(block.text for block in read.content if block.type == "text"),
        tuple(ToolCall(block.name, block.input) for block in read.content if block.type == "tool_use"),
        read.stop_reason or "",
        read.usage.output_tokens,
    )


def text_of(content: object) -> str:
    """The text of a message's content: a string, or the text blocks of a list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [block.get("text") for block in content if isinstance(block, dict) and block.get("type") == "text"]
    return "\n".join(text for text in texts if isinstance(text, str))
