"""When an answer is complete before its end: `until = "first_line" | "json" | "items:N" | "regex:PATTERN"`.

    first_line   the first line that is not blank, ended by a line break, which is not part of it
    json         the first whole JSON object or array, whatever comes before it. Ends behind the closing bracket, or, where a
                 ``` fence was opened before it, behind the closing fence. An object may begin anywhere, an array only
                 where nothing stands before it on its line: prose is full of [1]. What is no valid JSON is passed by
    items:N      N items of a list: lines that begin with -, *, • or a number and . or ). What is indented below an item
                 belongs to it. The N-th is complete when the next one begins, or the list ends: a line that is not indented,
                 behind an empty one. Elements of a JSON array are no items: an array cut in the middle is no JSON
    regex:P      the shortest text so far in which P is found (Python's `re`; ^ begins a line), searched for in the last
                 REGEX_WINDOW characters. `\\d+` is complete with the first digit: write `\\d+\\s`

A matcher is fed the text in any pieces and says the same for all of them. Positions count characters of the whole text.
"""

from __future__ import annotations

import re
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from thriftgate.core.errors import ConfigError

Kind = Literal["first_line", "json", "items", "regex"]

REGEX_WINDOW = 1_000  # what a pattern may span; bounds the work of each search
ITEMS_MAX = 10_000
_FORMS = 'one of "first_line", "json", "items:N" and "regex:PATTERN"'

# In a pattern: what an escape means, a class as a whole, and what is decided by text that has not come yet.
_TOKEN = re.compile(r"\\(?P<escaped>.)|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<waits>\(\?[=!>]|[*+?}]\+|\$)", re.DOTALL)
_WORD_BEGINS = re.compile(r"\w(?![?*{])", re.ASCII)

_QUOTE = re.compile(r'["\\]')
_STRUCTURE = re.compile(r'["{}\[\]]')
_FIRST_IN = {"{": frozenset('"}'), "[": frozenset('"{[]-0123456789tfn')}
_FENCE = 3

_MARKED = re.compile(r"(?:[-*•]|\d{1,3}[.)])\s")
_MAYBE_MARKED = re.compile(r"(?:[-*•]|\d{1,3}[.)]?)?\r?")
_SAME_LEVEL = 1  # an item indented by so much more than the first is still one of its list


class Matcher(Protocol):
    """Looks for the end of one answer. `sure` is how much of the text belongs to the answer whatever comes: the end never
    lies before it."""

    sure: int

    def feed(self, piece: str) -> int | None:
        """Take in the next piece of the text; where the answer is complete, its length in characters. Not to be fed
        after that."""


class Until(Struct, frozen=True):
    """A condition, parsed. `matcher` begins a new answer."""

    kind: Kind
    count: int = 0
    pattern: str = ""

    def __str__(self) -> str:
        return self.kind + (f":{self.count}" if self.kind == "items" else f":{self.pattern}" if self.pattern else "")

    def matcher(self) -> Matcher:
        if self.kind == "first_line":
            return _FirstLine()
        if self.kind == "json":
            return _Json()
        return _Items(self.count) if self.kind == "items" else _Regex(self.pattern)


def parse_until(text: str) -> Until:
    """The condition that `text` names. Raises ConfigError, which says what is wrong with it."""
    kind, colon, value = text.partition(":")
    kind = kind.strip()
    if kind in ("first_line", "json") and not colon:
        return Until("first_line" if kind == "first_line" else "json")
    if kind == "items":
        value = value.strip()
        count = int(value) if value.isascii() and value.isdecimal() and len(value) <= len(str(ITEMS_MAX)) else 0
        if not 1 <= count <= ITEMS_MAX:
            raise ConfigError(f'until: "items:N" needs a number from 1 to {ITEMS_MAX}, not {value!r}')
        return Until("items", count=count)
    if kind == "regex":
        _check(value)
        return Until("regex", pattern=value)
    raise ConfigError(f"until: {text!r} is not {_FORMS}")


def _check(pattern: str) -> None:
    """Refuse what is no pattern, what is found in nothing, and what is decided by text that has not come yet: with those
    the end would depend on how the answer arrives."""
    if not pattern:
        raise ConfigError('until: "regex:PATTERN" needs a pattern')
    try:
        compiled = re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"until: {pattern!r} is no regular expression: {error}") from None
    if compiled.search("") is not None:
        raise ConfigError(f"until: the pattern {pattern!r} is found in an empty text, so that nothing would be left")
    for token in _TOKEN.finditer(pattern):
        escaped, waits = token["escaped"], token["waits"]
        if escaped == "b" and _WORD_BEGINS.match(pattern, token.end()):
            continue
        if waits or escaped in ("b", "B", "Z", "z"):
            raise ConfigError(
                f"until: {token.group()!r} at character {token.start() + 1} of the pattern {pattern!r} depends on "
                r"what comes next, which a stream has not brought yet; write the characters to wait for, say \n"
            )


class _FirstLine:
    def __init__(self) -> None:
        self.sure = 0
        self._begun = False

    def feed(self, piece: str) -> int | None:
        start = 0
        if not self._begun:
            start = len(piece) - len(piece.lstrip())
            self._begun = start < len(piece)
        end = piece.find("\n", start) if self._begun else -1
        if end >= 0:
            return self.sure + end
        self.sure += len(piece)
        return None


