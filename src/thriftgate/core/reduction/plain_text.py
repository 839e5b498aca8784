"""`compress.text` (unsafe): whitespace, repeated paragraphs and boilerplate that say nothing, outside code and tables.

What: in this order, outside fenced code, JSON, patches and numbered lines:
    fillers       only with `Recipe.text_fillers`: "please note that", "due to the fact that" -> "because" (`fillers.py`)
    whitespace    CRLF, spaces at line ends, runs of blank lines, characters without width, terminal colours; runs of spaces
                  between words of prose that is not aligned in columns. What a line begins with stays
    boilerplate   licence texts become their name; mail and page footers, cookie banners go (`boilerplate.py` is the table)
    repeats       a paragraph of at least 200 characters that stood earlier in the message becomes '[as above: "First…"]'
Of a shell's output (or a tool without a name) only line ends, colours, and more than two blank lines go.
Why it saves: retrieved passages overlap and repeat their footers; text pulled out of pages and PDFs is full of blanks.
-35 % on overlapping passages with footers, -0.1 % on the transcripts of coding agents.
When it must not: results of tools that read or edit files; where the user asks about licences, footers or cookies, the
boilerplate stays. Two spaces at the end of a line are a line break in Markdown: it is lost.
Example: "First.  \\r\\n\\r\\n\\r\\n\\r\\nSecond   point." -> "First.\\n\\nSecond point."
Source: measured: benchmarks/README.md, "compress", 2026-11; Unicode 17, category Cf (characters without width), 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import groupby

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.adopt import shorter
from thriftgate.core.reduction.boilerplate import ASKED, without_boilerplate
from thriftgate.core.reduction.fillers import without_fillers
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.repeats import Part, without_repeats
from thriftgate.core.reduction.verbatim import asked_about, from_file, from_shell, is_numbered, is_patch, segments

_NO_WIDTH = "\u200b\ufeff\u2060\u00ad"  # not the joiners and direction marks: scripts and emoji need them
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BLANKS = re.compile(r"\n{3,}")
_MANY_BLANKS = re.compile(r"\n{4,}")
_SPACES = re.compile(r"(?<=\S) {2,}(?=\S)")
_NO_PROSE = (" ", "\t", "|")  # indented, or a table
_CODE = re.compile(r"[{}<>\\|`=;\t]|//|^#|^\d+\s|::|\(\)")
_WORDS_LEAST = 6


def rewrite(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
    """The pieces that have got shorter. Never raises."""
    outputs = {at for at, piece in enumerate(pieces) if from_shell(piece)}
    parts = {at: _plain_parts(piece) for at, piece in enumerate(pieces) if _may_change(piece)}
    prose = sorted(parts.keys() - outputs)
    if recipe.text_fillers:
        parts |= {at: _changed(parts[at], without_fillers) for at in prose if pieces[at].kind != "tool_result"}
    parts = {at: _changed(each, squeezed_output if at in outputs else squeezed) for at, each in parts.items()}
    bare = {at: _changed(parts[at], _without_boilerplate) for at in prose}
    if any(bare[at] != parts[at] for at in prose) and not asked_about(_own_words(pieces, bare), ASKED):
        parts |= bare
    parts |= zip(prose, without_repeats([parts[at] for at in prose]), strict=True)
    return shorter(pieces, {at: _joined(each).lstrip("\n").rstrip() for at, each in parts.items()}, capability)


def _may_change(piece: Piece) -> bool:
    text = piece.text
    if piece.kind == "image" or from_file(piece) or is_patch(text) or is_numbered(text):
        return False
    ends = text[:100].lstrip()[:1] + text[-100:].rstrip()[-1:]
    return ends not in ("{}", "[]")  # JSON


def _own_words(pieces: tuple[Piece, ...], parts: Mapping[int, list[Part]]) -> Iterator[str]:
    for at, piece in enumerate(pieces):
        if piece.kind == "user":
            yield _joined(parts[at]) if at in parts else piece.text


def _plain_parts(piece: Piece) -> list[Part]:
    parts = [Part(piece.text[each.start : each.end], each.info is not None) for each in segments(piece.text)]
    return _changed(parts, partial(_plain, coloured=piece.kind == "tool_result"))


def _changed(parts: list[Part], change: Callable[[str], str]) -> list[Part]:
    return [each if each.fenced else Part(change(each.text), False) for each in parts]


def _joined(parts: list[Part]) -> str:
    return "".join([each.text for each in parts])


def _plain(text: str, *, coloured: bool) -> str:
    """Without CRLF, characters without width and, where it may have them, terminal colours."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if not text.isascii():
        for char in _NO_WIDTH:
            if char in text:
                text = text.replace(char, "")
    return _COLOUR.sub("", text) if coloured and "\x1b[" in text else text


def squeezed(text: str) -> str:
    """Prose without needless whitespace."""
    trailing = " \n" in text
    if trailing or "  " in text:
        lines = text.split("\n")
        if trailing:
            lines = _trimmed(lines)
        _single_space(lines)
        text = "\n".join(lines)
    return _BLANKS.sub("\n\n", text) if "\n\n\n" in text else text


def squeezed_output(text: str) -> str:
    """A shell's output: it may be code, so two blank lines and all runs of spaces stay."""
    if " \n" in text:
        text = "\n".join(_trimmed(text.split("\n")))
    return _MANY_BLANKS.sub("\n\n\n", text) if "\n\n\n\n" in text else text


def _trimmed(lines: list[str]) -> list[str]:
    """A tab stays: in a table of tabs it is an empty cell. So does what ends the stretch: a fence may follow."""
    return [*[line.rstrip(" ") for line in lines[:-1]], lines[-1]]


def _single_space(lines: list[str]) -> None:
    """Each stretch of lines that hold runs of spaces is prose as a whole, or stays."""
    spaced = [at for at, line in enumerate(lines) if "  " in line and not line.startswith(_NO_PROSE)]
    for _, stretch in groupby(enumerate(spaced), lambda pair: pair[1] - pair[0]):
        block = [at for _, at in stretch]
        if _is_prose([lines[at] for at in block]):
            for at in block:
                lines[at] = _SPACES.sub(" ", lines[at])


def _is_prose(lines: list[str]) -> bool:
    """Words without code, and no two lines with runs of spaces that end in the same column."""
    columns: set[int] = set()
    for line in lines:
        ends = {run.end() for run in _SPACES.finditer(line)}
        if ends & columns or _CODE.search(line) or len(line.split()) < _WORDS_LEAST:
            return False
        columns = ends
    return True


def _without_boilerplate(text: str) -> str:
    bare = without_boilerplate(text)
    return text if bare is text else squeezed(bare)
