"""From files to the two sides of a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import msgspec

from thriftgate.audit.calls import Calls
from thriftgate.audit.find import files, importer_for
from thriftgate.audit.importers.admin_cost import AdminCost
from thriftgate.audit.importers.admin_usage import AdminUsage
from thriftgate.audit.importers.console_cost import ConsoleCost
from thriftgate.audit.importers.console_usage import ConsoleUsage
from thriftgate.audit.importers.contract import Importer
from thriftgate.audit.intake import take_in
from thriftgate.audit.records import NO_USAGE, Record
from thriftgate.audit.shards import COLUMNS
from thriftgate.audit.sources import Source
from thriftgate.core.errors import InputError
from thriftgate.core.usage import Iteration

COST_REPORTS: tuple[Importer, ...] = (AdminCost(), ConsoleCost())
USAGE_REPORTS: tuple[Importer, ...] = (AdminUsage(), ConsoleUsage())

_NEEDED = tuple(name for name in COLUMNS if name not in ("prompt", "claimed"))
_ITERATIONS = msgspec.json.Decoder(tuple[Iteration, ...])


def our_records(paths: Sequence[str], folder: Path) -> Iterator[Record]:
    """The calls that these logs hold, copies of one call put together. `folder` is for scratch files. Raises InputError for
    a path that names nothing, where no call is found, and where the import fails."""
    try:
        yield from _records(paths, folder)
    except (OSError, duckdb.Error) as error:
        raise InputError(f"{', '.join(paths)} cannot be imported: {error}") from None


def _records(paths: Sequence[str], folder: Path) -> Iterator[Record]:
    calls = Calls(folder / "calls.duckdb")
    try:
        intake = take_in(paths, calls, folder)
        if not intake.records:
            why = ", ".join(f"{count} {reason}" for reason, count in intake.skipped.items())
            raise InputError(f"no calls found in {', '.join(paths)}{f' ({why})' if why else ''}")
        for row in calls.rows(f"select {', '.join(_NEEDED)} from calls"):
            values = dict(zip(_NEEDED, row, strict=True))
            values["iterations"] = _ITERATIONS.decode(values["iterations"] or "[]")
            yield Record(**values)
    finally:
        calls.close()


def report_records(paths: Sequence[str], importers: Sequence[Importer], notes: list[str]) -> Iterator[Record]:
    """The rows of the provider's reports. What of them cannot be read is put into `notes`. Raises InputError for a file that
    is no such report or cannot be read."""
    titles = " or ".join(importer.title for importer in importers)
    for path in files(paths):
        source = Source(path)
        skipped: Counter[str] = Counter()
        try:
            importer = importer_for(source.head, importers)
            if importer is None and source.fault is None:
                raise InputError(f"{source.name} is no {titles}")
            for found in importer.read(source) if importer is not None else ():
                if isinstance(found, Record):
                    yield found
                elif found.reason != NO_USAGE:
                    skipped[f"{found.reason}: {found.detail}"] += 1
        except OSError as error:
            raise InputError(f"{source.name} cannot be read: {error}") from None
        if source.fault is not None:  # a part of a bill is no bill
            raise InputError(f"{source.name} cannot be read to its end: {source.fault.detail}")
        notes += [f"{source.name}: {count} rows left out ({reason})" for reason, count in skipped.items()]
