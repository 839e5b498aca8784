"""`compress.tables` (unsafe): JSON arrays of like, flat objects become a table.

What: an array of at least three flat objects with (nearly) the same members, as a text, a member of an object, JSON lines or
a fenced block, becomes a fenced CSV block (or TOON, by `Recipe.table_form`), whichever costs the fewest tokens; the fence
tells that its rows are JSON. The form (RFC 4180, with line feeds):
    a bare cell that is a JSON number, true, false or null is that, spelt as it was; any other bare cell is a string
    a quoted cell is always a string; strings that look like numbers or words of JSON, or are empty, are quoted
    a cell with nothing in it: the object has no such member
    an array that is a member of an object stands below the rest of the object, and the fence tells its name
`restore` gives the JSON back: the same values and spelling of numbers, not the escapes of strings nor the fence around it.
Why it saves: names are said once, not in each row: -42 % against minified JSON on eight columns, -56 % against indented.
When it must not: nested values (as a table they cost more), rows that differ, fewer than three; results of tools that read
or edit files; a text whose cells hold a fence; a message that asks for its layout, or whose own words name JSON, its keys,
a schema or jq.
Example: [{"id":1,"zip":"0123","ok":true},{"id":2,"zip":"4567"}, …] ->
    ```csv (JSON rows; quoted = string; empty = absent)
    id,zip,ok
    1,"0123",true
    2,"4567",
Source: RFC 4180 (CSV), toonformat.dev (TOON), 2026-11; measured: benchmarks/README.md, "compress", 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.adopt import shorter, tokens_of
from thriftgate.core.reduction.json_text import LAYOUT, Found, found_in
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.recipe import Recipe, TableForm
from thriftgate.core.tokens import Family

ROWS_LEAST = 3
_ASKS = re.compile(rf"{LAYOUT.pattern}|\b(?:jsonl?|ndjson|keys?|schemas?)\b", re.IGNORECASE)
_ABSENT_MOST = 0.25  # share of cells
_TOON_BYTES_MAX = 256_000  # its library is Python: 15 MB/s
_UNFIT = (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError, TypeError)
_QUOTED = re.compile(r'[",\n\r]|^\s|\s$|^$')
_TYPED = re.compile(r"null|true|false|[+-]?\.?\d[\d.,eE_+-]*", re.IGNORECASE)
_CELL = re.compile(r'(?:"((?:[^"]|"")*+)"|([^",\n]*))([,\n])')
_CSV = re.compile(
    r"(?:^(\{[^\n]*)\n```csv \(JSON rows of (\"(?:[^\"\\\n]|\\.)*+\")|^```csv \(JSON (rows|lines))[^\n]*\)\n(.*?\n)```$",
    re.MULTILINE | re.DOTALL,
)
_TOON = re.compile(r"^```toon \(JSON( lines)?\)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


class _Table(Struct, frozen=True):
    """Rows by column; None where a row has no such member. `rest` is the object that held them, without them, and `member`
    the name they had there, both as JSON; empty where the rows stand alone."""

    columns: tuple[str, ...]
    rows: tuple[tuple[bytes | None, ...], ...]
    rest: bytes = b""
    member: bytes = b""


def rewrite(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
    """The pieces that hold tables, with each that is shorter as one. Raises ImportError where `Recipe.table_form` is "toon"
    and the library is not there."""
    texts: dict[int, str] = {}
    for at, found in found_in(pieces, _ASKS).items():
        parts, last = [], 0
        text = pieces[at].text
        for each in found:
            fenced = each.outer != each.start
            if fenced and text[each.outer] not in "`~":  # a fence within a list or a quote
                continue
            table = _as_table(each, recipe.table_form, capability.tokenizer)
            if table is not None:
                parts += [text[last : each.outer], table]
                last = each.outer_end
        if parts:
            texts[at] = "".join([*parts, text[last:]])
    return shorter(pieces, texts, capability)


def restore(text: str) -> str:
    """The text with each table that `rewrite` made as minified JSON again."""
    return _TOON.sub(_json_of_toon, _CSV.sub(_json_of_csv, text))


def _as_table(found: Found, form: TableForm, family: Family) -> str | None:
    """The shortest of the forms that may be used, None where minified JSON is as short."""
    plain = b"\n".join(found.values)
    if plain.count(b'{"') < ROWS_LEAST:
        return None
    table = _lines_table(found.values) if found.lines else _table(found.values[0])
    if table is None:
        return None
    forms = []
    if form != "toon":
        forms.append(_csv(table, found.lines))
    if form != "csv" and len(plain) <= _TOON_BYTES_MAX:
        forms.append(_toon(found, required=form == "toon"))
    limit = tokens_of(plain.decode(), family)
    counted = [(tokens_of(each, family), each) for each in forms if each is not None]
    best = min(counted, default=(limit, ""), key=lambda one: one[0])
    return best[1] if best[0] < limit else None


# --- reading ---------------------------------------------------------------------------------------------------------


def _table(value: bytes) -> _Table | None:
    """An array of flat objects, or an object with exactly one such member."""
    try:
        if value.startswith(b"["):
            return _rows(msgspec.json.decode(value, type=list[dict[str, Raw]]), value)
        members = msgspec.json.decode(value, type=dict[str, Raw])
    except _UNFIT:
        return None
    if _object(members) != value:  # a repeated or oddly spelt name would be lost
        return None
    arrays = [name for name, member in members.items() if bytes(member).startswith(b'[{"')]
    if len(arrays) != 1:
        return None
    array = bytes(members.pop(arrays[0]))
    found = _table(array)
    rest = _object(members)
    if found is None or b'[{"' in rest or "`" in arrays[0]:
        return None
    return _Table(found.columns, found.rows, rest, msgspec.json.encode(arrays[0]))


def _lines_table(values: Sequence[bytes]) -> _Table | None:
    try:
        return _rows([msgspec.json.decode(value, type=dict[str, Raw]) for value in values], b"[" + b",".join(values) + b"]")
    except _UNFIT:
        return None


def _rows(rows: Sequence[Mapping[str, Raw]], value: bytes) -> _Table | None:
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    cells = len(columns) * len(rows)
    if len(rows) < ROWS_LEAST or not cells or sum(map(len, rows)) < (1 - _ABSENT_MOST) * cells:
        return None
    if b"[" + b",".join([_object(row) for row in rows]) + b"]" != value:
        return None
    raw = tuple(tuple(bytes(row[name]) if name in row else None for name in columns) for row in rows)
    if any(cell is not None and cell[:1] in (b"{", b"[") for row in raw for cell in row):
        return None
    return _Table(columns, raw)


def _object(members: Mapping[str, Raw]) -> bytes:
    return b"{" + b",".join([msgspec.json.encode(name) + b":" + bytes(raw) for name, raw in members.items()]) + b"}"


# --- CSV -------------------------------------------------------------------------------------------------------------


def _csv(table: _Table, lines: bool) -> str | None:
    body = "\n".join([",".join(map(_text_cell, table.columns)), *(",".join(map(_cell, row)) for row in table.rows)])
    if "```" in body or (table.rest and b"```" in table.rest):
        return None
    said = [f"rows of {table.member.decode()}" if table.member else "lines" if lines else "rows"]
    if any(_like_typed(cell) for row in table.rows for cell in row):
        said.append("quoted = string")
    if any(cell is None for row in table.rows for cell in row):
        said.append("empty = absent")
    above = table.rest.decode() + "\n" if table.member else ""
    return f"{above}```csv (JSON {'; '.join(said)})\n{body}\n```"


def _like_typed(cell: bytes | None) -> bool:
    return cell is not None and cell[:1] == b'"' and _TYPED.fullmatch(cell[1:-1].decode()) is not None


def _cell(cell: bytes | None) -> str:
    if cell is None:
        return ""
    if cell[:1] != b'"':
        return cell.decode()
    return _text_cell(msgspec.json.decode(cell, type=str) if b"\\" in cell else cell[1:-1].decode())


def _text_cell(text: str) -> str:
    """A string: bare where it cannot be taken for anything else."""
    if _QUOTED.search(text) or _TYPED.fullmatch(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _json_of_csv(match: re.Match[str]) -> str:
    rest, member, kind, body = match.groups()
    try:
        rows = list(_parsed(body))
        names = [msgspec.json.encode(name).decode() for name, _ in rows[0]]
        objects = [
            "{"
            + ",".join([f"{name}:{_json(*cell)}" for name, cell in zip(names, row, strict=True) if cell != ("", False)])
            + "}"
            for row in rows[1:]
        ]
        if kind == "lines":
            return "\n".join(objects)
        array = f"[{','.join(objects)}]"
        if not member:
            return array
        return f"{rest[:-1]}{',' if rest != '{}' else ''}{member}:{array}}}"
    except ValueError:
        return match.group()


def _parsed(body: str) -> Iterator[list[tuple[str, bool]]]:
    """Rows of cells: the text of each, and whether it was quoted."""
    row: list[tuple[str, bool]] = []
    at = 0
    while at < len(body):
        cell = _CELL.match(body, at)
        if cell is None:
            raise ValueError(f"no CSV at character {at} of the table")
        quoted, bare, ending = cell.groups()
        row.append((bare, False) if quoted is None else (quoted.replace('""', '"'), True))
        if ending == "\n":
            yield row
            row = []
        at = cell.end()


def _json(text: str, quoted: bool) -> str:
    if not quoted:
        try:
            msgspec.json.decode(text.encode(), type=Raw)
            if text[0] not in '"{[':  # such a bare cell is a string
                return text
        except msgspec.MsgspecError:
            pass
    return msgspec.json.encode(text).decode()


# --- TOON ------------------------------------------------------------------------------------------------------------


def _toon(found: Found, *, required: bool) -> str | None:
    """The same in TOON, where its library is there and gives equal values back."""
    try:
        import toon_format  # noqa: PLC0415  an extra
    except ImportError:
        if required:
            raise
        return None
    try:
        values: list[Any] = [msgspec.json.decode(value) for value in found.values]
        value = values if found.lines else values[0]
        text = toon_format.dumps(value)
        if "```" in text or toon_format.loads(text) != value:
            return None
    except _UNFIT:
        return None
    return f"```toon (JSON{' lines' if found.lines else ''})\n{text}\n```"


def _json_of_toon(match: re.Match[str]) -> str:
    import toon_format  # noqa: PLC0415  an extra

    lines, text = match.groups()
    value = toon_format.loads(text)
    return (
        "\n".join([msgspec.json.encode(each).decode() for each in value]) if lines else msgspec.json.encode(value).decode()
    )
