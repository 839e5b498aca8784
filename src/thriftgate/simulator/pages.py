"""The results of an ended batch: its JSONL in pages of about 256 kB, compressed until they are sent."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

PAGE_BYTES = 256_000


class Pages:
    """Lines in a fixed order. `size` is the length of the whole in bytes."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.size = 0
        self._packed: list[bytes] = []
        page: list[bytes] = []
        filled = 0
        for line in lines:
            page.append(line)
            filled += len(line)
            if filled >= PAGE_BYTES:
                self._pack(page, filled)
                page, filled = [], 0
        if page:
            self._pack(page, filled)

    def _pack(self, page: list[bytes], filled: int) -> None:
        self.size += filled
        self._packed.append(zlib.compress(b"".join(page), 1))

    def __iter__(self) -> Iterator[bytes]:
        """Page by page, each of whole lines."""
        return map(zlib.decompress, self._packed)

    def cut(self, share: float) -> Iterator[bytes]:
        """Page by page up to about `share` (0…1) of the whole, ending in the middle of a line."""
        left = int(share * self.size)
        for page in self:
            if left < len(page):
                yield page[: _inside(page, left)]
                return
            left -= len(page)
            yield page


def _inside(page: bytes, at: int) -> int:
    """The middle of the line that `at` lies in."""
    begin = page.rfind(b"\n", 0, at) + 1
    end = page.find(b"\n", at)
    return (begin + end) // 2
