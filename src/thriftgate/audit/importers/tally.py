"""What an importer leaves out, counted while it reads and told at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from thriftgate.audit.records import MALFORMED, Issue
from thriftgate.audit.sources import Source

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding bytes as JSON raises, whatever they are."""

Value = TypeVar("Value")


class Tally:
    """Counts by reason and sentence, with the place of the first of each."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kinds: dict[tuple[str, str], list[int]] = {}  # the first place, and how many

    def add(self, reason: str, position: int, detail: str = "") -> None:
        """One more. `detail` is one of a few fixed sentences, never content."""
        kind = self._kinds.get((reason, detail))
        if kind is None:
            self._kinds[reason, detail] = [position, 1]
        else:
            kind[1] += 1

    def more(self, reason: str, count: int) -> None:
        """So many more of a reason that was added before; none where `count` is not positive."""
        if count > 0:
            self._kinds[reason, ""][1] += count

    def issues(self) -> Iterator[Issue]:
        """One issue for each kind, in the order they first came up."""
        for (reason, detail), (position, count) in self._kinds.items():
            yield Issue(reason, self._source.where(position), detail, count)


def decoded(source: Source, decoder: msgspec.json.Decoder[Value], tally: Tally) -> Iterator[tuple[int, Value]]:
    """The JSON values of a file with their positions; what is none, or has a field of the wrong type, goes to the tally."""
    for position, data, whole in source.values():
        try:
            value = decoder.decode(data)
        except UNREADABLE:
            tally.add(MALFORMED, position, "no JSON of this form" if whole else "cut off, or too long")
            continue
        yield position, value
