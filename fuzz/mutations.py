"""Changes to an input that keep most of its form: JSON is changed as JSON, wherever in the input it stands.

Bytes changed blindly seldom get past a JSON parser. Here a value in the middle of a document, of a line of a log or of an
event of a stream becomes another, is lost, stands twice, is wrapped, or trades places with another.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
from msgspec import Raw

STRANGE = tuple(
    Raw(spelled)
    for spelled in (
        b"null", b"true", b"false", b"0", b"-0", b"-1", b"1", b"1.0", b"1.5", b"-1.5e-7", b"1e400", b"1E+2", b"0.1e1",
        b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"-9223372036854775809",
        b"100000000000000000000000000000000", b"1e308", b"1099511627777",
        b'""', b'" "', b'"x"', b'"0"', b'"-5"', b'"1e999"', b'"NaN"', b'"Infinity"', b'"\\ud800"', b'"\\u0000"', b'"\xff"',
        b'"\\ud83d\\ude00"', b'"a\\nb"', b'"\\r"', '"\u2028"'.encode(), '"٣"'.encode(), '"²"'.encode(),
        b"[]", b"{}", b"[[]]", b"[null]", b"[{}]", b'{"":0}', b'{"a":1,"a":2}', b'{"\\ud800":1}', b'{"type":"text"}',
        b'"2026-11-10T12:00:00Z"', b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:60Z"', b'"99999-01-01"',
        b'"2026-02-30"', b'"claude-opus-5-5"', b'"error"', b'"tool_use"', b'"data:;base64,"', b'"https://["',
        b"[" * 60 + b"]" * 60, b'{"a":' * 40 + b"1" + b"}" * 40, b'"' + b"a" * 300 + b'"', b"01", b"+1", b".5", b"nul", b"",
    )
)  # fmt: skip
_DECODER = msgspec.json.Decoder()
_SIGNS = b'{}[]",:\\\n\r \x00\xff\x80019-+.eE/'
_ROUNDS_MAX = 3

Place = tuple[Any, Any]  # a container, and the key or index in it


def mutated(data: bytes, random: Random) -> bytes:
    """The input with one to three changes, the same for the same randomness."""
    for _ in range(random.randint(1, _ROUNDS_MAX)):
        data = _json_changed(data, random) if random.random() < 0.75 else _bytes_changed(data, random)
    return data


def _json_changed(data: bytes, random: Random) -> bytes:
    """One JSON document in the input, changed; byte changes where none can be read."""
    lines = data.split(b"\n")
    spots = [at for at, line in enumerate(lines) if b"{" in line or b"[" in line]
    if len(spots) > 1 and random.random() < 0.9:
        at = random.choice(spots)
        changed = _document_changed(lines[at], random)
        if changed is not None:
            lines[at] = changed
            return b"\n".join(lines)
    changed = _document_changed(data, random)
    return changed if changed is not None else _bytes_changed(data, random)


def _document_changed(text: bytes, random: Random) -> bytes | None:
    starts = [at for at in (text.find(b"{"), text.find(b"[")) if at >= 0]
    ends = [at for at in (text.rfind(b"}"), text.rfind(b"]")) if at >= 0]
    if not starts or not ends:
        return None
    start, end = min(starts), max(ends) + 1
    try:
        document = {"": _DECODER.decode(text[start:end])}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    places = _places(document, [])
    _CHANGES[random.randrange(len(_CHANGES))](*random.choice(places), places, random)
    try:
        made = msgspec.json.encode(document.get(""))
    except (msgspec.EncodeError, TypeError, ValueError, RecursionError):
        return None
    return text[:start] + made + text[end:]


def _places(container: Any, found: list[Place]) -> list[Place]:
    """Every place in the document that holds a value."""
    keys = list(container) if isinstance(container, dict) else range(len(container))
    for key in keys:
        found.append((container, key))
        if isinstance(container[key], dict | list):
            _places(container[key], found)
    return found


Change = Callable[[Any, Any, list[Place], Random], None]


def _made_strange(container: Any, key: Any, places: list[Place], random: Random) -> None:
    container[key] = random.choice(STRANGE)


def _lost(container: Any, key: Any, places: list[Place], random: Random) -> None:
    if key != "":
        del container[key]


def _taken_from_elsewhere(container: Any, key: Any, places: list[Place], random: Random) -> None:
    other, name = random.choice(places)
    container[key] = Raw(msgspec.json.encode(other[name]))


def _renamed(container: Any, key: Any, places: list[Place], random: Random) -> None:
    names = [name for _, name in places if isinstance(name, str)]
    if isinstance(container, dict) and key != "":
        container[random.choice(names)] = container.pop(key)
    elif isinstance(container, list):
        container.append(container[key])


def _wrapped(container: Any, key: Any, places: list[Place], random: Random) -> None:
    value = Raw(msgspec.json.encode(container[key]))
    container[key] = [value] if random.random() < 0.5 else {"type": value, "content": value}


def _nudged(container: Any, key: Any, places: list[Place], random: Random) -> None:
    value = container[key]
    if isinstance(value, str) and value:
        at = random.randrange(len(value))
        container[key] = value[:at] + random.choice(("", "\\", '"', "\n", "\u2028", "é", "0", ":", "/")) + value[at + 1 :]
    elif isinstance(value, int | float):
        container[key] = random.choice((-value, value * 1_000_003, value + 0.5, str(value), [value]))
    else:
        container[key] = random.choice(STRANGE)


_CHANGES: tuple[Change, ...] = (_made_strange, _made_strange, _lost, _taken_from_elsewhere, _renamed, _wrapped, _nudged)


def _bytes_changed(data: bytes, random: Random) -> bytes:
    """A byte changed, a stretch lost, doubled or moved, or the end cut off."""
    if not data:
        return bytes(random.choice(_SIGNS) for _ in range(random.randint(1, 8)))
    start, end = sorted(random.randrange(len(data) + 1) for _ in range(2))
    end = min(end, start + random.choice((1, 2, 8, 64, 4_096)))
    kind = random.randrange(5)
    if kind == 0:
        return data[:start] + bytes((random.choice(_SIGNS),)) + data[start + 1 :]
    if kind == 1:
        return data[:start] + data[end:]
    if kind == 2:
        return data[:end] + data[start:]
    if kind == 3:
        return data[:start] + bytes(random.choice(_SIGNS) for _ in range(random.randint(1, 4))) + data[start:]
    return data[:start] if random.random() < 0.3 else data[:start] + bytes((random.randrange(256),)) + data[start + 1 :]
