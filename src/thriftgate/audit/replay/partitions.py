"""Calls dealt out into partitions, files that are replayed each by itself, wherever that is.

What a cache keeps apart shares nothing, so it may be replayed apart: calls are dealt out by workspace, key and model, and
where there are too many of one, by conversation. A partition is as large as is replayed in bounded memory and time, so all
logs are, whatever their size; only a single conversation is never torn. It is Parquet, in no order; it gets one when it is
read, so that what comes of it is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from thriftgate.audit.calls import Calls
from thriftgate.audit.shards import as_pattern
from thriftgate.audit.table import Table

WHOLE_MAX = 60_000  # calls up to which every policy sees all of them
PARTITION_CALLS = 250_000
READER_MEMORY_LIMIT = "96MB"  # several read at once

BUCKETS = 1_024
WINDOW_US = 6 * 3_600_000_000
SCOPE = "workspace || chr(0) || key || chr(0) || model"
"""What a cache keeps apart."""
CONVERSATION = (
    "workspace || chr(0) || key || chr(0) ||"
    f" case when session <> '' then session else model || chr(0) || (at_us // {WINDOW_US}) end"
)
"""What must not be torn apart: a session; without one, what a workspace asks of a model within some hours."""

_COLUMNS = (
    "at_us, began_us, ended_us, model, mode, geo, workspace, key, session, agent, side, input, write_5m, write_1h,"
    " write_unsplit, read, output, web_searches, max_tokens, stop_reason, cache_untold, iterations, prompt, stabilised,"
    " source, position, call_id, kind"
)
_IN_ORDER = "at_us, source, position, call_id, session, agent, input, read, output"
_FLUSH_ROWS = 16_384  # of each partition, held until they are written


class Partition(Struct, frozen=True):
    """Files of calls that are replayed together, and how many calls."""

    files: tuple[Path, ...]
    calls: int


class Partitions(Struct, frozen=True):
    """All calls dealt out, and a `sample` of them, with the `share` of all that it holds; where there are few, the sample is
    all calls, and they are dealt out into nothing else."""

    dealt: tuple[Partition, ...]
    sample: Partition
    share: float = 1.0


class Deal(Struct, frozen=True):
    """How calls are dealt out. `bucket` and `sampled` are SQL, what sorts a call into a bucket; `parts` are the buckets of
    each partition, `chosen` those of the sample."""

    bucket: str
    parts: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]
    sampled: str
    chosen: tuple[int, ...]
    taken: int


def partitions(calls: Calls, count: int, folder: Path) -> Partitions:
    """Write these calls, `count` of them, into partitions in the folder. Raises duckdb.Error where there is no room."""
    if count <= WHOLE_MAX:
        whole = _written(calls, folder / "whole.parquet", "true", count)
        return Partitions((), whole)
    deal = dealing(calls, count)
    dealt = _dealt(calls, deal, folder)
    where = f"{deal.sampled} in ({', '.join(map(str, deal.chosen))})"
    sample = _written(calls, folder / "sample.parquet", where, deal.taken)
    return Partitions(dealt, sample, deal.taken / count)


def dealing(calls: Calls, count: int) -> Deal:
    """How to take so many calls apart: by what their cache keeps apart, so that nothing is torn that is shared, and, of a
    scope that is more than a partition or two, by conversation. The sample is of whole conversations, at least one."""
    sampled = f"hash('sample' || {CONVERSATION}) % {BUCKETS}"
    chosen: list[int] = []
    taken = 0
    for number, size in sorted(_sizes(calls, sampled)):
        if not chosen or taken + size <= WHOLE_MAX:
            chosen.append(number)
            taken += size
    scope = f"hash({SCOPE}) % {BUCKETS}"
    large = [number for number, size in _sizes(calls, scope) if size > 2 * PARTITION_CALLS]
    bucket = scope
    if large:
        torn = f"({scope} + 1) * {BUCKETS} + hash({CONVERSATION}) % {BUCKETS}"
        bucket = f"case when {scope} in ({', '.join(map(str, large))}) then {torn} else {scope} end"
    parts: list[list[int]] = [[] for _ in range(max(2, -(-count // PARTITION_CALLS)))]
    loads = [0] * len(parts)
    for number, size in _sizes(calls, bucket):
        least = loads.index(min(loads))
        parts[least].append(number)
        loads[least] += size
    kept = [(tuple(part), load) for part, load in zip(parts, loads, strict=True) if part]
    return Deal(bucket, tuple(part for part, _ in kept), tuple(load for _, load in kept), sampled, tuple(chosen), taken)


def _sizes(calls: Calls, bucket: str) -> list[tuple[int, int]]:
    """How many calls are in each bucket, the fullest first."""
    query = f"select {bucket} as bucket, count(*) as size from calls where kind = 'call' group by bucket"
    return [(number, size) for number, size in calls.rows(f"{query} order by size desc, bucket")]


def _dealt(calls: Calls, deal: Deal, folder: Path) -> tuple[Partition, ...]:
    """All calls in one pass, each into its partition."""
    run = calls.connection.execute
    rows = [(number, part) for part, numbers in enumerate(deal.parts) for number in numbers]
    run("create or replace temp table dealt (bucket ubigint, part integer)")
    run("insert into dealt select unnest(?), unnest(?)", [[number for number, _ in rows], [part for _, part in rows]])
    run(f"set partitioned_write_flush_threshold = {_FLUSH_ROWS}")
    run(
        f"copy (select {_COLUMNS}, part from calls join dealt on ({deal.bucket}) = dealt.bucket where kind = 'call')"
        f" to {_quoted(folder / 'parts')} (format parquet, compression zstd, partition_by (part),"
        f" row_group_size {_FLUSH_ROWS})"
    )
    return tuple(
        Partition(tuple(sorted((folder / "parts" / f"part={part}").glob("*.parquet"))), size)
        for part, size in enumerate(deal.sizes)
    )


def _written(calls: Calls, target: Path, where: str, count: int) -> Partition:
    calls.connection.execute(
        f"copy (select {_COLUMNS} from calls where kind = 'call' and {where}) to {_quoted(target)}"
        f" (format parquet, compression zstd, row_group_size {_FLUSH_ROWS})"
    )
    return Partition((target,), count)


@contextmanager
def opened(files: Sequence[Path], folder: Path) -> Iterator[Table]:
    """The calls of a partition as the table `calls`, in order of time; `folder` is for what does not fit into memory. Raises
    duckdb.Error where a file is none, or there is no room."""
    table = Table(folder / "partition.duckdb", memory=READER_MEMORY_LIMIT, threads=1)
    try:
        listed = ", ".join(_quoted(as_pattern(file)) for file in files)
        table.connection.execute(
            f"create table calls as select {_COLUMNS} from read_parquet([{listed}], hive_partitioning = false)"
            f" order by {_IN_ORDER}"
        )
        yield table
    finally:
        table.close()


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
