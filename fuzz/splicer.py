"""The splicer against Python's own JSON parser: an edit changes what it addresses and not one byte more.

The document is the input; which edits are made of it follows from the input, so that a finding stays one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from fuzz import seeds
from fuzz.part import Part, outcome, randomness, unless
from thriftgate.core.errors import InputError
from thriftgate.core.request import parse_request
from thriftgate.core.splice import Edit, Known, Path, apply, array_items, object_members, without_member

_SPACE = " \t\n\r"
_NEW = (b"1.50", b'"new \\u00e9"', b'{"x":[1, 2]}', b"[ ]", b"null", b'"\\ud83d\\ude00"')
_EDITS_MAX = 5
_SCAN: Callable[[str, int], tuple[object, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_ERRORS = (InputError,)


class Node(NamedTuple):
    """A value of the document as an independent reading finds it: its span in bytes, and what is in it."""

    start: int
    end: int
    members: tuple[tuple[str, Node], ...] = ()
    items: tuple[Node, ...] = ()
    kind: str = "scalar"

    @property
    def ambiguous(self) -> bool:
        return len({key for key, _ in self.members}) < len(self.members)


class Unreadable(Exception):
    """No JSON, or none that the reference takes."""


class _Reader:
    """Finds every value of a JSON text. Positions are characters; texts are compared as bytes, see `spans`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.bytes_before = _offsets(text)

    def space(self, at: int) -> int:
        while at < len(self.text) and self.text[at] in _SPACE:
            at += 1
        return at

    def value(self, at: int) -> tuple[Node, int]:
        sign = self.text[at : at + 1]
        if sign == "{":
            return self._object(at)
        if sign == "[":
            return self._array(at)
        try:
            _, end = _SCAN(self.text, at)
        except (StopIteration, ValueError):
            raise Unreadable from None
        if self.text[at:end] in ("NaN", "Infinity", "-Infinity"):
            raise Unreadable
        return self._node(at, end), end

    def _node(self, start: int, end: int, **more: Any) -> Node:
        return Node(self.bytes_before[start], self.bytes_before[end], **more)

    def _object(self, start: int) -> tuple[Node, int]:
        members: list[tuple[str, Node]] = []
        at = self.space(start + 1)
        while self.text[at : at + 1] != "}":
            if self.text[at : at + 1] != '"':
                raise Unreadable
            try:
                key, at = json.decoder.scanstring(self.text, at + 1, True)  # type: ignore[attr-defined]
            except ValueError:
                raise Unreadable from None
            at = self.space(at)
            if self.text[at : at + 1] != ":":
                raise Unreadable
            node, at = self.value(self.space(at + 1))
            members.append((key, node))
            at = self._next(at, "}")
        return self._node(start, at + 1, members=tuple(members), kind="object"), at + 1

    def _array(self, start: int) -> tuple[Node, int]:
        items: list[Node] = []
        at = self.space(start + 1)
        while self.text[at : at + 1] != "]":
            node, at = self.value(at)
            items.append(node)
            at = self._next(at, "]")
        return self._node(start, at + 1, items=tuple(items), kind="array"), at + 1

    def _next(self, at: int, closing: str) -> int:
        """Behind the comma, or at the closing bracket."""
        at = self.space(at)
        if self.text[at : at + 1] == ",":
            at = self.space(at + 1)
            if self.text[at : at + 1] == closing:
                raise Unreadable
        elif self.text[at : at + 1] != closing:
            raise Unreadable
        return at


def _offsets(text: str) -> list[int]:
    """How many bytes stand before each character."""
    found, total = [0], 0
    for one in text:
        total += len(one.encode())
        found.append(total)
    return found


def tree(data: bytes) -> Node | None:
    """The document by the reference; None where it takes it for none."""
    try:
        reader = _Reader(data.decode())
        root, end = reader.value(reader.space(0))
        return root if reader.space(end) == len(reader.text) else None
    except (Unreadable, UnicodeDecodeError, RecursionError):
        return None


def _places(node: Node, path: Path, found: list[tuple[Path, Node]]) -> list[tuple[Path, Node]]:
    """Every value below, with its path. Not what is in an object that names a key twice: nobody can address that."""
    if not node.ambiguous:
        for key, inner in node.members:
            found.append(((*path, key), inner))
            _places(inner, (*path, key), found)
    for at, inner in enumerate(node.items):
        found.append(((*path, at), inner))
        _places(inner, (*path, at), found)
    return found


