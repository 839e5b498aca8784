"""Dates, times and ids in a prompt: what they are called, and lines that say nothing else.

Every pattern is bounded or runs over one character class behind a look-behind, so that a text is read in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.blocks import lenient

Kind = Literal["date", "id", "number"]

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_DAY = r"(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?"
_TH = r"(?:st|nd|rd|th)?"
_NAMES: dict[str, tuple[Kind, str]] = {
    "uuid": ("id", "UUID"),
    "iso": ("date", "ISO date"),
    "moment": ("date", "ISO date and time"),
    "slashes": ("date", "date in digits"),
    "words": ("date", "date in words"),
    "weekday": ("date", "weekday"),
    "clock": ("date", "time of day"),
    "prefixed": ("id", "id with a prefix"),
    "hex": ("id", "hex id"),
    "digits": ("number", "digits"),
}
_TOKEN = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"(?P<uuid>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"
    r"|(?P<moment>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?Z|[+-]\d\d:?\d\d)?)"
    r"|(?P<iso>\d{4}-\d\d-\d\d)"
    r"|(?P<slashes>\d{1,4}/\d{1,2}/\d{1,4}|\d{1,2}\.\d{1,2}\.\d{4})"
    rf"|(?P<words>(?:{_DAY},? )?"
    rf"(?:{_MONTH}\.? \d{{1,2}}{_TH}(?:,? \d{{4}})?|\d{{1,2}}{_TH} (?:of )?{_MONTH},?(?: \d{{4}})?))"
    rf"|(?P<weekday>{_DAY}(?![a-z]))"
    r"|(?P<clock>\d{1,2}:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?[AaPp]\.?[Mm]\b\.?)?)"
    r"|(?P<prefixed>[A-Za-z]{2,12}[_-](?=[A-Za-z]{0,40}\d)[A-Za-z0-9]{12,64})"
    r"|(?P<hex>(?=[a-fA-F]{0,40}\d)[0-9a-fA-F]{16,})"
    r"|(?P<digits>\d+))"
    r"(?![0-9A-Za-z])"
)
_AROUND_CHARS = 96
_LONG_DIGITS = 10  # unix seconds, and longer: milliseconds, snowflake ids

# A line is volatile when, its dates and ids taken out, only these words are left. Anything else may be instruction.
_STRONG = frozenset(("current", "currently", "today", "today's", "todays", "now", "timestamp", "nonce"))
_IDS = frozenset(("id", "ids", "uuid"))
_OWNERS = frozenset(
    ("request", "session", "trace", "conversation", "correlation", "message", "run", "call", "thread", "transaction")
)
_TIME_WORDS = frozenset(
    ("day", "date", "time", "datetime", "weekday", "utc", "gmt", "z", "est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt")
)
_FILLERS = frozenset(
    ("a", "the", "is", "it", "it's", "as", "of", "at", "on", "and", "this", "local", "system", "server", "generated", "sent")
)
_WORDS = _STRONG | _IDS | _OWNERS | _TIME_WORDS | _FILLERS
_MONTHS = frozenset(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
_DAYS = frozenset(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
_FIRST_WORD = re.compile(rb"(?<![\w\\-])[A-Za-z']{3,}(?![\w-])")
_MARKUP = re.compile(r"[\s*_`#>\-•:;\[\]()</.,|=!]+")
_LINE_BYTES_MAX = 160
_BLANK = re.compile(rb"(?: |\\[nrt])*")
_HINT = re.compile(rb"\d|day")
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_SENTENCE = re.compile(rb"(?<=[.!?]) +")


class Line(Struct, frozen=True):
    """A line of a JSON string literal, by byte positions in it, with its line break. `label` is what a volatile line is
    about, in words of the lists above, () where the line is not volatile. `strong` where the label leaves no doubt: such
    a line means the same wherever it stands."""

    start: int
    end: int
    label: tuple[str, ...] = ()
    volatile: bool = False
    strong: bool = False
    blank: bool = False


class Found(NamedTuple):
    """A date, id or number: its kind and what such a one is called."""

    kind: Kind
    name: str


def kind_at(text: str, position: int) -> Found | None:
    """What stands at a character position of a text; None for ordinary words."""
    for found in _TOKEN.finditer(text, max(0, position - _AROUND_CHARS), position + _AROUND_CHARS):
        if found.start() > position:
            break
        if position <= found.end():
            kind, name = _NAMES[found.lastgroup or ""]
            if kind == "number":
                length = len(found.group())
                return Found("id" if length >= _LONG_DIGITS else "number", f"{length} digits")
            return Found(kind, name)
    return None


def stands_alone(text: str, position: int) -> bool:
    """Whether the line at a character position says nothing else and may be moved, or ends the text and can be split off."""
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position) % (len(text) + 1)
    literal = msgspec.json.encode(text[start:end])
    if text[end:].strip():
        return any(line.strong for line in lines_of(literal))
    return any(line.volatile or last_sentences(literal, line) is not None for line in lines_of(literal))


def lines_of(literal: bytes) -> list[Line]:
    """The lines of a JSON string literal (with its quotes), each judged."""
    lines: list[Line] = []
    start = 1
    for end in (*_breaks(literal), len(literal) - 1):
        if end > start:
            lines.append(_judged(literal, start, end))
            start = end
    return lines


def last_sentences(literal: bytes, line: Line) -> int | None:
    """Where the volatile sentences at the end of a line begin, as a byte position; None where its last one is none."""
    starts = [found.end() for found in _SENTENCE.finditer(literal, line.start, line.end)]
    begin: int | None = None
    for start in reversed(starts):
        end = line.end if begin is None else begin
        if not _judged(literal, start, end).volatile:
            break
        begin = start
    if begin is None or _judged(literal, line.start, begin).volatile:  # nothing that stays would be left of the line
        return None
    return begin


def is_fence(literal: bytes, line: Line) -> bool:
    """Whether the line opens or closes a fenced block."""
    return literal[line.start : line.end].lstrip().startswith((b"```", b"~~~"))


def _breaks(literal: bytes) -> Iterator[int]:
    r"""Ends of the `\n` escapes."""
    for found in _ESCAPE.finditer(literal):
        if found.group() == b"\\n":
            yield found.end()


def _judged(literal: bytes, start: int, end: int) -> Line:
    piece = literal[start:end]
    if _BLANK.fullmatch(piece):
        return Line(start, end, blank=True)
    if end - start > _LINE_BYTES_MAX or not _may_be_volatile(piece):
        return Line(start, end)
    text = lenient(Raw(b'"' + piece + b'"'), str)
    words = _MARKUP.sub(" ", _TOKEN.sub(_without_volatile, text or "")).lower().split()
    label = tuple(word for word in words if word != "\0")
    if len(label) == len(words) or not _WORDS.issuperset(label):
        return Line(start, end)
    owned = not _OWNERS.isdisjoint(label) and not _IDS.isdisjoint(label)
    return Line(start, end, label, volatile=True, strong=owned or not _STRONG.isdisjoint(label))


def _may_be_volatile(piece: bytes) -> bool:
    """Settles most lines at a tenth of the time."""
    if not _HINT.search(piece):
        return False
    first = _FIRST_WORD.search(piece)
    word = first.group().decode().lower() if first is not None else "the"
    return word in _WORDS or word[:3] in _MONTHS or word[:3] in _DAYS


def _without_volatile(found: re.Match[str]) -> str:
    r"""A NUL in the place of what changes by itself; a short number is ordinary text."""
    if found.lastgroup == "digits" and len(found.group()) < _LONG_DIGITS:
        return found.group()
    return " \0 "
