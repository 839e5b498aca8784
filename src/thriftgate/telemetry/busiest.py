"""Names for labels, bounded: the busiest have one, all others are `other`.

A label may hold what a client wrote (a model, a task). Each value that a metrics store sees is a series that it keeps for
weeks, so a client that makes names up must not make series. The first names have a place; one that came later takes the
place of the quietest once it is clearly busier. What came before stays counted where it was counted.
"""

from __future__ import annotations

import re

OTHER = "other"
NONE = "none"
UNREADABLE = "unreadable"
CHARS_MAX = 64
_MODEL = re.compile(r"(?!sk-)[A-Za-z0-9._:/@-]{1,128}")
_WAITING = 4  # names without a place are counted, so many for each place
_LEAD = 2  # so many times as busy takes the place ...
_CALLS_MIN = 10  # ... once it was there as often
_CALLS_REMEMBERED = 10_000  # after as many, all counts are halved: who was busy long ago makes way


class Busiest:
    """At most `places` names beside `other` and `none`."""

    __slots__ = ("_calls", "_named", "_places", "_waiting")

    def __init__(self, places: int) -> None:
        self._places = places
        self._named: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        self._calls = 0

    def label(self, name: str) -> tuple[str, str]:
        """What a call of that name counts under, and the label that has just lost its place for it, if any."""
        name = label_text(name) or NONE
        if name in (NONE, OTHER):
            return name, ""
        self._age()
        named = self._named
        if name in named or len(named) < self._places:
            named[name] = named.get(name, 0) + 1
            return name, ""
        calls = self._wait(name)
        if calls < _CALLS_MIN or not named:
            return OTHER, ""
        quietest = min(named, key=named.__getitem__)
        if calls < _LEAD * named[quietest]:
            return OTHER, ""
        del named[quietest]
        named[name] = self._waiting.pop(name)
        return name, quietest

    def _wait(self, name: str) -> int:
        """How often a name without a place came. Frequent ones are found in bounded memory, and names that come once push
        none of them out (Misra and Gries, Finding repeated elements, 1982)."""
        waiting = self._waiting
        if name in waiting or len(waiting) < _WAITING * self._places:
            waiting[name] = waiting.get(name, 0) + 1
            return waiting[name]
        self._waiting = {other: calls - 1 for other, calls in waiting.items() if calls > 1}
        return 0

    def _age(self) -> None:
        self._calls += 1
        if self._calls >= _CALLS_REMEMBERED:
            self._calls = 0
            self._named = {name: calls // 2 for name, calls in self._named.items()}
            self._waiting = {name: calls // 2 for name, calls in self._waiting.items() if calls > 1}


def model_text(name: str) -> str:
    """The name of a model as it may be told. Calls that were refused name what their client wrote, and that may be anything:
    what does not look like a model's name is not repeated, and a key put in the wrong place does look like one."""
    return name if not name or _MODEL.fullmatch(name) else UNREADABLE


def label_text(name: str) -> str:
    """A name that can stand on a page and in a query: short, printable, valid UTF-8."""
    if name.isascii() and name.isprintable() and len(name) <= CHARS_MAX:
        return name
    return "".join(one if one.isprintable() else "�" for one in name[:CHARS_MAX])
