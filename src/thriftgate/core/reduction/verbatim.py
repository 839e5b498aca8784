"""What must stay as it is: fenced code, files that an agent is going to edit, diffs, numbered lines.

An agent that has read a file edits it by quoting it exactly; a patch is applied byte for byte. So results of tools that read
or edit files are never rewritten, and in fenced code nothing but the data formats that a rewrite knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from thriftgate.core.reduction.pieces import Piece

_BEFORE_FENCE = " \t>-*+.)0123456789"  # a quote or a list item may hold a fence
_BEFORE_CHARS = 64
_FILE_TOOL = re.compile(
    r"(?:^|[_.\-])(?:read|view|open|cat|edit|write|patch|show)[_\-]?(?:multiple[_\-]?)?files?\b"
    r"|^(?:read|view|edit|multiedit|write|cat|notebook_?(?:read|edit)|apply_patch)$"
    r"|str_replace|text_editor|(?:get|fetch)[_\-]?file|file[_\-]?(?:read|view|contents?)|git_?(?:diff|show)",
    re.IGNORECASE,
)
_SHELL_TOOL = re.compile(
    r"(?:^|[_.\-])(?:bash|shell|terminal|exec|execute|command|powershell|cmd|console|grep|python|repl|ssh)"
    r"(?:$|[_.\-])",
    re.IGNORECASE,
)
_DIFF = re.compile(r"^(?:@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@|diff --git |\*\*\* (?:Begin Patch|Update File))", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*\d+[\t:|→][^\n]*\n[ \t]*\d+[\t:|→][^\n]*\n[ \t]*\d+[\t:|→]", re.MULTILINE)
_LOOKED_AT = 2_000  # characters at either end of a user's text: there stands what is asked


class Segment(NamedTuple):
    """A stretch of a text. `info` is None outside fences; else what stands behind the opening fence, in lower case. From
    `start` to `end` whole lines with the fence, from `inner` to `inner_end` without."""

    start: int
    end: int
    info: str | None
    inner: int
    inner_end: int


def segments(text: str) -> list[Segment]:
    """The text in order, split at its fences. What follows a fence that is never closed counts as fenced."""
    if "```" not in text and "~~~" not in text:
        return [Segment(0, len(text), None, 0, len(text))]
    found: list[Segment] = []
    opened: tuple[int, str, str, int] | None = None  # start of the line, marker, info, start of the content
    last = 0
    for line, at, marker in _marks(text):
        until = text.find("\n", at)
        until = len(text) if until < 0 else until
        info = text[at:until].strip()
        if opened is None:
            if "`" not in info:
                found.append(Segment(last, line, None, last, line))
                opened = (line, marker, info.lower(), min(until + 1, len(text)))
        elif not info and marker[0] == opened[1][0] and len(marker) >= len(opened[1]):
            found.append(Segment(opened[0], until, opened[2], opened[3], max(opened[3], line)))
            opened, last = None, until
    if opened is not None:
        found.append(Segment(opened[0], len(text), opened[2], opened[3], len(text)))
    else:
        found.append(Segment(last, len(text), None, last, len(text)))
    return [each for each in found if each.end > each.start]


def _marks(text: str) -> Iterator[tuple[int, int, str]]:
    """Runs of three and more backticks or tildes that a line begins with, but for a quote's or a list's mark: where the line
    begins, where the run ends, the run."""
    tick, tilde = text.find("```"), text.find("~~~")
    while tick >= 0 or tilde >= 0:
        at = min(each for each in (tick, tilde) if each >= 0)
        marker = text[at]
        end = at + 3
        while text.startswith(marker, end):
            end += 1
        before = text[max(0, at - _BEFORE_CHARS) : at].rpartition("\n")[2]
        if not before.strip(_BEFORE_FENCE) and (len(before) < _BEFORE_CHARS or at == _BEFORE_CHARS):
            yield at - len(before), end, text[at:end]
        tick = text.find("```", end) if 0 <= tick < end else tick
        tilde = text.find("~~~", end) if 0 <= tilde < end else tilde


def from_file(piece: Piece) -> bool:
    """Whether it is what a tool that reads or edits files gave back, by the tool's name."""
    return piece.kind == "tool_result" and _FILE_TOOL.search(piece.tool) is not None


def from_shell(piece: Piece) -> bool:
    """Whether it may be output of a shell, which may be code: by the tool's name, or because no name is known."""
    return piece.kind == "tool_result" and (not piece.tool or _SHELL_TOOL.search(piece.tool) is not None)


def is_patch(text: str) -> bool:
    return ("@@ -" in text or "diff --git " in text or "*** " in text) and _DIFF.search(text) is not None


def is_numbered(text: str) -> bool:
    """Whether its lines are numbered, as those of `cat -n` or of an editor's view: looked for at its beginning."""
    return _NUMBERED.search(text, 0, _LOOKED_AT) is not None


def asked_about(texts: Iterable[str], words: re.Pattern[str]) -> bool:
    """Whether a user's own words, at either end of one of the texts, name what a rewrite would change."""
    return any(words.search(text[:_LOOKED_AT]) or words.search(text[-_LOOKED_AT:]) for text in texts)
