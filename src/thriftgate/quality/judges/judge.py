"""What every judge is: it can say what an item lacks, and it grades an answer or says why it cannot."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from msgspec import Struct

from thriftgate.quality.items import Answer, Item


class Grade(Struct, frozen=True):
    """How good an answer is, 0 to 1, and why. `quality` None: it could not be judged, which is not the answer's fault."""

    quality: float | None
    reason: str = ""


class Judge(Protocol):
    """One way to judge. Both verbs are free of side effects for whoever calls them."""

    def check(self, item: Item) -> str:
        """What makes this item unfit for the judge; "" if nothing does. Asked before anything is paid."""

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Judge one answer. A judge that fails says so in an ungraded `Grade`; it never raises, and never gives a 0 for
        what it did not understand."""


RIGHT, WRONG = Grade(1.0), Grade(0.0)


def wrong(reason: str) -> Grade:
    """A 0 that the answer has earned."""
    return Grade(0.0, reason)


def ungraded(reason: str) -> Grade:
    """No judgement."""
    return Grade(None, reason)


def expected_text(item: Item) -> str:
    """`expected` as text: what is no text is written as JSON."""
    value = item.expected
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def expected_json(item: Item) -> Any:
    """`expected` as a JSON value: a text is read as one. Raises ValueError where it is none."""
    if not isinstance(item.expected, str):
        return item.expected
    try:
        return msgspec.json.decode(item.expected)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
