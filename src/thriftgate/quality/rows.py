"""Rows of a small file that people have written: JSONL or CSV, each row with the number of its line."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from thriftgate.batch.jobs_file import require_file
from thriftgate.core.errors import InputError

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_CELL_CHARS_MAX = 2**25
_ROW = msgspec.json.Decoder(dict[str, Any])


class Row(NamedTuple):
    """One row: the line it begins on (from 1), and its values. Cells of a table are texts; empty ones are left out."""

    number: int
    values: dict[str, Any]


class Rows(NamedTuple):
    """All rows of a file. `columns` are those of a table, in its order; () for JSONL."""

    path: Path
    rows: Sequence[Row]
    columns: tuple[str, ...] = ()

    def at(self, number: int) -> str:
        """How messages name a line."""
        return f"{self.path}, line {number}"


def read_rows(path: Path, what: str) -> Rows:
    """All rows that are not blank; `what` they are, in the plural, for messages. A name that ends with .csv or .tsv is a
    table with a head. Raises InputError where the file cannot be read, or holds none."""
    require_file(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 (byte {error.start}): save it as UTF-8, uncompressed") from None
    separator = _SEPARATORS.get(path.suffix.lower())
    rows = _table(path, text, separator) if separator else Rows(path, _lines(path, text, what))
    if not rows.rows:
        raise InputError(f"{path} holds no {what}: write one a line")
    return rows


def check_known(values: Iterable[str], known: Sequence[str]) -> None:
    """Raises InputError for a name that is none of `known`, with the nearest of them."""
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise InputError(f"unknown member {name!r}; {hint}")


def check_unique(places: Mapping[str, int], name: str, number: int) -> None:
    """Raises InputError where a name stands in `places` (name -> line) already."""
    if name in places:
        raise InputError(f"the id {name!r} stands in line {places[name]} already, and in line {number}: ids must be unique")


def _lines(path: Path, text: str, what: str) -> list[Row]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(Row(number, _ROW.decode(line)))
        except msgspec.ValidationError:
            raise InputError(
                f"{path}, line {number}: must be a JSON object; one of the {what} stands on each line"
            ) from None
        except (msgspec.DecodeError, RecursionError) as error:
            reason = str(error).removeprefix("JSON is malformed: ")
            raise InputError(f"{path}, line {number}: not JSON ({reason}); each line is an object of its own") from None
    return rows


def _table(path: Path, text: str, separator: str) -> Rows:
    csv.field_size_limit(_CELL_CHARS_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[Row] = []
    number = 1
    try:
        head = [name.strip() for name in next(reader, [])]
        _check_head(path, head)
        number = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) != len(head):
                    raise InputError(
                        f"{path}, line {number}: {len(cells)} cells, but the head names {len(head)} columns; "
                        "put cells that hold a separator or a line break into double quotes"
                    )
                rows.append(Row(number, {name: cell for name, cell in zip(head, cells, strict=True) if cell.strip()}))
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {number}: not readable as a table: {error}") from None
    return Rows(path, rows, tuple(head))


def _check_head(path: Path, head: Sequence[str]) -> None:
    double = next((name for at, name in enumerate(head) if name in head[:at]), None)
    if double is not None:
        raise InputError(f"{path}: the column {double!r} is named twice")
    if any(not name for name in head):
        raise InputError(f"{path}: a column has no name in the first line")
