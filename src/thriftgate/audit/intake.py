"""Read every file of an audit, two at a time where there is much to read, and merge it into one table of calls."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import duckdb
from msgspec import Struct

from thriftgate.audit.calls import Calls
from thriftgate.audit.find import files
from thriftgate.audit.findings import SourceSum
from thriftgate.audit.importers import IMPORTERS
from thriftgate.audit.records import DUPLICATE, Depth, deepest
from thriftgate.audit.shards import (
    EXAMPLES_MAX,
    Batch,
    FileSum,
    Shard,
    as_pattern,
    batches,
    import_batch,
    known_shard,
    prepare,
)
from thriftgate.audit.table import no_room
from thriftgate.core.errors import ThriftgateError

PARALLEL_BYTES = 24 * 2**20  # less is read before a second process has started
PROCESSES_MAX = 8

Progress = Callable[[int, int], None]
"""Told how many bytes of how many are done."""


class Intake(Struct, frozen=True):
    """What was read: sums by format, what was skipped, copies merged away."""

    sources: tuple[SourceSum, ...]
    skipped: dict[str, int]
    skipped_examples: dict[str, tuple[str, ...]]
    records: int
    copies: int
    depth: Depth


def take_in(
    paths: Sequence[str],
    calls: Calls,
    folder: Path,
    *,
    format_name: str = "",
    processes: int = 0,
    progress: Progress = lambda _done, _all: None,
) -> Intake:
    """Import what the paths name, into shards in `folder`, and fill `calls`.

    `processes` read side by side at most, 0 for one a core. What was imported into that folder before is not read again,
    so an import that was broken off goes on where it was.
    Raises InputError for a path or format that does not exist, ConfigError where the folder cannot be written, and
    ThriftgateError where a process that imports was killed.
    """
    prepare(folder)
    wanted = batches(files(paths), format_name)
    total = sum(batch.bytes for batch in wanted)
    done = 0
    made: dict[int, Shard] = {}
    try:
        for index, shard in _shards(wanted, folder, processes or min(PROCESSES_MAX, os.cpu_count() or 1)):
            made[index] = shard
            done += wanted[index].bytes
            progress(done, total)
        shards = [made[index] for index in range(len(wanted))]
        calls.take(shards, as_pattern(folder))
    except duckdb.Error as error:
        raise no_room(calls.path.parent, error) from None
    finally:
        for index, shard in made.items():
            if not wanted[index].name and shard.parquet:  # standard input will not come again
                (folder / shard.parquet).unlink(missing_ok=True)
    return _sums(shards, calls)


def _shards(wanted: Sequence[Batch], folder: Path, most: int) -> Iterator[tuple[int, Shard]]:
    """The shard of each batch with its number, in no order."""
    fresh: list[int] = []
    for index, batch in enumerate(wanted):
        known = known_shard(batch, folder)
        if known is None:
            fresh.append(index)
        else:
            yield index, known
    here = [index for index in fresh if not wanted[index].name]  # standard input is this process's alone
    others = [index for index in fresh if wanted[index].name]
    processes = min(most, len(others))
    if processes < 2 or sum(wanted[index].bytes for index in others) < PARALLEL_BYTES:
        here = fresh
    else:
        yield from _in_processes(others, wanted, folder, processes)
    for index in here:
        yield index, import_batch(wanted[index], folder)


def _in_processes(
    chosen: Sequence[int], wanted: Sequence[Batch], folder: Path, processes: int
) -> Iterator[tuple[int, Shard]]:
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_leave_interrupts)
    try:
        waiting = {pool.submit(import_batch, wanted[index], folder): index for index in chosen}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    except BrokenProcessPool:
        raise ThriftgateError(
            "a process that imports was killed, maybe for want of memory; what was imported by then is kept: try again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C reaches all processes; the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _sums(shards: Sequence[Shard], calls: Calls) -> Intake:
    skipped: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    by_format: dict[str, list[FileSum]] = {}
    for shard in shards:
        for reason, found in shard.skipped.items():
            skipped[reason] += found.count
            examples.setdefault(reason, []).extend(found.examples)
        for file in shard.files:
            if file.format:
                by_format.setdefault(file.format, []).append(file)
    written_twice = skipped.pop(DUPLICATE, 0)
    examples.pop(DUPLICATE, None)
    sources = tuple(_source(importer_id, found) for importer_id, found in sorted(by_format.items()))
    aside = sum(calls.set_aside.values())
    depth = deepest([source.depth for source in sources if source.records])
    return Intake(
        sources=sources,
        skipped=dict(skipped.most_common()),
        skipped_examples={reason: tuple(places[:EXAMPLES_MAX]) for reason, places in examples.items()},
        records=calls.records,
        copies=written_twice + calls.records - aside - calls.count("calls"),
        depth=depth,
    )


def _source(importer_id: str, found: Sequence[FileSum]) -> SourceSum:
    importer = next(one for one in IMPORTERS if one.id == importer_id)
    told = [file for file in found if file.records]
    return SourceSum(
        format=importer_id,
        title=importer.title,
        files=len(found),
        bytes=sum(file.bytes for file in found),
        records=sum(file.records for file in found),
        depth=deepest([file.depth for file in told]),
        input_includes_cache=importer.input_includes_cache,
        cannot_know=importer.cannot_know,
        first_us=min((file.first_us for file in told), default=0),
        last_us=max((file.last_us for file in told), default=0),
    )
