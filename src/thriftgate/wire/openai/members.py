"""One JSON object of a client, read member by member. What nobody asked for is left over and reported: see `losses.py`."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Raw

from thriftgate.core.errors import InputError
from thriftgate.wire.openai.losses import Report

_T = TypeVar("_T")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_TEXT = msgspec.json.Decoder(str)
_FLAG = msgspec.json.Decoder(bool)
_WHOLE = msgspec.json.Decoder(int)
_NUMBER = msgspec.json.Decoder(float)
_ANY = msgspec.json.Decoder()
_NULL = b"null"


class Members:
    """`place` is where the object stands (`messages[3]`), for errors; `kind` the same without numbers (`messages[]`), for
    reports. A member that is null counts as not there. Readers raise InputError for a wrong type."""

    __slots__ = ("_left", "_values", "kind", "place")

    def __init__(self, raw: bytes | Raw, place: str = "", kind: str = "") -> None:
        self.place, self.kind = place, kind or place
        try:
            if not place:
                bytes(raw).decode()  # what is only skipped, nobody looks into
            values = _OBJECT.decode(raw)
        except _UNREADABLE as error:
            raise _unreadable(place, raw, error) from None
        self._values = {name: value for name, value in values.items() if bytes(memoryview(value)[:4]) != _NULL}
        self._left = dict.fromkeys(self._values)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def raw(self, name: str) -> bytes:
        """The JSON of a member; b"" where it is not there."""
        self._left.pop(name, None)
        value = self._values.get(name)
        return bytes(value) if value is not None else b""

    def text(self, name: str) -> str | None:
        return self._as(name, _TEXT, "a string")

    def flag(self, name: str) -> bool | None:
        return self._as(name, _FLAG, "true or false")

    def whole(self, name: str) -> int | None:
        return self._as(name, _WHOLE, "an integer")

    def number(self, name: str) -> float | None:
        return self._as(name, _NUMBER, "a number")

    def items(self, name: str) -> list[Raw]:
        """The items of a list; none where it is not there."""
        return self._as(name, _LIST, "a list") or []

    def inner(self, name: str) -> Members | None:
        """An object within this one."""
        raw = self.raw(name)
        return Members(raw, self.at(name), f"{self.kind}.{name}".lstrip(".")) if raw else None

    def each(self, name: str) -> list[Members]:
        """The objects of a list."""
        kind = f"{self.kind}.{name}[]".lstrip(".")
        return [Members(raw, f"{self.at(name)}[{number}]", kind) for number, raw in enumerate(self.items(name))]

    def is_text(self, name: str) -> bool:
        """Whether a member is a string."""
        value = self._values.get(name)
        return value is not None and bytes(memoryview(value)[:1]) == b'"'

    def needed(self, name: str) -> str:
        """A string that must be there."""
        text = self.text(name)
        if text is None:
            raise InputError(f"{self.at(name)}: Field required")
        return text

    def at(self, name: str) -> str:
        """Where a member stands."""
        return f"{self.place}.{name}" if self.place else name

    def value(self, name: str) -> object:
        """Whatever it is, decoded; None where it is not there."""
        return self._as(name, _ANY, "valid JSON")

    def is_left(self, name: str) -> bool:
        """Whether a member is there that nobody has asked for."""
        return name in self._left

    def known(self, *names: str) -> None:
        """These are taken note of, and need nothing."""
        for name in names:
            self._left.pop(name, None)

    def lose_rest(self, report: Report) -> None:
        """Whatever nobody has asked for is not carried."""
        for name in self._left:
            report.lose(f"{self.kind}.{name}" if self.kind else name)

    def _as(self, name: str, decoder: msgspec.json.Decoder[_T], what: str) -> _T | None:
        raw = self.raw(name)
        if not raw:
            return None
        try:
            return decoder.decode(raw)
        except _UNREADABLE:
            raise InputError(f"{self.at(name)}: Input should be {what}") from None


def _unreadable(place: str, raw: bytes | Raw, error: Exception) -> InputError:
    if place:
        return InputError(f"{place}: Input should be an object")
    if isinstance(error, msgspec.ValidationError):
        return InputError("the request body must be a JSON object")
    if isinstance(error, msgspec.DecodeError):
        return InputError(f"the request body is not valid JSON: {error}")
    return InputError("the request body is not valid UTF-8, or nested too deeply")
