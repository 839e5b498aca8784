"""Rows of the CSV files that the Console exports (platform.claude.com, pages Usage and Cost; headers of 2024 to 2026).

Columns come and go with the years, so cells are found by the names in the header. A line is a row: one broken quote does not
swallow the rest of the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

from msgspec import Struct

from thriftgate.audit.importers.anthropic_terms import window_of
from thriftgate.audit.moments import DAY_US, micros
from thriftgate.audit.records import MALFORMED, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError
from thriftgate.core.prices import Mode

DAY_COLUMN = "usage_date_utc"
HOUR_US, MINUTE_US = 3_600_000_000, 60_000_000


class ConsoleRow(Struct, frozen=True):
    """A row with its line, and the time it sums up (microseconds since 1970, and for how long)."""

    line: int
    at_us: int
    span_us: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        """The cell of a column; "" where the file has no such column."""
        return self.cells.get(column, "")

    def record(self, source: Source, *, model: str, mode: Mode) -> Record:
        """What usage and cost rows share; the rest is added by who reads them."""
        return Record(
            source=source.name,
            position=self.line,
            at_us=self.at_us,
            span_us=self.span_us,
            calls=0,
            model=model,
            mode=mode,
            geo=self["inference_geo"],
            context_window=window_of(self["context_window"]),
            key=self["api_key"] or self["api_key_id"],
            workspace=self["workspace"],
        )


def rows(source: Source) -> Iterator[ConsoleRow | Issue]:
    """The rows behind the header. One that has more or fewer cells than the header is not read: it was cut off, or a comma
    too many shifts its numbers."""
    span_us = _span(source.head)
    header: list[str] = []
    for piece in source.lines():
        where = source.where(piece.position)
        try:
            cells = [cell.strip() for cell in next(csv.reader([piece.data.decode(errors="replace")]))]
        except csv.Error:
            yield Issue(MALFORMED, where, "no line of a CSV file")
            continue
        if not header:
            header = cells
        elif not piece.whole or len(cells) != len(header):
            yield Issue(MALFORMED, where, "the row has more or fewer cells than the header")
        else:
            named = dict(zip(header, cells, strict=True))
            try:
                yield ConsoleRow(piece.position, micros(named.get(DAY_COLUMN)), span_us, named)
            except InputError:
                yield Issue(MALFORMED, where, f"{DAY_COLUMN} is no moment")


def _span(head: Head) -> int:
    """For how long each row counts. Files of short periods go down to hours or minutes and do not say so: the finest time
    among the first rows tells."""
    if DAY_COLUMN not in head.columns:
        return DAY_US
    at, finest = head.columns.index(DAY_COLUMN), DAY_US
    for line in head.text.splitlines()[1:]:
        try:
            moment = micros(line.split(",")[at].strip('" ')) if line.count(",") >= at else 0
        except InputError:
            continue
        if moment % HOUR_US:
            return MINUTE_US
        if moment % DAY_US:
            finest = HOUR_US
    return finest
