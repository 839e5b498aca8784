"""A prompt as a tree of sections, coarse to fine: headings, XML-like tags, paragraphs and lists, list items, sentences.

Sections are spans of the text, so that what is left of a prompt is its own characters. Fenced code and tables are not split.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

_HEADING = re.compile(r"(#{1,6})\s+\S")
_FENCE = re.compile(r"\s*(```+|~~~+)")
_OPEN = re.compile(r"\s*<([A-Za-z][\w.:-]*)(?:\s[^<>]*)?>\s*$")
_ITEM = re.compile(r"(\s*)(?:[-*+•]|\d{1,3}[.)])[ \t]+(?=\S)")
_STOP = re.compile(r"[.!?]+[\"'”’)\]*_]*(?:[ \t]+(?=[^\sa-z])|[ \t\r]*\n\s*)|[。！？]\s*|[;:][ \t\r]*\n\s*")
_SHORT = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|no|nos|Mr|Mrs|Ms|Dr|St)|\b[A-Z])\.\s*$")
_TAG = re.compile(r"<(/?)[A-Za-z][\w.:-]*(?:\s[^<>]*)?(?<!/)>")
_OUTER = "outer item"
_SHOWN = 72


class Section(NamedTuple):
    """A part of a prompt that can be left out, from `start` to `end` (characters). What belongs to none of its children,
    such as a heading, stays as long as one of them does; what an `outer item` says before its inner ones may stay alone."""

    start: int
    end: int
    kind: str
    children: tuple[Section, ...] = ()


class _Line(NamedTuple):
    start: int
    end: int
    text: str

    @property
    def blank(self) -> bool:
        return not self.text.strip()


def sections_of(text: str) -> tuple[Section, ...]:
    """The coarsest sections of a prompt, in their order; () of one that is blank."""
    lines, at = [], 0
    for line in text.splitlines(keepends=True):
        lines.append(_Line(at, at + len(line), line))
        at += len(line)
    return _Reader(text, lines).blocks(0, len(lines))


def parts_of(section: Section) -> tuple[Section, ...]:
    """What a section falls into: never a single part, which would be the section again."""
    found = section.children
    while len(found) == 1 and section.kind != _OUTER:
        section = found[0]
        found = section.children
    return found


def leaves_of(sections: Sequence[Section], removed: Collection[Section] = ()) -> Iterator[Section]:
    """The finest sections of what is left."""
    for one in sections:
        if is_gone(one, removed):
            continue
        if parts_of(one):
            yield from leaves_of(parts_of(one), removed)
        else:
            yield one


def is_gone(section: Section, removed: Collection[Section]) -> bool:
    """Whether nothing of it is left: it was removed, or each of its children was."""
    if section in removed:
        return True
    return bool(section.children) and section.kind != _OUTER and all(is_gone(one, removed) for one in section.children)


def without(text: str, sections: Sequence[Section], removed: Collection[Section]) -> str:
    """The prompt without some of its sections; "" where nothing is left."""
    if not removed:
        return text
    kept: list[str] = []
    _write(text, Section(0, len(text), "prompt", tuple(sections)), removed, kept)
    found = "".join(kept)
    tail = text[len(text.rstrip()) :]
    return found.rstrip() + tail if found.strip() else ""


def shown(text: str, section: Section) -> str:
    """A section in a few words."""
    words = " ".join(text[section.start : section.end].split())
    return words if len(words) <= _SHOWN else words[: _SHOWN - 1].rstrip() + "…"


def _write(text: str, section: Section, removed: Collection[Section], kept: list[str]) -> None:
    at = section.start
    for one in section.children:
        kept.append(text[at : one.start])
        at = one.end
        if not is_gone(one, removed):
            _write(text, one, removed, kept)
        elif one.kind == "sentence" and not text[at : at + 1].strip():
            _strip_end(kept)  # it was the last of its paragraph
    kept.append(text[at : section.end])


def _strip_end(kept: list[str]) -> None:
    while kept and not kept[-1].strip():
        kept.pop()
    if kept:
        kept[-1] = kept[-1].rstrip()


class _Reader:
    def __init__(self, text: str, lines: Sequence[_Line]) -> None:
        self._text = text
        self._lines = lines

    def blocks(self, low: int, high: int) -> tuple[Section, ...]:
        """The sections of lines `low` to `high`, those under a heading within it."""
        starts = [at for at, _ in self._elements(low, high)]
        found = [section for _, section in self._elements(low, high)]
        if not found:
            return ()
        edges = [self._lines[at].start for at in starts[1:]] + [self._lines[high - 1].end]
        found = [one._replace(end=edge) for one, edge in zip(found, edges, strict=True)]  # with the blank lines behind it
        return _nested(_introduced(self._text, found))

    def _elements(self, low: int, high: int) -> Iterator[tuple[int, Section]]:
        at = low
        while at < high:
            if self._lines[at].blank:
                at += 1
                continue
            end, kind = self._extent(at, high)
            yield at, self._section(at, end, kind)
            at = end

    def _extent(self, at: int, high: int) -> tuple[int, str]:
        """Where the element that begins in a line ends, and what it is."""
        line = self._lines[at].text
        if heading := _HEADING.match(line):
            return at + 1, f"heading {len(heading[1])}"
        if fence := _FENCE.match(line):
            return self._closing(at + 1, high, rf"\s*{re.escape(fence[1])}\s*$") or high, "code"
        if (tag := _OPEN.match(line)) and (end := self._closed(tag[1], at, high)):
            return end, "tag"
        if _ITEM.match(line):
            return self._list_end(at, high), "list"
        end = at + 1
        while end < high and not self._lines[end].blank and not self._begins(end):
            end += 1
        return end, "table" if line.lstrip().startswith("|") else "paragraph"

    def _begins(self, at: int) -> bool:
        line = self._lines[at].text
        return any(one.match(line) for one in (_HEADING, _FENCE, _OPEN, _ITEM))

    def _closing(self, at: int, high: int, pattern: str) -> int:
        found = next((here for here in range(at, high) if re.match(pattern, self._lines[here].text)), None)
        return found + 1 if found is not None else 0

    def _closed(self, name: str, at: int, high: int) -> int:
        """The line behind the closing tag; 0 where there is none."""
        depth = 0
        for here in range(at, high):
            text = self._lines[here].text.strip()
            opened = _OPEN.match(text)
            depth += (opened is not None and opened[1] == name) - (text == f"</{name}>")
            if depth == 0:
                return here + 1
        return 0

    def _list_end(self, at: int, high: int) -> int:
        end = at + 1
        while end < high:
            line = self._lines[end].text
            if (
                line.strip()
                and not line[0].isspace()
                and not _ITEM.match(line)
                and (self._lines[end - 1].blank or self._begins(end))
            ):
                break
            end += 1
        while self._lines[end - 1].blank:
            end -= 1
        return end

    def _section(self, at: int, end: int, kind: str) -> Section:
        start, stop = self._lines[at].start, self._lines[end - 1].end
        children: tuple[Section, ...] = ()
        if kind == "tag":
            children = self.blocks(at + 1, end - 1)
        elif kind == "list":
            children = self._items(at, end)
        elif kind == "paragraph":
            children = self._sentences(start, stop)
        return Section(start, stop, kind, children)

    def _items(self, at: int, end: int) -> tuple[Section, ...]:
        """The items of a list, those that are set further in within the one before."""
        marks = [
            (here, len(found[1].expandtabs())) for here in range(at, end) if (found := _ITEM.match(self._lines[here].text))
        ]
        least = min(indent for _, indent in marks)
        tops = [here for here, indent in marks if indent <= least + 1]
        items = []
        for first, behind in pairwise([*tops, end]):
            start, stop = self._lines[first].start, self._lines[behind - 1].end
            inner = next((here for here, _ in marks if first < here < behind), None)
            if inner is not None:
                items.append(Section(start, stop, _OUTER, self._items(inner, behind)))
            else:
                mark = _ITEM.match(self._lines[first].text)
                children = self._sentences(start + (mark.end() if mark else 0), stop)
                items.append(Section(start, stop, "item", children))
        return tuple(items)

    def _sentences(self, start: int, stop: int) -> tuple[Section, ...]:
        """The sentences of a span; () where it is one. None ends within a quotation, a bracket or a tag."""
        end = start + len(self._text[start:stop].rstrip())
        ends, at = [], start
        for found in _STOP.finditer(self._text, start, end):
            said = self._text[at : found.end()]
            if _balanced(said) and not _SHORT.search(said):
                ends.append(found.end())
                at = found.end()
        edges = [start, *(one for one in ends if one < end), end]
        return tuple(Section(a, b, "sentence") for a, b in pairwise(edges)) if len(edges) > 2 else ()


def _balanced(said: str) -> bool:
    tags = [found[1] for found in _TAG.finditer(said)]
    evenly = all(said.count(mark) % 2 == 0 for mark in ('"', "`", "**"))
    paired = all(said.count(left) == said.count(right) for left, right in ("()", "[]", "{}", "“”"))
    return evenly and paired and tags.count("") == tags.count("/")


def _introduced(text: str, found: Sequence[Section]) -> list[Section]:
    """A list, tag, table or code behind a paragraph that ends with a colon is one section with it."""
    joined: list[Section] = []
    for one in found:
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.kind == "paragraph"
            and one.kind in ("list", "tag", "table", "code")
            and _leads(text, last)
        ):
            children = one.children if one.kind in ("list", "tag") else (one,)
            joined[-1] = Section(last.start, one.end, one.kind, children)
        else:
            joined.append(one)
    return joined


def _leads(text: str, paragraph: Section) -> bool:
    return not paragraph.children and text[paragraph.start : paragraph.end].rstrip().endswith(":")


def _nested(found: Sequence[Section]) -> tuple[Section, ...]:
    """What stands behind a heading, up to the next one as high, within it."""
    sections: list[Section] = []
    at = 0
    while at < len(found):
        one, end = found[at], at + 1
        if one.kind.startswith("heading"):
            while end < len(found) and not (found[end].kind.startswith("heading") and found[end].kind <= one.kind):
                end += 1
            one = one._replace(end=found[end - 1].end, children=_nested(found[at + 1 : end]))
        sections.append(one)
        at = end
    return tuple(sections)
