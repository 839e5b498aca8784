"""Read the body of `POST /v1/messages/batches` as it comes, request by request: none of it but one request stands in memory.

    {"requests": [{"custom_id": "a", "params": {…}}, …]}

Only what a price depends on is read. Members that this module does not know, at any level, are the provider's to judge
(platform.claude.com/docs/en/api/messages/batches/create, 2026-10: `params` are validated when the item runs).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.errors import InputError

# All up to the next bracket outside a string. It stops at a string that has not ended yet, too.
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_TO_BRACE = re.compile(rb'(?:[^"{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_REQUESTS = re.compile(rb'"requests"\s*:\s*\Z')
_BLANK = b" \t\r\n"
_QUOTE, _OPEN, _CLOSE, _OPEN_LIST = b'"{}['


class _Request(Struct):
    custom_id: str
    params: Raw


class _Params(Struct):
    model: Any = None
    max_tokens: Any = None
    inference_geo: Any = None


class Item(Struct, frozen=True):
    """One request of a batch. `model`, `geo` and `max_tokens` are empty (0) where they are missing or of another type: the
    provider answers such an item with an error, and bills nothing."""

    custom_id: str
    params: bytes
    model: str
    max_tokens: int
    geo: str


_REQUEST = msgspec.json.Decoder(_Request)
_PARAMS = msgspec.json.Decoder(_Params)


class BatchBody:
    """Feed it the body piece by piece, then `close` it. Both raise InputError for what is no such body, naming the place."""

    def __init__(self) -> None:
        self.count = 0
        self._pieces: list[bytes] = []
        self._held = 0
        self._needed = 0  # not worth looking again before so much is there
        self._depth = 0
        self._inside = False  # of the list of requests
        self._listed = False
        self._ended = False

    def feed(self, piece: bytes) -> Iterator[Item]:
        """The requests that are whole with this piece. Must be read to the end."""
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held < self._needed:
            return
        data = b"".join(self._pieces)
        at = yield from self._read(data)
        # What is left is looked at again from its beginning: not before there is twice as much, or a long request would be
        # read as many times as it has pieces.
        self._pieces = [data[at:]]
        self._held = len(data) - at
        self._needed = 2 * self._held

    def close(self) -> Iterator[Item]:
        """The requests that are left at the end of the body. Must be read to the end."""
        self._needed = 0
        yield from self.feed(b"")
        if not self._ended or self._pieces[0].strip(_BLANK):
            raise InputError("the request body is not valid JSON: it ends in the middle, or something stands behind its end")
        if not self._listed:
            raise InputError("requests: Field required")

    def _read(self, data: bytes) -> Generator[Item, None, int]:
        """Returns up to where the data is done with."""
        at = 0
        while not self._ended:
            if self._inside:
                found = self._element(data, at)
                if found is None:
                    return at
                start, at = found
                if start == at:
                    continue
                self.count += 1
                yield self._item(data[start:at])
                continue
            end = _TO_BRACKET.match(data, at).end()  # type: ignore[union-attr]  # it matches the empty string
            if end == len(data) or data[end] == _QUOTE:
                return at
            self._bracket(data[at:end], data[end])
            at = end + 1
        return at

    def _bracket(self, before: bytes, bracket: int) -> None:
        """A bracket outside the list of requests."""
        if self._depth == 0:
            if bracket != _OPEN or before.strip(_BLANK):
                raise InputError("the request body must be a JSON object")
        elif self._depth == 1 and bracket == _OPEN_LIST and _REQUESTS.search(before):
            if self._listed:
                raise InputError("requests: the member stands twice")
            self._listed = self._inside = True
            return
        self._depth += 1 if bracket in b"{[" else -1
        self._ended = self._depth == 0

    def _element(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Where the next request stands; an empty place at the end of the list; None where it is not all there yet."""
        start = at
        while start < len(data) and data[start] in b" \t\r\n,":
            start += 1
        if start == len(data):
            return None
        if data[start] == ord("]"):
            self._inside = False
            return start + 1, start + 1
        if data[start] != _OPEN:
            raise InputError(f"requests.{self.count}: Input should be an object")
        depth, here = 1, start + 1
        while depth:
            here = _TO_BRACE.match(data, here).end()  # type: ignore[union-attr]
            if here == len(data) or data[here] == _QUOTE:
                return None
            depth += 1 if data[here] == _OPEN else -1
            here += 1
        return start, here

    def _item(self, raw: bytes) -> Item:
        try:
            request = _REQUEST.decode(raw)
            params = _PARAMS.decode(request.params)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"requests.{self.count - 1}: custom_id and params are required: {error}") from None
        most = params.max_tokens
        return Item(
            custom_id=request.custom_id,
            params=bytes(request.params),
            model=params.model if isinstance(params.model, str) else "",
            max_tokens=most if isinstance(most, int) and not isinstance(most, bool) and most > 0 else 0,
            geo=params.inference_geo if isinstance(params.inference_geo, str) else "",
        )
