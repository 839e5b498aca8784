"""The texts of a request, by message: what a rewrite is given, and where what it gives back goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.blocks import lenient
from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.splice import Path

Kind = Literal["system", "user", "tool_result", "document", "image"]


class Piece(Struct, frozen=True):
    """One text of a message. `tool` is the name of the tool whose result it is, where that is known. Of an image `text` is
    the raw JSON of its `source`. What an assistant has said is never among them."""

    kind: Kind
    text: str
    tool: str = ""


Rewrite = Callable[[tuple[Piece, ...], Recipe, Capabilities], Mapping[int, str]]
"""From the pieces of one message to new texts, by their index; what is not named stays. Pure; must give the same for the
same message for ever, since later turns of the conversation repeat it. May raise: then it is passed over."""


class Place(NamedTuple):
    """A piece, and where it stands in the message (or in the system prompt) that it was read from."""

    piece: Piece
    path: Path

    def value(self, text: str) -> bytes:
        """The raw JSON that puts `text` there."""
        return text.encode() if self.piece.kind == "image" else msgspec.json.encode(text)


class _Message(Struct):
    role: str = ""
    content: Raw = Raw()


class _Citations(Struct):
    enabled: bool = False


class _Block(Struct):
    type: str = ""
    text: Raw = Raw()
    content: Raw = Raw()
    source: Raw = Raw()
    citations: Raw = Raw()
    tool_use_id: str = ""
    id: str = ""
    name: str = ""


class _Source(Struct):
    type: str = ""
    data: Raw = Raw()
    content: Raw = Raw()


def system_places(raw: bytes) -> list[Place]:
    """The texts of a `system` member; none where Claude Code's attribution block stands in it, which must stay as it is."""
    if not raw or b"x-anthropic-billing-header:" in raw[:200]:
        return []
    return [Place(Piece("system", text), path) for text, path in _texts(Raw(raw), ())]


def message_places(raw: bytes | Raw, tools: Mapping[str, str]) -> list[Place]:
    """The texts and images that a message of the user brings in; `tools` are the names of tools by the id of their call.
    What is cited, or may be, is left out: an index may refer to it."""
    message = lenient(raw, _Message)
    if message is None or message.role != "user":
        return []
    if bytes(message.content).startswith(b'"'):
        return [Place(Piece("user", text), path) for text, path in _texts(message.content, ("content",))]
    places: list[Place] = []
    for at, block in enumerate(lenient(message.content, list[_Block]) or []):
        places += _places_of(block, ("content", at), tools)
    return places


def tool_names(raw: bytes | Raw) -> dict[str, str]:
    """The tools that a message of the assistant calls, by the id of the call."""
    if b'"tool_use"' not in bytes(raw):
        return {}
    message = lenient(raw, _Message)
    blocks = lenient(message.content, list[_Block]) if message is not None and message.role == "assistant" else None
    return {block.id: block.name for block in blocks or [] if block.type == "tool_use" and block.id}


def _places_of(block: _Block, path: Path, tools: Mapping[str, str]) -> Iterator[Place]:
    match block.type:
        case "text":
            for text, at in _texts(block.text, (*path, "text")):
                yield Place(Piece("user", text), at)
        case "tool_result":
            tool = tools.get(block.tool_use_id, "")
            for text, at in _texts(block.content, (*path, "content")):
                yield Place(Piece("tool_result", text, tool), at)
            yield from _images(block.content, (*path, "content"), tool)
        case "document" | "search_result" if not _cites(block.citations):
            for text, at in _document(block, path):
                yield Place(Piece("document", text), at)
        case "image" if bytes(block.source):
            yield Place(Piece("image", bytes(block.source).decode()), (*path, "source"))


def _document(block: _Block, path: Path) -> Iterator[tuple[str, Path]]:
    """What a document, or a search result, says."""
    if block.type == "search_result":
        yield from _texts(block.content, (*path, "content"))
        return
    source = lenient(block.source, _Source) if bytes(block.source) else None
    if source is not None and source.type == "text":
        yield from _texts(source.data, (*path, "source", "data"))
    elif source is not None and source.type == "content":
        yield from _texts(source.content, (*path, "source", "content"))


def _texts(raw: Raw, path: Path) -> Iterator[tuple[str, Path]]:
    """A string, or the text blocks of a list."""
    data = bytes(raw)
    if data.startswith(b'"'):
        text = lenient(raw, str)
        if text:
            yield text, path
    elif data.startswith(b"["):
        for at, block in enumerate(lenient(raw, list[_Block]) or []):
            if block.type == "text":
                text = lenient(block.text, str) if bytes(block.text) else None
                if text:
                    yield text, (*path, at, "text")


def _images(raw: Raw, path: Path, tool: str) -> Iterator[Place]:
    if b'"image"' in bytes(raw):
        for at, block in enumerate(lenient(raw, list[_Block]) or []):
            if block.type == "image" and bytes(block.source):
                yield Place(Piece("image", bytes(block.source).decode(), tool), (*path, at, "source"))


def _cites(raw: Raw) -> bool:
    citations = lenient(raw, _Citations) if bytes(raw) not in (b"", b"null") else None
    return citations is not None and citations.enabled
