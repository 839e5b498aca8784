"""Edit JSON by splicing: what an edit does not name keeps its bytes.

Re-serialising a request changes number spellings, escapes and member order, which destroys prompt-cache prefixes and
signed thinking blocks. Here a document stays the bytes that came in; an `Edit` names a path and the raw JSON to put
there, and only those bytes change.

    apply(b'{ "a": 1.0e2, "b": {"c": 1} }', [Edit(("b", "d"), b"true")])  ->  b'{ "a": 1.0e2, "b": {"c": 1,"d":true} }'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from thriftgate.core.errors import InputError

Path = tuple[str | int, ...]
_T = TypeVar("_T")

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])
_KEY = re.compile(rb'\s*("(?:[^"\\]|\\.)*")\s*:\s*', re.DOTALL)
_SEPARATOR = re.compile(rb"\s*([,}\]])\s*")
_SPACE = re.compile(rb"\s*")


class Edit(NamedTuple):
    """Put the raw JSON `value` at `path`, replacing or adding the member; `None` removes the member if it is there."""

    path: Path
    value: bytes | None


class Member(NamedTuple):
    """Where one object member stands: its key (quote included), and its value from `start` to `end`."""

    key_start: int
    start: int
    end: int


def object_members(data: bytes, start: int, end: int, values: Mapping[str, Raw] | None = None) -> dict[str, Member]:
    """Spans of the members of the object at data[start:end]; `values` are its members where they are decoded already.

    Raises InputError when it is no object or names a key twice: such a document cannot be edited unambiguously. The
    decoder folds such members into the last of them, so each value is held against the bytes where it should stand.
    """
    if values is None:
        values = _decode(_OBJECT, data, start, end)
    found: dict[str, Member] = {}
    position = _SPACE.match(data, start + 1).end()  # type: ignore[union-attr]  # \s* always matches
    closed = end - 1
    for key, raw in values.items():
        key_start = position
        literal = b'"%b":' % key.encode()
        value_start = position + len(literal)
        # As most clients write: no white space, no escape in the key. Anything else is matched in full.
        if not data.startswith(literal, position) or data[value_start] <= 0x20:
            head = _KEY.match(data, position)
            if head is None:
                raise _ambiguous(start)
            key_start, value_start = head.start(1), head.end()
        value_end = value_start + len(raw)
        if not data.startswith(raw, value_start):
            raise _ambiguous(start)
        found[key] = Member(key_start, value_start, value_end)
        if data.startswith(b',"', value_end):  # as most clients write
            closed, position = value_end, value_end + 1
            continue
        separator = _SEPARATOR.match(data, value_end)
        if separator is None:
            raise _ambiguous(start)
        closed, position = separator.start(1), separator.end()
    if closed != end - 1:
        raise _ambiguous(start)
    return found


def array_items(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Spans of the items of the array at data[start:end]. Raises InputError when it is no array."""
    spans: list[tuple[int, int]] = []
    position = _SPACE.match(data, start + 1).end()  # type: ignore[union-attr]
    for raw in _decode(_ARRAY, data, start, end):
        item_end = position + len(raw)
        spans.append((position, item_end))
        separator = _SEPARATOR.match(data, item_end)
        if separator is None:
            raise _ambiguous(start)
        position = separator.end()
    return spans


class Known(NamedTuple):
    """Where things stand, as far as that is known already: top-level members, and items of top-level arrays by key."""

    members: Mapping[str, Member]
    arrays: Mapping[str, Sequence[tuple[int, int]]]


def apply(data: bytes, edits: Sequence[Edit], known: Known | None = None) -> bytes:
    """The document with the edits made. No edits: the very same object. Edits must not overlap, and take members out of
    objects only (ValueError).

    Raises InputError when a path leads through something that is not there or cannot be edited.
    """
    if not edits:
        return data
    document = _Document(data, known)
    cuts: list[tuple[int, int, bytes]] = []
    by_parent: dict[Path, list[Edit]] = {}
    for edit in edits:
        by_parent.setdefault(edit.path[:-1], []).append(edit)
    for parent, siblings in by_parent.items():
        cuts += document.cuts(parent, siblings)
    cuts.sort()
    pieces: list[bytes] = []
    position = 0
    for start, end, replacement in cuts:
        if start < position:
            raise ValueError(f"edits overlap at byte {start}: {[edit.path for edit in edits]}")
        pieces += (data[position:start], replacement)
        position = end
    pieces.append(data[position:])
    return b"".join(pieces)


