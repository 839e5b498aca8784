"""A document as sections of about 100 to 400 tokens: what `context.select` keeps or leaves out.

Sections end at headings and between paragraphs, never inside a table, a list item or a code fence, and together are the text
without a byte less. Markdown is understood, and plain text with blank lines between its paragraphs; a paragraph of more than
400 tokens is divided between its sentences. What leads to the next ("as follows:") stays with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

SECTION_TOKENS_LEAST, _WANTED, _MOST = 100, 250, 400
_HEADED_LEAST = 40  # a shorter section goes on through the next heading

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(\S.*)|\s*<h[1-6]\b[^>]*>(.*?)</h[1-6]>")
_CLOSES_HEADING = " \t#"
_UNDERLINE = re.compile(r" {0,3}(?:={3,}|-{3,})\s*$")
_RULE = re.compile(r" {0,3}(?:-{3,}|\*{3,}|_{3,}|={3,})\s*$")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)]|\(?[a-z]\))\s+\S")
_TABLE = re.compile(r"\s*\|")
_INDENTED = re.compile(r"(?: {2,}|\t)\s*\S")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+(?=[\"'(\[]?[A-ZÀ-ÞΑ-ΩА-Я0-9])|(?<=[。！？])|\n")
_MARKUP = re.compile(r"<[^<>]+>|[*_`]")
_HEADING_CHARS_MAX = 80

_Kind = Literal["text", "heading", "rule", "item", "table", "fence"]
_Count = Callable[[str], int]


class Section(NamedTuple):
    """`text[start:end]`; `headings` are those that stand in it, and `under` the one that stands before it."""

    start: int
    end: int
    tokens: int
    headings: tuple[str, ...]
    under: str


class _Block(NamedTuple):
    kind: _Kind
    start: int
    end: int
    heading: str = ""


def split_sections(text: str, count: _Count) -> list[Section]:
    """The sections of a text, in order, from its first character to its last. `count` tells the tokens of a text."""
    sections: list[Section] = []
    open_blocks: list[_Block] = []
    under, tokens, bare = "", 0, True

    def close() -> None:
        nonlocal under, tokens, bare
        if open_blocks:
            headings = tuple(block.heading for block in open_blocks if block.heading)
            sections.append(Section(open_blocks[0].start, open_blocks[-1].end, tokens, headings, under))
            under = headings[-1] if headings else under
            open_blocks.clear()
            tokens, bare = 0, True

    for block in _divided(text, count):
        more = count(text[block.start : block.end])
        if not bare and _ends_before(block, more, open_blocks[-1], tokens, text):
            close()
        open_blocks.append(block)
        tokens += more
        bare = bare and block.kind == "heading"  # nothing but headings so far: they go with what follows
        if block.kind == "rule":
            close()
    close()
    return sections


def _ends_before(block: _Block, more: int, last: _Block, tokens: int, text: str) -> bool:
    """Whether the section of so many tokens, whose last block is `last`, ends where `block` begins."""
    if block.kind == "rule":
        return False
    if block.kind == "heading":
        return tokens >= _HEADED_LEAST
    if text[last.start : last.end].rstrip().endswith(":") and tokens <= _MOST:
        return False
    return tokens + more > _MOST or (tokens >= SECTION_TOKENS_LEAST and tokens + more > _WANTED)


def _divided(text: str, count: _Count) -> Iterator[_Block]:
    """The blocks, long paragraphs of plain text between their sentences."""
    for block in _blocks(text):
        body = text[block.start : block.end]
        if block.kind != "text" or len(body) <= _MOST or count(body) <= _MOST:
            yield block
            continue
        start = block.start
        for match in _SENTENCE_END.finditer(text, block.start, block.end):
            if match.end() < block.end and count(text[start : match.end()]) >= SECTION_TOKENS_LEAST:
                yield _Block("text", start, match.end())
                start = match.end()
        yield _Block("text", start, block.end)


def _blocks(text: str) -> Iterator[_Block]:
    """Headings, rules, paragraphs, list items, tables and fences; blank lines belong to what stands before them."""
    kind: _Kind | Literal[""] = ""
    start = position = 0
    heading, fence, blank = "", "", False
    lines = text.splitlines(keepends=True) if "\r" in text else text.split("\n")
    crlf = "\r" in text
    for number, bare in enumerate(lines):
        line = bare if crlf or number == len(lines) - 1 else bare + "\n"
        here, position = position, position + len(line)
        if fence:
            closing = _FENCE.match(line)
            fence = "" if closing and closing[1].startswith(fence) and not line.strip().strip(fence[0]) else fence
            continue
        if not line.strip():
            blank = True
            continue
        fresh, told = _kind(line, lines[number + 1] if number + 1 < len(lines) else "", kind, blank=blank)
        if fresh:
            if kind:
                yield _Block(kind, start, here, heading)
                start = here
            kind, heading = fresh, told
        blank = False
        if fresh == "fence":
            opening = _FENCE.match(line)
            fence = opening[1] if opening else ""
    if position > start:
        yield _Block(kind or "text", start, position, heading)


def _kind(line: str, after: str, current: str, *, blank: bool) -> tuple[_Kind | Literal[""], str]:
    """The kind of block that begins with this line, "" where it goes on with the current one; and its heading."""
    match = _HEADING.match(line.rstrip())
    kind: _Kind = "text"
    heading = ""
    goes_on = not blank and current == "text"
    if match:
        kind, heading, goes_on = "heading", _plain(_unclosed(match[1]) if match[1] else match[2]), False
    elif _RULE.match(line):
        kind, goes_on = "rule", not blank and current == "heading"  # the underline of one
    elif _FENCE.match(line):
        kind, goes_on = "fence", False
    elif (blank or current in ("", "rule")) and len(line) <= _HEADING_CHARS_MAX and _UNDERLINE.match(after):
        kind, heading, goes_on = "heading", _plain(line), False
    elif _ITEM.match(line):
        kind, goes_on = "item", current == "item" and bool(_INDENTED.match(line))
    elif _TABLE.match(line):
        kind, goes_on = "table", current == "table" and not blank
    elif current == "item":
        goes_on = not blank or bool(_INDENTED.match(line))
    return ("", "") if goes_on else (kind, heading)


def _unclosed(heading: str) -> str:
    """Without the marks that may close a heading; it is more than these."""
    return heading[0] + heading[1:].rstrip(_CLOSES_HEADING)


def _plain(heading: str) -> str:
    return _MARKUP.sub("", heading).strip()[:_HEADING_CHARS_MAX]
