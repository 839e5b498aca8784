"""Paragraphs that stand in one message twice: the later ones become short references to the first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

CHARS_LEAST = 200
REFERENCE = '[as above: "{}…"]'
_QUOTED_CHARS = 48
_WORDS_LEAST = 20
_PROSE_LEAST = 0.75  # letters and spaces
_BREAK = re.compile(r"(\n[ \t]*\n\s*)")
_NO_PROSE = re.compile(r"^[ \t]*[{\[<|]|^(?: {2,}|\t)\S", re.MULTILINE)
_PLAIN = re.compile(r"[^\W\d_]+| +")


class Part(NamedTuple):
    """A stretch of a text, within a fence or not."""

    text: str
    fenced: bool


def without_repeats(texts: Sequence[list[Part]]) -> list[list[Part]]:
    """The texts of a message, in their order, each in parts. A paragraph of prose of at least 200 characters that has stood
    before, letter by letter, in the same text or an earlier one, gives way to its first words. Where these would fit another
    paragraph of the message, too, it stays. Fenced code is left alone, as is whatever does not read like prose."""
    if sum(len(part.text) for parts in texts for part in parts) < 2 * CHARS_LEAST:
        return list(texts)
    split = [[_BREAK.split(part.text) if not part.fenced else [] for part in parts] for parts in texts]
    times = Counter(each.strip() for parts in split for pieces in parts for each in pieces if len(each) >= CHARS_LEAST)
    again = {each for each, count in times.items() if count > 1 and len(each) >= CHARS_LEAST and _is_prose(each)}
    if not again:
        return list(texts)
    begins = Counter(paragraph[:_QUOTED_CHARS] for paragraph in times)
    notes = {
        each: REFERENCE.format(each[:_QUOTED_CHARS].rsplit(None, 1)[0])
        for each in again
        if begins[each[:_QUOTED_CHARS]] == 1
    }
    seen: set[str] = set()
    return [
        [
            part if part.fenced else Part("".join(_noted(pieces, notes, seen)), False)
            for part, pieces in zip(parts, cut, strict=True)
        ]
        for parts, cut in zip(texts, split, strict=True)
    ]


def _noted(pieces: Iterable[str], notes: dict[str, str], seen: set[str]) -> Iterable[str]:
    for piece in pieces:
        paragraph = piece.strip() if len(piece) >= CHARS_LEAST else ""
        if paragraph in seen:
            yield piece.replace(paragraph, notes[paragraph])
        else:
            if paragraph in notes:
                seen.add(paragraph)
            yield piece


def _is_prose(text: str) -> bool:
    plain = sum(map(len, _PLAIN.findall(text)))
    return plain >= _PROSE_LEAST * len(text) and len(text.split()) >= _WORDS_LEAST and not _NO_PROSE.search(text)