def check_replacing(data: bytes) -> None:
    """Values replaced anywhere: the bytes around them stay where and what they are."""
    assert apply(data, []) is data
    root = tree(data)
    if root is None or root.kind == "scalar":
        tried = outcome(_ERRORS, lambda: apply(data, [Edit(("a",), b"1")]))
        assert root is None or tried.raised
        return
    random = randomness(data)
    places = _places(root, (), [])
    chosen: list[tuple[Path, Node]] = []
    for place in random.sample(places, min(len(places), random.randint(1, _EDITS_MAX))):
        if all(place[1].end <= other.start or other.end <= place[1].start for _, other in chosen):
            chosen.append(place)
    news = [random.choice(_NEW) for _ in chosen]
    expected = data
    for (_, node), new in sorted(zip(chosen, news, strict=True), key=lambda pair: -pair[0][1].start):
        expected = expected[: node.start] + new + expected[node.end :]
    edits = [Edit(path, new) for (path, _), new in zip(chosen, news, strict=True)]
    made = unless(_ERRORS, lambda: apply(data, edits))
    if made is None:
        assert _stricter(root, data), "refused without a reason"
        return
    assert made == expected


def _stricter(root: Node, data: bytes) -> bool:
    """Whether the parser of the splicer has a reason to refuse what the reference takes: a key twice, a number it will not
    read, a lone surrogate, great depth."""
    return root.ambiguous or not _msgspec_reads(data) or any(node.ambiguous for _, node in _places(root, (), []))


def _msgspec_reads(data: bytes) -> bool:
    import msgspec  # noqa: PLC0415

    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def check_members(data: bytes) -> None:
    """Members added, replaced and removed in one object: order, other members and the white space around them stay."""
    root = tree(data)
    if root is None:
        return
    random = randomness(data)
    objects = [((), root), *_places(root, (), [])]
    objects = [(path, node) for path, node in objects if node.kind == "object" and not node.ambiguous]
    if not objects:
        return
    path, node = random.choice(objects)
    edits, expected = _changes(data, path, node, random)
    made = unless(_ERRORS, lambda: apply(data, edits))
    if made is None:
        assert _stricter(root, data), "refused without a reason"
        return
    assert made[: node.start] == data[: node.start], "bytes before the object"
    behind = len(data) - node.end
    assert made[len(made) - behind :] == data[node.end :], "bytes behind the object"
    after = tree(made[node.start : len(made) - behind])
    assert after is not None
    text = made[node.start :]
    assert [(key, text[one.start : one.end]) for key, one in after.members] == expected


def _changes(data: bytes, path: Path, node: Node, random: Random) -> tuple[list[Edit], list[tuple[str, bytes]]]:
    """Edits of members of one object, and the members that must be there after them."""
    here = {key: data[one.start : one.end] for key, one in node.members}
    pool = [*here, "new", "", 'q"', "é", "cache_control"]
    changed = {
        key: random.choice((None, *_NEW)) for key in random.sample(pool, random.randint(1, min(_EDITS_MAX, len(pool))))
    }
    kept = [(key, changed.get(key, raw)) for key, raw in here.items()]
    added = [(key, raw) for key, raw in changed.items() if key not in here]
    edits = [Edit((*path, key), raw) for key, raw in changed.items()]
    return edits, [(key, raw) for key, raw in (*kept, *added) if raw is not None]


def check_spans(data: bytes) -> None:
    """Members and items stand where the reference finds them, or it is an InputError; what is known changes nothing."""
    root = tree(data)
    start, end = len(data) - len(data.lstrip(b" \t\n\r")), len(data.rstrip())
    members = unless(_ERRORS, lambda: object_members(data, start, end))
    items = unless(_ERRORS, lambda: array_items(data, start, end))
    if root is None:
        return
    if members is not None:
        assert not root.ambiguous
        assert [(key, one.start, one.end) for key, one in members.items()] == [
            (key, node.start, node.end) for key, node in root.members
        ]
        edits = [Edit((key,), b"0") for key in list(members)[::2]]
        assert apply(data, edits, Known(members, {})) == apply(data, edits)
        if "new" not in members:
            assert without_member(apply(data, [Edit(("new",), b"1")]), "new") == data
    elif root.kind == "object":
        assert root.ambiguous or not _msgspec_reads(data)
    if items is not None:
        assert items == [(node.start, node.end) for node in root.items]
    elif root.kind == "array":
        assert not _msgspec_reads(data)


def check_request(data: bytes) -> None:
    """A request that is taken is edited like any document, with what it knows of itself."""
    request = unless(_ERRORS, lambda: parse_request(data))
    if request is None:
        return
    random = randomness(data)
    names = random.sample(sorted(request.members), min(len(request.members), 2))
    edits = [Edit((name,), random.choice((None, b"0"))) for name in names]
    assert apply(data, edits, Known(request.members, {})) == apply(data, edits)
    assert apply(request.body, []) is data


SPLICER = (
    Part("splice_replacing", check_replacing, seeds.documents),
    Part("splice_members", check_members, seeds.documents),
    Part("splice_spans", check_spans, seeds.documents),
    Part("splice_request", check_request, seeds.requests),
)