class _Regex:
    def __init__(self, pattern: str) -> None:
        self.sure = 0
        self._pattern = re.compile(pattern, re.MULTILINE)
        self._tail = ""

    def feed(self, piece: str) -> int | None:
        for start in range(0, len(piece), REGEX_WINDOW):
            part = piece[start : start + REGEX_WINDOW]
            found = self._look(part)
            if found is not None:
                return found
            self.sure += len(part)
        return None

    def _look(self, part: str) -> int | None:
        text, known = self._tail + part, len(self._tail)
        # A window more than is searched: what looks behind sees the same, however the text came.
        self._tail = text[-2 * REGEX_WINDOW :]
        if self._pattern.search(text, max(0, known + 1 - REGEX_WINDOW)) is None:
            return None
        for end in range(known + 1, len(text) + 1):
            if self._pattern.search(text, max(0, end - REGEX_WINDOW), end) is not None:
                return self.sure + end - known
        return None


class _Items:
    """Line by line; the beginning of a line is gathered until it tells what the line is."""

    def __init__(self, count: int) -> None:
        self.sure = 0
        self._wanted = count
        self._begun = 0  # items so far
        self._level = 0  # how far the first of them is indented
        self._seen = 0
        self._end = 0  # of the last line with anything on it
        self._after_empty = False
        self._indent = 0  # blanks and tabs that the line begins with
        self._head: str | None = ""  # the line behind them so far; None once it is known what it is

    def feed(self, piece: str) -> int | None:
        at = 0
        while at < len(piece):
            if self._head is None:
                line_end = piece.find("\n", at)
                if line_end < 0:
                    break
                self._end_line(line_end)
                at = line_end + 1
            else:
                sign = piece[at]
                if not self._head and sign in " \t":
                    self._indent += 1
                elif not (self._head.isspace() and sign.isspace() and sign != "\n"):  # further blanks tell nothing more
                    self._head += sign
                    if self._judge(self._head, at):
                        return self._end
                at += 1
        self._seen += len(piece)
        self.sure = self._end if self._begun == self._wanted and self._head is not None else self._seen
        return None

    def _judge(self, head: str, at: int) -> bool:
        """What the line is, if its beginning tells; whether the answer was complete before it."""
        marked = _MARKED.match(head)
        if marked is None and not head.strip():
            if head.endswith("\n"):
                self._after_empty, self._head, self._indent = True, "", 0
            return False
        if marked is None and _MAYBE_MARKED.fullmatch(head):
            return False
        of_list = not self._begun or self._indent <= self._level + _SAME_LEVEL
        if self._begun == self._wanted and of_list and (marked is not None or self._after_empty):
            return True
        if marked is not None and of_list:
            self._level = self._level if self._begun else self._indent
            self._begun += 1
        self._after_empty, self._head = False, None
        if head.endswith("\n"):
            self._end_line(at)
        return False

    def _end_line(self, at: int) -> None:
        self._end, self._head, self._indent = self._seen + at, "", 0


class _Json:
    """`_step` is what is expected now; each takes in some characters and says how far it came."""

    def __init__(self) -> None:
        self.sure = 0
        self._seen = 0
        self._step = self._prose
        self._line_empty = True  # nothing but blanks since the last line break
        self._ticks = 0
        self._fenced = False
        self._value: list[str] = []
        self._depth = 0
        self._escaped = False
        self._closed = 0  # just behind the value, where the closing fence is looked for
        self._complete: int | None = None

    def feed(self, piece: str) -> int | None:
        at = 0
        while at < len(piece) and self._complete is None:
            at = self._step(piece, at)
        self._seen += len(piece)
        self.sure = self._closed or self._seen
        return self._complete

    def _prose(self, piece: str, at: int) -> int:
        sign = piece[at]
        if sign == "\n":
            self._line_empty, self._ticks = True, 0
        elif sign == "`" and (self._line_empty or self._ticks):
            self._ticks += 1
            self._line_empty = False
            self._fenced ^= self._ticks == _FENCE
        elif sign == "{" or (sign == "[" and self._line_empty):
            self._value = [sign]
            self._step, self._depth = self._begun, 1
        else:
            self._line_empty, self._ticks = self._line_empty and sign.isspace(), 0
        return at + 1

    def _begun(self, piece: str, at: int) -> int:
        """Behind the opening bracket: whether what follows can be JSON at all."""
        sign = piece[at]
        if sign.isspace():
            self._value.append(sign)
            return at + 1
        if sign in _FIRST_IN[self._value[0]]:
            self._step = self._structure
        else:
            self._step, self._line_empty = self._prose, "\n" in self._value
        return at

    def _structure(self, piece: str, at: int) -> int:
        found = _STRUCTURE.search(piece, at)
        end = found.end() if found is not None else len(piece)
        self._value.append(piece[at:end])
        if found is None:
            return end
        sign = found.group()
        if sign == '"':
            self._step = self._string
        else:
            self._depth += 1 if sign in "{[" else -1
        if not self._depth:
            self._close(end)
        return end

    def _string(self, piece: str, at: int) -> int:
        if self._escaped:
            self._escaped = False
            self._value.append(piece[at])
            return at + 1
        found = _QUOTE.search(piece, at)
        end = found.end() if found is not None else len(piece)
        self._value.append(piece[at:end])
        if found is not None and found.group() == '"':
            self._step = self._structure
        elif found is not None:
            self._escaped = True
        return end

    def _close(self, at: int) -> None:
        if not _is_json("".join(self._value)):
            self._step, self._line_empty = self._prose, False
        elif self._fenced:
            self._step, self._ticks, self._closed = self._fence, 0, self._seen + at
        else:
            self._complete = self._seen + at

    def _fence(self, piece: str, at: int) -> int:
        sign = piece[at]
        if sign == "`":
            self._ticks += 1
            if self._ticks == _FENCE:
                self._complete = self._seen + at + 1
        elif self._ticks or not sign.isspace():
            self._complete = self._closed
        return at + 1


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True
