"""Logs on their way to where they can be queried: files → records → one Parquet file a batch, in a folder of their own.

A batch that was imported before, of files that have not changed since, is not read again; so an import that was broken off
goes on where it was, and a log that grew costs what is new in it. A shard holds counts, times, ids and digests, no text; it
is its owner's alone to read. Several audits may use one folder at once: a shard is there as a whole or not at all.
"""

from __future__ import annotations

import csv
import gc
import hashlib
import os
import re
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import msgspec
from msgspec import Struct

from thriftgate.audit.find import importer_for, importer_named, is_companion
from thriftgate.audit.importers.contract import Importer
from thriftgate.audit.prompts import Prompts
from thriftgate.audit.records import MALFORMED, Depth, Issue, Record, deepest
from thriftgate.audit.sources import Source, printable
from thriftgate.core.errors import ConfigError, InputError

VERSION = "1"  # of what an importer makes of a log: a new one imports anew
UNKNOWN_FORMAT = "unknown_format"
UNREADABLE = "unreadable"
ENCODING = "other_encoding"  # text in UTF-16 or UTF-32
COMPANION = "companion"  # what a client keeps beside its logs
EMPTY = "empty_file"
EXAMPLES_MAX = 3
BUFFER_RECORDS = 20_000
BATCH_BYTES = 48 * 2**20
BATCH_BYTES_MAX = 128 * 2**20
BATCH_FILES = 500
BATCH_FILES_MAX = 2_000
LEFT_OVER_S = 86_400  # no import of a batch takes as long: a scratch folder older than that was left behind
UNUSED_S = 90 * 86_400  # a shard that no audit has asked for in that time is deleted
OBJECT_BYTES = 2**24  # one record as JSON, as a rule
MEMORY_LIMIT = "1GB"  # while a shard is written: it needs less, but for lines of many megabytes

_SCRATCH, _WORKING = ".import-", ".audit-"
_PIPED = "stdin-"
_SHARD = re.compile(r"[0-9a-f]{32}\.json")
_GLOB = re.compile(r"[*?\[]")
_AMOUNT_MAX = 2**63 - 1  # pico-USD that a column holds
_ENCODER = msgspec.json.Encoder()
_NOT_KEPT = frozenset({"body"})


class FileSum(Struct, frozen=True):
    """What one file held. `format` is "" where no importer knows it."""

    name: str
    format: str
    bytes: int
    records: int
    depth: Depth
    first_us: int = 0
    last_us: int = 0


class Skipped(Struct):
    """Things of one kind that are no records, and the first few places."""

    count: int = 0
    examples: list[str] = []

    def add(self, count: int, example: str) -> None:
        self.count += count
        if example and len(self.examples) < EXAMPLES_MAX:
            self.examples.append(example)


class Shard(Struct, frozen=True):
    """One imported batch: the Parquet file ("" where it held no record), and what else there is to tell."""

    parquet: str
    files: tuple[FileSum, ...]
    skipped: dict[str, Skipped]
    checksum: int = 0


class Batch(Struct, frozen=True):
    """Files to import together. `name` changes with any of them; None in `paths` is standard input."""

    name: str
    paths: tuple[Path | None, ...]
    bytes: int
    format: str = ""


def batches(paths: Sequence[Path | None], format_name: str = "") -> list[Batch]:
    """Files in batches of some megabytes. Where one ends depends on the files around that place alone, so a new file at the
    end leaves the batches before it as they were, and one that is gone from the middle those further on."""
    made: list[Batch] = []
    held: list[Path | None] = []
    identity: list[bytes] = []
    size = 0
    for path in paths:
        if path is None:
            made.append(Batch("", (None,), 0, format_name))
            continue
        length, changed_ns = _state(path)
        here = os.fsencode(path.absolute())
        identity.append(b"%b\0%d\0%d" % (here, length, changed_ns))
        held.append(path)
        size += length
        full = size >= BATCH_BYTES_MAX or len(held) >= BATCH_FILES_MAX
        enough = size >= BATCH_BYTES or len(held) >= BATCH_FILES
        if full or (enough and hashlib.sha256(here).digest()[0] % 4 == 0):
            made.append(Batch(_name(identity, format_name), tuple(held), size, format_name))
            held, identity, size = [], [], 0
    if held:
        made.append(Batch(_name(identity, format_name), tuple(held), size, format_name))
    return made


