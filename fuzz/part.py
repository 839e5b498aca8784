"""What a part of a fuzzer is, and how a property says that it does not hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple, TypeVar
from zlib import crc32

_T = TypeVar("_T")


class Part(NamedTuple):
    """One parser. `check` raises for an input that it does not stand: AssertionError where a property does not hold, or
    whatever the parser let through. `seeds` are inputs to begin with."""

    name: str
    check: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]


class Outcome(NamedTuple):
    """What a call gave, or the kind of error that it raised."""

    value: object
    raised: str


def outcome(allowed: tuple[type[Exception], ...], call: Callable[[], object]) -> Outcome:
    """Run it. An error that it may raise is an outcome; any other is a finding and goes up."""
    try:
        return Outcome(call(), "")
    except allowed as error:
        return Outcome(None, type(error).__name__)


def unless(allowed: tuple[type[Exception], ...], call: Callable[[], _T]) -> _T | None:
    """What the call gives; None where it raises what it may raise."""
    try:
        return call()
    except allowed:
        return None


def randomness(data: bytes) -> Random:
    """The same for the same input: a finding can be looked at again."""
    return Random(crc32(data))


def is_object(data: bytes) -> bool:
    """Whether it is a JSON object to a parser that is not the one under test, and takes numbers of any size. False as well
    for what is no JSON."""
    try:
        return isinstance(json.loads(data), dict)
    except RecursionError:
        return True  # deeper than it can tell
    except ValueError:
        return False


_BYTEWISE_MAX = 400


def cuttings(data: bytes) -> Sequence[Sequence[bytes]]:
    """The input in pieces: byte by byte (where it is short), and cut at random places, empty pieces included."""
    random = randomness(data)
    found = [[data[at : at + 1] for at in range(len(data))]] if len(data) <= _BYTEWISE_MAX else []
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.randint(1, 40)))
    found.append([data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)])
    return found
