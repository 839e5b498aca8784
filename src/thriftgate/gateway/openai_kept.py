"""Responses that clients may go on from by their id, where the settings let them be kept: `openai.responses_kept_h`.

In the memory of this process, bound to the key that made the call, for so long and so much: never on a disk, for prompts
are private.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.errors import NotThere
from thriftgate.settings import Settings

_HOUR_S = 3600.0


class KeptResponse(Struct, frozen=True):
    """A response, the items that it answered, and those that it brought, each as JSON."""

    response: bytes
    given: tuple[bytes, ...]
    brought: tuple[bytes, ...]
    until_s: float

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.response) + sum(map(len, self.given)) + sum(map(len, self.brought))


class _Response(Struct):
    output: list[Raw]


class _Item(Struct):
    id: str = ""


class KeptResponses:
    """`kept_s` and `bytes_max` bound it; times are the clock's."""

    def __init__(self, kept_s: float, bytes_max: int) -> None:
        self._kept_s = kept_s
        self._bytes_max = bytes_max
        self._bytes = 0
        self._kept: dict[tuple[str, str], KeptResponse] = {}  # the oldest first: by owner and id
        self._places: dict[tuple[str, str], tuple[str, int]] = {}  # items, by owner and id: response, and which of its items

    def keep(self, owner: str, name: str, response: bytes, given: tuple[bytes, ...], now_s: float) -> None:
        """Keep a response of that owner's."""
        brought = tuple(bytes(item) for item in msgspec.json.decode(response, type=_Response).output)
        kept = KeptResponse(response, given, brought, now_s + self._kept_s)
        self._drop((owner, name))
        self._kept[owner, name] = kept
        self._bytes += kept.size
        for at, item in enumerate(brought):
            self._places[owner, _id(item)] = (name, at)
        self._forget_old(now_s)

    def find(self, owner: str, name: str, now_s: float) -> KeptResponse:
        """Raises NotThere, the same for what is gone, what never was, and what is somebody else's."""
        self._forget_old(now_s)
        kept = self._kept.get((owner, name))
        if kept is None:
            raise NotThere(f"there is no response {name[:80]!r} here: it was not kept, or not for so long")
        return kept

    def find_item(self, owner: str, name: str, now_s: float) -> bytes:
        """An item that a response brought. Raises NotThere."""
        self._forget_old(now_s)
        place = self._places.get((owner, name))
        if place is None:
            raise NotThere(f"there is no item {name[:80]!r} here: its response was not kept, or not for so long")
        return self._kept[owner, place[0]].brought[place[1]]

    def forget(self, owner: str, name: str, now_s: float) -> None:
        """Raises NotThere."""
        self.find(owner, name, now_s)
        self._drop((owner, name))

    def _forget_old(self, now_s: float) -> None:
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest].until_s > now_s and self._bytes <= self._bytes_max:
                return
            self._drop(oldest)

    def _drop(self, key: tuple[str, str]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept.size
            for item in kept.brought:
                self._places.pop((key[0], _id(item)), None)


class Recalled:
    """What one owner may go on from now. See `responses_items.Recall`."""

    def __init__(self, kept: KeptResponses, owner: str, now_s: float) -> None:
        self._kept = kept
        self._owner = owner
        self._now_s = now_s

    def items(self, response: str) -> Sequence[bytes]:
        found = self._kept.find(self._owner, response, self._now_s)
        return (*found.given, *found.brought)

    def item(self, name: str) -> bytes:
        return self._kept.find_item(self._owner, name, self._now_s)


def open_kept(settings: Settings) -> KeptResponses | None:
    """None where nothing is kept."""
    table = settings.openai
    return KeptResponses(table.responses_kept_h * _HOUR_S, table.responses_kept_bytes) if table.responses_kept_h else None


def _id(item: bytes) -> str:
    return msgspec.json.decode(item, type=_Item).id
