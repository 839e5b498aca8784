"""Chance by hashing: every random choice of the simulator is a pure function of the seed and of named parts.

No generator object is passed around, so a draw never depends on which draws were made before it: two runs with the same
seed agree call by call, even when the calls arrive in another order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


def digest(*parts: object, size: int = 16) -> bytes:
    """A hash of `size` bytes over the parts. Parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ."""
    state = hashlib.blake2b(digest_size=size)
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        state.update(len(raw).to_bytes(8, "big"))
        state.update(raw)
    return state.digest()


digest_again = lru_cache(4096, typed=True)(digest)
"""`digest` for parts that come back in many requests"""


def unit(*parts: object) -> float:
    """A number in [0, 1), uniform over different parts."""
    return int.from_bytes(digest(*parts, size=8), "big") / 2**64


def below(bound: int, *parts: object) -> int:
    """An integer in [0, bound). `bound` must be positive."""
    return int.from_bytes(digest(*parts, size=8), "big") % bound


def pick(options: Sequence[T], *parts: object) -> T:
    """One of the options; IndexError on an empty sequence."""
    return options[below(len(options), *parts)]


def shuffled(items: Sequence[T], *parts: object) -> list[T]:
    """The items in an order that depends only on the parts."""
    order = sorted(range(len(items)), key=lambda index: digest(*parts, index))
    return [items[index] for index in order]
