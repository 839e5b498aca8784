"""Find what is meant in an answer: models put sentences and code fences around it."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec

_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
# 1,234.5 or -12 or .5 or 1e-3; a minus only where no word or digit stands before it, so that 3-4 are two numbers.
_NUMBER = re.compile(r"(?:(?<![\w.)])[-+−])?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?")
_DIGITS_MAX = 400
_TRIES_MAX = 64


class Found(NamedTuple):
    """A JSON value that was found; `value` may be None itself."""

    value: Any


def json_in(text: str) -> Found | None:
    """The JSON value of an answer: all of it, else the last fenced block that is one, else the first object or list in it
    that is whole. None where there is no JSON."""
    for candidate in (text, *(body for _, body in reversed(_FENCE.findall(text)))):
        try:
            return Found(msgspec.json.decode(candidate.encode()))
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            continue
    return _embedded(text)


def code_in(text: str) -> str:
    """The Python code of an answer: its fenced blocks, those named Python where any is; else all of it."""
    fences = _FENCE.findall(text)
    named = [body for language, body in fences if language.lower() in ("python", "py", "python3")]
    chosen = named or [body for language, body in fences if not language]
    return "\n".join(chosen) if chosen else text


def number_in(text: str) -> Decimal | None:
    """The number of an answer: the last one in it. Thousands may be parted by commas. None where there is none."""
    found = [one.group() for one in _NUMBER.finditer(text) if any(char.isdigit() for char in one.group())]
    return number_of(found[-1]) if found else None


def number_of(text: str) -> Decimal | None:
    """A text that is a number and nothing else; None for any other."""
    plain = text.strip().replace("−", "-").replace(",", "")
    if len(plain) > _DIGITS_MAX:
        return None
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value.adjusted()) < _DIGITS_MAX else None


def _embedded(text: str) -> Found | None:
    """The first `{…}` or `[…]` that decodes, from where it opens to where its bracket closes."""
    for tried, opening in enumerate(re.finditer(r"[{\[]", text)):
        if tried >= _TRIES_MAX:
            return None
        end = _closing(text, opening.start())
        if end is None:
            continue
        try:
            return Found(msgspec.json.decode(text[opening.start() : end].encode()))
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            continue
    return None


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)


def _closing(text: str, start: int) -> int | None:
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token.group() in ("{", "["):
            depth += 1
        elif token.group() in ("}", "]"):
            depth -= 1
            if depth == 0:
                return token.end()
    return None