def _state(path: Path) -> tuple[int, int]:
    """Size and time of change; zeros where the file has gone since it was found."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


def _name(identity: Iterable[bytes], format_name: str) -> str:
    made_by = ",".join((VERSION, format_name, *(f"{name} {kind}" for name, kind in COLUMNS.items())))
    return hashlib.sha256(b"\n".join((made_by.encode(), *identity))).hexdigest()[:32]


def known_shard(batch: Batch, folder: Path) -> Shard | None:
    """What was made of the batch before; None where nothing was, or what is there is damaged."""
    if not batch.name:
        return None
    told = folder / f"{batch.name}.json"
    try:
        shard = msgspec.json.decode(told.read_bytes(), type=Shard)
        if shard.parquet and _checksum(folder / f"{batch.name}.parquet") != shard.checksum:
            return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    with suppress(OSError):  # it may belong to somebody else
        os.utime(told)
    return shard


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def prepare(folder: Path) -> None:
    """Make the folder that shards are kept in, and delete what nobody needs from it. Raises ConfigError where it cannot be
    written."""
    try:
        str(folder).encode()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _scratch(folder) as scratch:
            _tidy(folder, scratch.stat().st_mtime)
    except UnicodeEncodeError:
        raise ConfigError(f"--cache {printable(str(folder))}: the name is no text in UTF-8; name another folder") from None
    except OSError as error:
        raise _unwritable(folder, error) from None


def _tidy(folder: Path, now_s: float) -> None:
    """By the clock of the file system itself, and passing over what another audit deletes at the same time."""
    for path in folder.iterdir():
        with suppress(OSError):
            age_s = now_s - path.stat().st_mtime
            if path.name.startswith((_SCRATCH, _WORKING, _PIPED)) and age_s > LEFT_OVER_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            elif _SHARD.fullmatch(path.name) and age_s > UNUSED_S:
                path.unlink()
                path.with_suffix(".parquet").unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError | duckdb.Error) -> ConfigError:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
    named = f"--cache {printable(str(folder))}"
    return ConfigError(f"{named}: what is imported cannot be written there ({why}); name another folder, or make room")


def import_batch(batch: Batch, folder: Path) -> Shard:
    """Read the files of a batch into a shard. Raises ConfigError where the folder cannot be written; a file that cannot be
    read is skipped and said."""
    collecting = gc.isenabled()
    gc.disable()  # records hold no cycles, and there are many
    try:
        with _scratch(folder) as scratch:
            return _imported(batch, folder, scratch)
    except (OSError, duckdb.Error) as error:
        raise _unwritable(folder, error) from None
    except _NotWritten as error:
        raise _unwritable(folder, error.why) from None
    finally:
        if collecting:
            gc.enable()


def _imported(batch: Batch, folder: Path, scratch: Path) -> Shard:
    name = batch.name or _PIPED + scratch.name.removeprefix(_SCRATCH)  # standard input is read once and for all
    writer = _Writer(scratch / "records")
    try:
        for path in batch.paths:
            writer.take(Source(path), batch.format)
    finally:
        writer.close()
    parquet, checksum = "", 0
    if writer.records:
        made = scratch / f"{name}.parquet"
        parquet = _to_parquet(scratch / "records", made, writer.longest)
        checksum = _checksum(made)
        made.chmod(0o600)
        made.replace(folder / parquet)
    shard = Shard(parquet, tuple(writer.files), writer.skipped, checksum)
    if batch.name:
        told = scratch / f"{name}.json"
        told.write_bytes(_ENCODER.encode(shard))
        told.chmod(0o600)
        told.replace(folder / told.name)
    return shard


@contextmanager
def working(folder: Path | None) -> Iterator[Path]:
    """A folder for the tables of one audit, deleted with all that is in it. It is inside the one that shards are kept in,
    where there is room for much: the system's folder for temporary files, where it is for None, may be a part of the memory.
    Raises ConfigError where it cannot be made."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="thriftgate-audit-") as temporary:
            yield Path(temporary)
        return
    prepare(folder)
    with _scratch(folder, _WORKING) as made:
        yield made


@contextmanager
def _scratch(folder: Path, prefix: str = _SCRATCH) -> Iterator[Path]:
    """A folder of one's own, inside so that what is made there can be moved into place at once."""
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class _NotWritten(Exception):
    """Told apart from a log that cannot be read."""

    def __init__(self, why: OSError) -> None:
        super().__init__(why)
        self.why = why


