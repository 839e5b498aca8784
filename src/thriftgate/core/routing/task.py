"""What a call is for: the fingerprint of its call site, and what the user asks.

Calls of one place in a program share their system prompt, their tools and the schema of the answer, whatever the user says.
The fingerprint is a digest of these, without what changes from call to call (words with digits in them, months, weekdays);
a program that writes all into the user's message is told by the first words of it. This is the best single predictor of
which model is good enough (measured: benchmarks/routing).
"""

from __future__ import annotations

import re
from hashlib import sha256

import msgspec
from msgspec import Raw

from thriftgate.core.blocks import lenient
from thriftgate.core.memo import Turn
from thriftgate.core.request import Request
from thriftgate.core.routing.features import Surroundings

PREFIX = "fp:"
SYSTEM_CHARS = 2_000  # of the system prompt; what varies by user tends to stand behind
FIRST_WORDS = 5
TEXT_CHARS = 20_000  # of what the user asks; features look at both ends

# Words with a digit, months, weekdays. A word is looked at once, from its beginning; scripts that set no spaces lose the
# digits and no more.
_VARIES = re.compile(
    r"(?<![!-~])[!-~]*\d[!-~]*|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b[,.]?"
    r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december)\b[,.]?",
    re.IGNORECASE,
)


class _Named(msgspec.Struct):
    name: str = ""
    type: str = ""


class _Config(msgspec.Struct):
    format: Raw = Raw(b"null")


class _Piece(msgspec.Struct):
    type: str = ""
    text: str = ""


class _Message(msgspec.Struct):
    role: str = ""
    content: str | list[_Piece] = ""


def fingerprint(request: Request) -> str:
    """`fp:` and twelve hex digits. Equal for all calls of one call site. Never raises: what cannot be read is left out."""
    skeleton = _skeleton(_system_text(request)[: SYSTEM_CHARS * 2])[:SYSTEM_CHARS]
    tools = lenient(request.raw("tools"), list[_Named]) or []
    names = sorted(f"{tool.type}/{tool.name}" for tool in tools)
    schema = schema_of(request)
    if not (skeleton or names or schema):
        skeleton = "user: " + " ".join(_skeleton(_first_words(request)).split()[:FIRST_WORDS])
    parts = (skeleton.encode(), "\n".join(names).encode(), schema)
    return PREFIX + sha256(b"\0".join(parts)).hexdigest()[:12]


def conversation_of(request: Request, key: str) -> bytes:
    """What stays the same over the turns of a conversation: its key, its first message and its system prompt, but for the
    date and time that many of these tell."""
    messages = lenient(request.raw("messages"), list[Raw]) or []
    first = _text_of(bytes(messages[0])) if messages else ""
    return sha256(b"\0".join((key.encode(), _skeleton(system_text(request)).encode(), first.encode()))).digest()


def schema_of(request: Request) -> bytes:
    """The raw schema that the answer must follow; b"" where there is none."""
    if "output_config" in request.members:
        config = lenient(request.raw("output_config"), _Config)
        if config is not None and bytes(config.format) != b"null":
            return bytes(config.format)
    raw = request.raw("output_format")
    return raw if raw != b"null" else b""


def asked_text(turns: tuple[Turn, ...]) -> str:
    """What the user said last: the text of the last message of the user that is more than tool results."""
    for turn in reversed(turns):
        if turn.run.speaks:
            return _text_of(turn.text[turn.lead :])[:TEXT_CHARS]
    return ""


def in_tool_loop(turns: tuple[Turn, ...]) -> bool:
    """Whether the model is waiting for nothing but the results of its own tool calls."""
    return (
        bool(turns) and any(block.part.kind == "tool_result" for block in turns[-1].run.blocks) and not turns[-1].run.speaks
    )


def surroundings(request: Request, turns: tuple[Turn, ...], task: str, prompt_tokens: int) -> Surroundings:
    """What stands around the question. `prompt_tokens` is the length of the whole prompt."""
    tools = lenient(request.raw("tools"), list[Raw]) if "tools" in request.members else None
    return Surroundings(
        task=task,
        turns=sum(turn.run.speaks for turn in turns) or 1,
        tools=len(tools or ()),
        images=sum(turn.run.has_image for turn in turns),
        schema=bool(schema_of(request)),
        prompt_tokens=prompt_tokens,
    )


def system_text(request: Request) -> str:
    """The system prompt as plain text, up to what the fingerprint reads of it."""
    return _system_text(request)[: SYSTEM_CHARS * 2]


def _system_text(request: Request) -> str:
    raw = request.raw("system")
    if not raw or raw == b"null":
        return ""
    if raw[:1] == b'"':
        return lenient(raw, str) or ""
    pieces = lenient(raw, list[_Piece]) or []
    return "\n".join(piece.text for piece in pieces if not piece.text.startswith("x-anthropic-billing-header:"))


def _skeleton(text: str) -> str:
    return " ".join(_VARIES.sub(" ", text).split()).lower()


def _first_words(request: Request) -> str:
    messages = lenient(request.raw("messages"), list[Raw]) or []
    return _text_of(bytes(messages[0]))[:400] if messages else ""


def _text_of(message: bytes) -> str:
    read = lenient(message, _Message)
    if read is None:
        return ""
    if isinstance(read.content, str):
        return read.content
    return "\n".join(piece.text for piece in read.content if piece.type == "text")
