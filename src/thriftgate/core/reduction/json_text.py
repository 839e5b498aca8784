"""`compress.json` (unsafe, the mildest): JSON without the whitespace that means nothing.

What: where a text is JSON, or JSON lines, or holds them as a fenced block or as lines of their own, spaces and line ends
between its tokens go. Numbers, escapes, the order of members and repeated names stay byte for byte. With
`Recipe.json_drop_nulls` members that are null go, too: lossy, so only by policy. In a system prompt only fenced blocks.
Why it saves: whitespace is a sixth to a third of the tokens of indented JSON, a twelfth of `json.dumps` as it comes.
When it must not: what a tool that reads or edits files gave back (an edit quotes it exactly); a message that asks for its
layout (formatting, validity, line numbers, the order of keys) or for the JSON back; text that is not JSON to the last byte
(comments, NaN, Python literals).
Example: {\\n  "id": 7,\\n  "tags": [ ]\\n} -> {"id":7,"tags":[]}
Source: RFC 8259, section 2 (insignificant whitespace), 2026-11; measured: benchmarks/README.md, "compress", 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec
from msgspec import Struct

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.adopt import shorter
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.verbatim import asked_about, from_file, segments

_SPACE = " \t\r\n"  # RFC 8259, section 2
_NOT_JSON = (msgspec.MsgspecError, RecursionError, UnicodeEncodeError)
_FENCES = frozenset(("", "json", "jsonl", "ndjson", "json lines"))
_LINE = re.compile(r"^[{\[].*$", re.MULTILINE)
_ENDS = re.compile(r"^[}\]]+[ \t\r]*$", re.MULTILINE)
LAYOUT = re.compile(
    r"\b(?:pretty|(?:re-?)?indent\w*|re-?format\w*|minif\w+|whitespace|beautif\w+|lint\w*|jq|yaml|toml|json[- ]?schemas?"
    r"|format(?:s|ted|ting)?\s+(?:\w+\s+){0,3}json|(?:in)?valid\w*\s+(?:\w+\s+){0,3}json"
    r"|json\s+(?:\w+\s+){0,2}(?:in)?valid\w*|sort\w*\s+(?:\w+\s+){0,4}keys|(?:which|what)\s+lines?|line\s+(?:numbers?|\d+)"
    r"|(?:return|give|send|print|output)\s+(?:\w+\s+){0,2}(?:the|this|that|same|full|whole|complete)\s+(?:\w+ed\s+)?json)\b",
    re.IGNORECASE,
)
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_WITHOUT_NULLS = re.compile(
    rf"(?:(?<=\{{)(?:{_STRING}:null,)*+{_STRING}:null(?=\}})"  # all members
    rf"|(?:,{_STRING}:null)++(?=\}})"  # the last ones
    rf"|(?<=[{{,])(?:{_STRING}:null,)++)"  # others: `[null,"a"]` has no colon
    rf"|({_STRING}|[^\",]++|,)"  # what stays
)


class Found(Struct, frozen=True):
    """JSON within a text, from `start` to `end`, and with its fence from `outer` to `outer_end`. `values` are minified: one,
    or those of JSON lines."""

    start: int
    end: int
    outer: int
    outer_end: int
    values: tuple[bytes, ...]
    lines: bool = False


def rewrite(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
    """The pieces that hold JSON, minified. Never raises; a text with lone surrogates stays."""
    texts: dict[int, str] = {}
    for at, found in found_in(pieces).items():
        parts, last = [], 0
        text = pieces[at].text
        for each in found:
            values = map(without_nulls, each.values) if recipe.json_drop_nulls else each.values
            parts += [text[last : each.start], b"\n".join(values).decode()]
            last = each.end
        texts[at] = "".join([*parts, text[last:]])
    return shorter(pieces, texts, capability)


def found_in(pieces: Sequence[Piece], asks: re.Pattern[str] = LAYOUT) -> dict[int, list[Found]]:
    """The JSON of a message, by the index of its piece: none where what the user says himself `asks` for it as it is."""
    found = {at: list(_find(piece)) for at, piece in enumerate(pieces)}
    found = {at: each for at, each in found.items() if each}
    if found and asked_about(_own_words(pieces, found), asks):
        return {}
    return found


def _own_words(pieces: Sequence[Piece], found: Mapping[int, Sequence[Found]]) -> Iterator[str]:
    """What the user says around the JSON and its fence."""
    for at, piece in enumerate(pieces):
        if piece.kind == "user":
            edges = [0, *(edge for each in found.get(at, ()) for edge in (each.outer, each.outer_end)), len(piece.text)]
            yield from (piece.text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _find(piece: Piece) -> Iterator[Found]:
    text = piece.text
    if piece.kind == "image" or from_file(piece) or ("{" not in text and "[" not in text):
        return
    free = piece.kind != "system"
    whole = _whole(text, 0, len(text), 0, len(text)) if free else None
    if whole is not None:
        yield whole
        return
    for part in segments(text):
        if part.info is not None:
            if part.info in _FENCES and part.inner_end > part.inner:
                fenced = _whole(text, part.inner, part.inner_end, part.start, part.end)
                if fenced is not None:
                    yield fenced
        elif free:
            yield from _blocks(text, part.start, part.end)


def _whole(text: str, start: int, end: int, outer: int, outer_end: int) -> Found | None:
    """All that stands from `start` to `end`, as JSON or as JSON lines."""
    body = text[start:end].strip(_SPACE)
    if not body or body[0] not in "{[" or body[-1] not in "}]":
        return None
    if outer != start:  # the line end before the closing fence stays
        start, end = text.index(body[0], start), start + len(text[start:end].rstrip(_SPACE))
    value = _minified(body)
    if value is not None:
        return Found(start, end, outer, outer_end, (value,))
    values = []
    for line in body.split("\n"):
        stripped = line.strip(_SPACE)
        if stripped:
            value = _minified(stripped) if stripped[0] in "{[" and stripped[-1] in "}]" else None
            if value is None:
                return None
            values.append(value)
    return Found(start, end, outer, outer_end, tuple(values), lines=True)


def _blocks(text: str, start: int, end: int) -> Iterator[Found]:
    """JSON that begins at the start of a line and ends at the end of one. Each line is looked at once, or twice."""
    if text.find("\n{", start, end) < 0 and text.find("\n[", start, end) < 0 and text[start : start + 1] not in ("{", "["):
        return
    openers = [match.span() for match in _LINE.finditer(text, start, end)]
    for (begin, stop), (limit, _) in pairwise([*openers, (end, end)]):
        line = text[begin:stop].rstrip(_SPACE)
        if line[-1] in "}]" and len(line) > 2:
            until = begin + len(line)
        elif line[-1] in "{[,":
            closing = _ENDS.search(text, stop, limit)
            if closing is None:
                continue
            until = begin + len(text[begin : closing.end()].rstrip(_SPACE))
        else:
            continue
        value = _minified(text[begin:until])
        if value is not None:
            yield Found(begin, until, begin, until, (value,))


def _minified(text: str) -> bytes | None:
    try:
        return msgspec.json.format(text.encode(), indent=-1)
    except _NOT_JSON:
        return None


def without_nulls(value: bytes) -> bytes:
    """Minified JSON without the members of objects that are null; nulls in arrays stay. Lossy."""
    if b'":null' not in value:
        return value
    fresh = "".join(_WITHOUT_NULLS.findall(value.decode())).encode()
    return fresh if _minified(fresh.decode()) == fresh else value
