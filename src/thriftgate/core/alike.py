"""Requests that differ in one text only, as the jobs of a file mostly do: recognised by comparing bytes, not parsed again.

A mould is a request that was read, without the text of its last message. A body that begins and ends as the mould does, and
has a proper JSON text between, is that request with another text, and where its members stand follows. Comparing runs at
memory speed, ten times faster than parsing, so jobs with a long prompt in common cost little more than their own texts.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.errors import InputError
from thriftgate.core.request import Request
from thriftgate.core.splice import Member, array_items, object_members

BYTES_MAX = 4 * 1024 * 1024  # of moulds that are kept, least recently used goes first
SIBLINGS_MAX = 16  # moulds with one beginning that are compared, the latest first
REST_MAX = 64  # requests in a row that are left alone where none was like an earlier one
_HEAD_BYTES = 64  # enough to tell most moulds apart

_TEXT = msgspec.json.Decoder(str)


class _Mould(Struct, frozen=True):
    """What stands before the text and behind it, and the request that they were taken from."""

    head: bytes
    tail: bytes
    request: Request

    @property
    def size(self) -> int:
        return len(self.head) + len(self.tail) + len(self.request.body)


class Alike:
    """Requests as lately seen; bounded and deterministic. Learn only what was found to be fit: a body that is cast has the
    same members, but for the text."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._moulds: OrderedDict[bytes, list[_Mould]] = OrderedDict()
        self._rest = 0
        self._rest_next = 1
        self._last: Request | None = None

    @property
    def bytes_held(self) -> int:
        """Memory held, about."""
        return self._bytes

    def cast(self, body: bytes) -> Request | None:
        """The request of this body, where it is like one that was learned."""
        last = self._last
        if last is None or last.body is not body:
            last = self._last = self._cast(body)
        return last

    def _cast(self, body: bytes) -> Request | None:
        for key in (body[:_HEAD_BYTES], b""):
            for at, mould in enumerate(moulds := self._moulds.get(key, ())):
                if body.startswith(mould.head) and body.endswith(mould.tail):
                    request = _cast(mould, body)
                    if request is not None:
                        if at and isinstance(moulds, list):
                            moulds.insert(0, moulds.pop(at))
                        self._moulds.move_to_end(key)
                        self._rest_next = 1
                        return request
        return None

    def learn(self, request: Request) -> None:
        """Take this request as a mould. Where moulds are of no use, fewer and fewer are made."""
        if self._rest:
            self._rest -= 1
            return
        self._rest = self._rest_next - 1
        self._rest_next = min(2 * self._rest_next, REST_MAX)
        mould = _mould(request)
        if mould is None or mould.size > self._bytes_max:
            return
        key = request.body[:_HEAD_BYTES] if len(mould.head) >= _HEAD_BYTES else b""
        siblings = self._moulds.setdefault(key, [])
        self._moulds.move_to_end(key)
        siblings.insert(0, mould)
        self._bytes += mould.size
        if len(siblings) > SIBLINGS_MAX:
            self._bytes -= siblings.pop().size
        while self._bytes > self._bytes_max:
            _, gone = self._moulds.popitem(last=False)
            self._bytes -= sum(one.size for one in gone)


def _cast(mould: _Mould, body: bytes) -> Request | None:
    """The request of a body that begins and ends like the mould; None where no text stands between."""
    start, end = len(mould.head) - 1, len(body) - len(mould.tail) + 1  # the quotes are the mould's
    if end - start < 2:
        return None
    try:
        _TEXT.decode(memoryview(body)[start:end])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    request = mould.request
    longer = len(body) - len(request.body)
    members = {
        key: one
        if one.end <= start
        else Member(one.key_start, one.start, one.end + longer)
        if one.start <= start
        else Member(one.key_start + longer, one.start + longer, one.end + longer)
        for key, one in request.members.items()
    }
    return replace(request, body=body, members=members)


def _mould(request: Request) -> _Mould | None:
    """The request without the text of its last message; None where that is no plain text."""
    body, member = request.body, request.members["messages"]
    try:
        items = array_items(body, member.start, member.end)
        if not items:
            return None
        content = object_members(body, *items[-1]).get("content")
    except InputError:
        return None
    if content is None or body[content.start : content.start + 1] != b'"':
        return None
    return _Mould(body[: content.start + 1], body[content.end - 1 :], request)