def without_member(data: bytes, key: str) -> bytes:
    """The object `data` as if the member had never been written."""
    return apply(data, [Edit((key,), None)])


class _Document:
    """Finds spans by path; each container on the way is indexed once."""

    def __init__(self, data: bytes, known: Known | None) -> None:
        self.data = data
        start = _SPACE.match(data).end()  # type: ignore[union-attr]
        self._spans: dict[Path, tuple[int, int]] = {(): (start, len(data.rstrip()))}
        self._objects: dict[Path, Mapping[str, Member]] = {(): known.members} if known else {}
        self._arrays: dict[Path, Sequence[tuple[int, int]]] = {}
        if known:
            self._arrays.update({(key,): spans for key, spans in known.arrays.items()})

    def span(self, path: Path) -> tuple[int, int]:
        known = self._spans.get(path)
        if known is None:
            parent, last = path[:-1], path[-1]
            try:
                known = self._array(parent)[last] if isinstance(last, int) else self._object(parent)[last][1:]
            except (KeyError, IndexError):
                raise InputError(f"the request has no {_dotted(path)}") from None
            self._spans[path] = known
        return known

    def cuts(self, parent: Path, edits: list[Edit]) -> Iterable[tuple[int, int, bytes]]:
        """Replacements (start, end, bytes) that make the edits, all of them to members of one container."""
        if isinstance(edits[0].path[-1], int):
            for edit in edits:
                if edit.value is None:
                    raise ValueError(f"{_dotted(edit.path)} is an item of an array: removing it would renumber the others")
                yield (*self.span(edit.path), edit.value)
            return
        members = self._object(parent)
        if len({edit.path for edit in edits}) < len(edits):
            raise ValueError(f"two edits of one member: {[edit.path for edit in edits]}")
        removed: set[str] = set()
        added: list[bytes] = []
        for edit in edits:
            key = str(edit.path[-1])
            if edit.value is None:
                removed.add(key)
            elif key in members:
                yield members[key].start, members[key].end, edit.value
            else:
                added.append(msgspec.json.encode(key) + b":" + edit.value)
        kept = [key for key in members if key not in removed]
        if added:
            close = self.span(parent)[1] - 1
            at = members[kept[-1]].end if kept else close
            yield at, at, (b"," if kept else b"") + b",".join(added)
        yield from _removals(list(members.items()), removed)

    def _object(self, path: Path) -> Mapping[str, Member]:
        if path not in self._objects:
            self._objects[path] = object_members(self.data, *self.span(path))
        return self._objects[path]

    def _array(self, path: Path) -> Sequence[tuple[int, int]]:
        if path not in self._arrays:
            self._arrays[path] = array_items(self.data, *self.span(path))
        return self._arrays[path]


def _removals(members: list[tuple[str, Member]], removed: set[str]) -> Iterable[tuple[int, int, bytes]]:
    """Cuts that take the members out together with exactly one comma each."""
    run_start: int | None = None
    last_kept_end: int | None = None
    for key, member in members:
        if key not in removed:
            if run_start is not None and last_kept_end is None:  # the run stood first: cut up to this key
                yield run_start, member.key_start, b""
            run_start, last_kept_end = None, member.end
        elif last_kept_end is not None:
            start = last_kept_end if run_start is None else run_start
            yield start, member.end, b""
            run_start = member.end
        elif run_start is None:
            run_start = member.key_start
    if run_start is not None and last_kept_end is None:
        yield run_start, members[-1][1].end, b""


def _decode(decoder: msgspec.json.Decoder[_T], data: bytes, start: int, end: int) -> _T:
    try:
        return decoder.decode(memoryview(data)[start:end])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"cannot edit the JSON at byte {start}: {error}") from None


def _ambiguous(start: int) -> InputError:
    return InputError(f"cannot edit the JSON object at byte {start}: a key stands twice")


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)
