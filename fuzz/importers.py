"""The importers of an audit: whatever stands in a file, they tell records and issues, and raise nothing."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path

from fuzz import seeds
from fuzz.part import Part
from thriftgate.audit.importers import IMPORTERS
from thriftgate.audit.importers.contract import Importer
from thriftgate.audit.records import COUNT_MAX, Issue, Record
from thriftgate.audit.sources import Source

_REASON = re.compile(r"[a-z]+(_[a-z]+)*")
_MEMORY = Path("/dev/shm")
_COUNTS = ("input", "write_5m", "write_1h", "write_unsplit", "read", "output", "thinking", "web_searches", "max_tokens")


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="thriftgate-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None)


def check(importer: Importer, data: bytes) -> None:
    """Only records that can be believed and issues that can be counted; the same ones when the file is read again."""
    file = Path(_folder().name) / "file.json"
    file.write_bytes(data)
    source = Source(file)
    for one in IMPORTERS:
        one.sniff(source.head)
    told = list(importer.read(source))
    for found in told:
        if isinstance(found, Issue):
            _countable(found, source)
        else:
            _believable(found, source)
    if len(data) % 8 == 0:
        assert list(importer.read(Source(file))) == told


def _countable(issue: Issue, source: Source) -> None:
    assert _REASON.fullmatch(issue.reason), issue
    assert issue.count > 0, issue
    assert issue.where.startswith(source.name), issue


def _believable(record: Record, source: Source) -> None:
    assert record.source == source.name
    assert record.position >= 0
    assert all(0 <= getattr(record, name) <= COUNT_MAX for name in _COUNTS), record
    assert record.thinking <= record.output, record
    assert min(record.span_us, record.calls, record.miss_tokens, record.output_high) >= 0, record
    assert record.output_is_floor or not record.output_high, record


def _part(importer: Importer) -> Part:
    checked: Callable[[bytes], object] = partial(check, importer)
    found: Callable[[], Iterable[bytes]] = partial(seeds.goldens, importer.id)
    return Part(f"importer_{importer.id.replace('-', '_')}", checked, found)


IMPORTER_PARTS = tuple(_part(importer) for importer in IMPORTERS)
