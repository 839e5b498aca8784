"""What a tokenizer says: the texts of a corpus with ctok's count per family."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import get_args

from msgspec import Struct

from benchmarks.tokens.corpus import Text
from thriftgate.core.tokens import Family
from thriftgate.counting import CtokCounter

FAMILIES: tuple[Family, ...] = get_args(Family)


class Counted(Struct, frozen=True):
    """A text and its true tokens by family."""

    source: str
    text: str
    tokens: dict[Family, int]


_counter: list[CtokCounter] = []  # one per process: its vocabularies are loaded once


def count_all(texts: Iterable[Text], processes: int) -> list[Counted]:
    """Count every text; those that hold no token are left out."""
    with ProcessPoolExecutor(processes) as pool:
        counted = list(pool.map(_count, texts, chunksize=32))
    return [each for each in counted if min(each.tokens.values()) > 0]


def _count(text: Text) -> Counted:
    if not _counter:
        _counter.append(CtokCounter())
    return Counted(text.source, text.text, {family: _counter[0].count(text.text, family) for family in FAMILIES})