class _Writer:
    """Records of several files as lines of JSON in one."""

    def __init__(self, path: Path) -> None:
        self.records = 0
        self.longest = 0
        self.files: list[FileSum] = []
        self.skipped: dict[str, Skipped] = {}
        self._stream = path.open("wb")
        self._buffer: list[bytes] = []
        self._prompts = Prompts()

    def take(self, source: Source, format_name: str) -> None:
        """All that the file tells, or why it tells nothing. Raises ConfigError for what cannot be written."""
        before = self.records
        size = _state(source.path)[0] if source.path is not None else 0
        known, depths = "", set[Depth]()
        times = [0, 0]
        try:
            importer = self._importer(source, format_name)
            if importer is not None:
                known = importer.id
                for found in importer.read(source):
                    if isinstance(found, Record):
                        self._add(found, depths, times)
                    else:
                        self._skip(found.reason, found.count, _text(found))
        except (OSError, InputError, duckdb.Error, csv.Error, sqlite3.Error) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
            self._skip(UNREADABLE, 1, f"{source.name}: {why}")
        except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
            self._skip(UNREADABLE, 1, f"{source.name}: reading it as {known} failed ({type(error).__name__})")
        if source.fault is not None:
            self._skip(source.fault.reason, 1, _text(source.fault))
        depth = deepest(sorted(depths))
        self.files.append(FileSum(source.name, known, size, self.records - before, depth, *times))

    def _importer(self, source: Source, format_name: str) -> Importer | None:
        """Who reads it; None where nobody does, which is said."""
        if source.path is not None and source.path.is_dir():
            self._skip(UNREADABLE, 1, f"{source.name}: the folder cannot be listed")
            return None
        head = source.head
        if head.encoding:
            self._skip(ENCODING, 1, f"{source.name}: text in {head.encoding}; convert it to UTF-8")
            return None
        if not head.data.strip():
            if source.fault is None:
                self._skip(EMPTY, 1, source.name)
            return None
        importer = importer_named(format_name) if format_name else importer_for(head)
        if importer is None:
            self._skip(COMPANION if is_companion(head.name) else UNKNOWN_FORMAT, 1, source.name)
        return importer

    def _add(self, record: Record, depths: set[Depth], times: list[int]) -> None:
        if (wrong := _impossible(record)) is not None:
            self._skip(MALFORMED, 1, f"{record.source}:{record.position}: {wrong}")
            return
        if record.span_us:
            depths.add("day")
        elif record.body:
            depths.add("body")
            record = self._prompts.of(record)
        else:
            depths.add("prefix" if record.prompt else "call")
        at_us = record.at_us
        times[1] = max(times[1], at_us)
        if at_us < times[0] or not times[0]:
            times[0] = at_us
        try:
            line = _ENCODER.encode(record)
        except UnicodeEncodeError:  # the name of a file that is no text
            line = _ENCODER.encode(_printable(record))
        self.longest = max(self.longest, len(line))
        self._buffer.append(line)
        self.records += 1
        if len(self._buffer) >= BUFFER_RECORDS:
            self._flush()

    def _skip(self, reason: str, count: int, example: str) -> None:
        skipped = self.skipped.get(reason)
        if skipped is None:
            skipped = self.skipped[reason] = Skipped()
        skipped.add(count, example)

    def _flush(self) -> None:
        try:
            self._stream.write(b"\n".join((*self._buffer, b"")))
            self._stream.flush()
        except OSError as error:
            raise _NotWritten(error) from None
        self._buffer.clear()

    def close(self) -> None:
        try:
            self._flush()
        finally:
            self._stream.close()


def _text(issue: Issue) -> str:
    return f"{issue.where}: {issue.detail}" if issue.detail else issue.where


def _impossible(record: Record) -> str | None:
    """What of a record no column holds, in words."""
    if record.at_us < 0:
        return "a time before 1970"
    for amount in (record.reported_pico, record.bill_pico, record.baseline_pico):
        if amount is not None and abs(amount) > _AMOUNT_MAX:
            return "an amount of money that none can be"
    return None


def _printable(record: Record) -> Record:
    texts = {name: getattr(record, name) for name, kind in COLUMNS.items() if kind == "VARCHAR"}
    return msgspec.structs.replace(
        record, **{name: printable(text) for name, text in texts.items() if isinstance(text, str)}
    )


def _to_parquet(lines: Path, target: Path, longest: int = 0) -> str:
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    rows = (
        f"read_json('{_quoted(as_pattern(lines))}', format='newline_delimited', columns={{{columns}}},"
        f" maximum_object_size={max(OBJECT_BYTES, longest + 1)})"
    )
    with duckdb.connect(
        config={"threads": 1, "temp_directory": str(lines.parent), "memory_limit": MEMORY_LIMIT}
    ) as connection:
        connection.execute(f"copy (select * from {rows}) to '{_quoted(target)}' (format parquet, compression zstd)")
    return target.name


def as_pattern(path: Path) -> Path:
    """The path for DuckDB, which takes every name of a file to be read for a pattern, even where there is one called so."""
    return Path(_GLOB.sub(r"[\g<0>]", str(path)))


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _columns() -> dict[str, str]:
    """Columns of a shard: the fields of a record, those with lists as JSON text."""
    kinds = {int: "BIGINT", bool: "BOOLEAN", str: "VARCHAR", int | None: "BIGINT"}
    columns: dict[str, str] = {}
    for field in msgspec.structs.fields(Record):
        if field.name not in _NOT_KEPT:
            columns[field.name] = kinds.get(field.type, "VARCHAR")
    return columns


COLUMNS = _columns()
