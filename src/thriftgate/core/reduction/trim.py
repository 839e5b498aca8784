"""`context.trim_tools`, its first half (unsafe): a tool result that is too long loses its middle before it is first sent.

What: a result of more than `Recipe.tools[its tool]`, else `Recipe.tool_result_tokens`, keeps its beginning (60 %) and its
end (40 %) in whole lines, and from between the first lines that look like failures, up to an eighth of what may stay, but
the first of them always. Each gap becomes a note: "[… 1,234 lines left out …]". Only a line of more than an eighth of what
may stay is cut by characters, one that looks like a failure of more than 400.
JSON stays JSON: an array keeps its first and last items around a note string; of an object the longest member is cut so. A
limit of 0 or less leaves the tool's results whole.
Why it saves: a listing, a log or a page of 50,000 tokens is paid for in this turn and read again in each later one.
When it must not: a result that a model already thought about, on models that bind thinking to their prefix: the recipe of
a conversation is fixed at its first call, so that a result is cut in the turn that brings it or never. A tool whose results
are needed whole (a diff to apply, base64) should be named in `Recipe.tools` with 0.
Example: 5,000 lines of a build log with one "error:" at line 3,000 -> lines 1 to 300, the note, line 3,000, the note, the
last 200 lines.
Source: platform.claude.com/docs/en/build-with-claude/preserved-thinking (shortening a result that was sent is unsafe),
2026-10; …/optimizing-for-cost-and-intelligence (input trimming with caching on: -21 to -26 %), 2026-10.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec
from msgspec import Raw

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.tokens import estimate_text

_HEAD, _FAILURES = 0.6, 0.125  # shares of what may stay
_HUGE_LINE = 1 / 8  # of what may stay
_FAILURE_CHARS_MAX = 400
_LEAST_SAVED_TOKENS = 32  # what is hardly too long is not worth a gap
_ROUNDS, _SHRINK = 6, 0.94
_DEPTH_MAX = 4  # of members within members of JSON
_FAILURE = re.compile(
    r"\b(?:[A-Z]\w*)?(?:Error|Exception)\b|\b(?:error|ERROR|FATAL|fatal|FAIL|FAILED|FAILURE|panic|panicked|Traceback)\b"
)
_IN_FAILURES = ("rror", "ERROR", "xception", "FA", "fatal", "panic", "Traceback")  # each match holds one; fast to look for
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_Count = Callable[[str], int]


def rewrite(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
    """New texts of the tool results that are too long, by index. What is cut is within its limit, so doing it again changes
    nothing. A text that cannot be brought within its limit stays as it is."""

    def count(text: str) -> int:
        return estimate_text(text.encode("utf-8", "surrogatepass"), capability.tokenizer).tokens

    limits = dict(recipe.tools)
    done: dict[int, str] = {}
    for at, piece in enumerate(pieces):
        limit = limits.get(piece.tool, recipe.tool_result_tokens)
        if piece.kind == "tool_result" and 0 < limit < 4 * len(piece.text):  # a token is at least a byte
            cut = _within(piece.text, limit, count)
            if cut is not None:
                done[at] = cut
    return done


def _within(text: str, limit: int, count: _Count) -> str | None:
    """The text cut to at most `limit` tokens; None where it is short enough, or cannot be."""
    tokens = count(text)
    if tokens - limit < _LEAST_SAVED_TOKENS:
        return None
    chars = int(len(text) * limit / tokens)
    for _ in range(_ROUNDS):
        cut = _cut(text, chars)
        left = count(cut)
        if left <= limit and tokens - left >= _LEAST_SAVED_TOKENS:
            return cut
        chars = int(chars * min(_SHRINK, _SHRINK * limit / left))
    return None


def _cut(text: str, chars: int) -> str:
    """The text cut to about so many characters."""
    if text.lstrip()[:1] in ("[", "{"):
        cut = _cut_json(text.encode("utf-8", "surrogatepass"), chars, _DEPTH_MAX)
        if cut is not None:
            return cut
    return _cut_text(text, chars)


# --- lines ----------------------------------------------------------------------------------------------------------------


def _cut_text(text: str, chars: int) -> str:
    units = _units(text, max(int(chars * _HUGE_LINE), 1), min(chars, _FAILURE_CHARS_MAX))
    kept = _kept(units, chars)
    parts: list[str] = []
    gap: list[str] = []
    for unit, stays in zip(units, kept, strict=True):
        if not stays:
            gap.append(unit)
            continue
        if gap:
            parts.append(_note("".join(gap), "".join(parts[-1:])))
            gap.clear()
        parts.append(unit)
    if gap:
        parts.append(_note("".join(gap), "".join(parts[-1:])))
    return "".join(parts)


def _units(text: str, huge: int, failing: int) -> list[str]:
    """Its lines with their ends; longer ones, those that look like failures from another length on, in parts."""
    units: list[str] = []
    for line in text.split("\n"):
        whole = line + "\n"
        if len(whole) <= huge or (len(whole) <= failing and _FAILURE.search(whole)):
            units.append(whole)
        else:
            units += [whole[at : at + huge] for at in range(0, len(whole), huge)]
    units[-1] = units[-1][:-1]
    return units if units[-1] else units[:-1]


def _note(gap: str, before: str) -> str:
    """What stands for a gap: whole lines are counted as lines, what began or ends within one as characters."""
    if (not before or before.endswith("\n")) and gap.endswith("\n"):
        lines = gap.count("\n")
        return f"[… {lines:,} line{'s' if lines > 1 else ''} left out …]\n"
    return f"[… {len(gap):,} characters left out …]" + ("\n" if gap.endswith("\n") else "")


def _kept(units: Sequence[str], chars: int) -> list[bool]:
    """Which of the units stay: from both ends as many as fit, and failures between them, the first of these for sure."""
    sizes = [len(unit) for unit in units]
    failing = any(part in "".join(units) for part in _IN_FAILURES)
    for_failures = int(chars * _FAILURES)
    while True:
        head, tail = _ends(sizes, chars - for_failures)
        first = next(_failures(units[head : len(units) - tail]), None) if failing else None
        if first is None or len(units[head + first]) > chars or _cost(units[head + first]) <= for_failures:
            break
        for_failures = _cost(units[head + first])
    kept = [at < head or at >= len(units) - tail for at in range(len(units))]
    told: set[str] = set()
    for at in _failures(units[head : len(units) - tail]) if failing else ():
        unit = units[head + at]
        if _cost(unit) <= for_failures and unit not in told:
            kept[head + at] = True
            told.add(unit)
            for_failures -= _cost(unit)
    return kept


def _ends(sizes: Sequence[int], chars: int) -> tuple[int, int]:
    """How many units from the beginning and from the end are so many characters."""
    head = sum(1 for end in accumulate(sizes) if end <= chars * _HEAD)
    tail = sum(1 for end in accumulate(reversed(sizes)) if end <= chars * (1 - _HEAD))
    return (head, tail) if head + tail < len(sizes) else (len(sizes), 0)  # items of JSON; blanks between were most of it


def _failures(units: Sequence[str]) -> Iterator[int]:
    return (at for at, unit in enumerate(units) if len(unit) <= _FAILURE_CHARS_MAX and _FAILURE.search(unit))


def _cost(unit: str) -> int:
    """Characters that it takes to keep it between two gaps."""
    return len(unit) + len("[… 1,234 lines left out …]\n")


# --- JSON -----------------------------------------------------------------------------------------------------------------


def _cut_json(raw: bytes, chars: int, depth: int) -> str | None:
    """The JSON value cut to about so many characters, still JSON; None where that is not cheap."""
    if depth == 0 or chars < 1:
        return None
    try:
        opening = raw.lstrip()[:1]
        if opening == b"[":
            return _cut_array([bytes(item).decode() for item in msgspec.json.decode(raw, type=list[Raw])], chars)
        if opening == b"{":
            return _cut_object(msgspec.json.decode(raw, type=dict[str, Raw]), chars, depth)
        if opening == b'"':
            cut = _cut_text(msgspec.json.decode(raw, type=str), int(chars * 0.9))  # line ends take two characters in JSON
            return msgspec.json.encode(cut).decode()
    except _NOT_JSON:
        pass
    return None


def _cut_array(items: list[str], chars: int) -> str | None:
    kept = _kept(items, chars)
    if not any(kept):
        return None
    parts: list[str] = []
    gap = 0
    for item, stays in zip([*items, ""], [*kept, True], strict=True):
        gap += not stays
        if stays and gap:
            parts.append(f'"[… {gap:,} item{"s" if gap > 1 else ""} left out …]"')
            gap = 0
        if stays and item:
            parts.append(item)
    return f"[{','.join(parts)}]"


def _cut_object(members: dict[str, Raw], chars: int, depth: int) -> str | None:
    """Only its longest member is cut; None where the others alone are too long."""
    if not members:
        return None
    longest = max(members, key=lambda name: len(members[name]))
    rest = sum(len(name) + 4 + len(value) for name, value in members.items()) - len(members[longest])
    cut = _cut_json(bytes(members[longest]), chars - rest, depth - 1)
    if cut is None:
        return None
    return msgspec.json.encode({**members, longest: Raw(cut.encode())}).decode()
