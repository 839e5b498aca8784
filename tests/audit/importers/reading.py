"""Give an importer a file and look at what it makes of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import msgspec

from thriftgate.audit.importers import IMPORTERS
from thriftgate.audit.importers.contract import Importer
from thriftgate.audit.records import Issue, Record
from thriftgate.audit.sources import Head, Source

GOLDEN = Path(__file__).parent / "golden"


class Told(NamedTuple):
    """Records in their order, and how many things of each kind were left out."""

    records: list[Record]
    issues: Counter[str]


def lines(*values: object) -> str:
    """Values as JSON, one a line; texts as they are."""
    return "".join((value if isinstance(value, str) else msgspec.json.encode(value).decode()) + "\n" for value in values)


def read(importer: Importer, path: Path, content: object = None) -> Told:
    """All that an importer tells of a file. `content` is written to it first: texts and bytes as they are, else as JSON. Of
    a folder the file is `log.jsonl`."""
    file = path / "log.jsonl" if path.is_dir() else path
    if content is not None:
        file.write_bytes(_bytes(content))
    told = Told([], Counter())
    for found in importer.read(Source(file)):
        if isinstance(found, Issue):
            told.issues[found.reason] += found.count
        else:
            told.records.append(found)
    return told


def read_values(importer: Importer, folder: Path, *values: object) -> Told:
    """All that an importer tells of a file with these values, one a line."""
    return read(importer, folder, b"".join(_bytes(value) + b"\n" for value in values))


def one(importer: Importer, path: Path, content: object) -> Record:
    """The only record of a file."""
    (record,), issues = read(importer, path, content)
    assert not issues
    return record


def head_of(value: object, name: str = "log.json") -> Head:
    """The head of a file that begins with this value."""
    return Head(name, _bytes(value))


def claims(value: object, name: str = "log.json") -> list[str]:
    """Which of all importers say that a file which begins with this value is theirs."""
    return [importer.id for importer in IMPORTERS if importer.sniff(head_of(value, name))]


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else msgspec.json.encode(value)
