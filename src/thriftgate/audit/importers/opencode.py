"""opencode's own store: a SQLite database with one row for each message.

A message of the assistant is one call. Its input leaves out what was cached; how long cache writes live is not told, and the
cost it claims prices all of them as five-minute ones. The database is only read, also while opencode writes to it. Shapes:
opencode 1.18.33, 2026-11.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from thriftgate.audit.importers.answers import claimed_pico, platform_of
from thriftgate.audit.importers.tally import UNREADABLE, Tally
from thriftgate.audit.moments import micros
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import API_ERROR, MALFORMED, NO_USAGE, NOT_A_CALL, OTHER_PROVIDER, Depth, Issue, Record
from thriftgate.audit.sources import SQLITE, Head, Source
from thriftgate.core.errors import InputError
from thriftgate.wire.usage import Count

_MESSAGES = re.compile(r"CREATE TABLE\s+[`\"\[]?message[`\"\]]?\s*\([^;]*?session_id[^;]*?data", re.IGNORECASE)
_HEADER_BYTES, _WAL_AT, _WAL = 20, 18, b"\x02\x02"
_FILE = re.compile(r"opencode[\w-]*\.db")
_CLOUDS = {"google-vertex-anthropic": "vertex", "google-vertex": "vertex", "azure-cognitive-services": "azure"}


class _Cache(Struct):
    read: Count | None = None
    write: Count | None = None


class _Tokens(Struct):
    total: Count | None = None
    input: Count | None = None
    output: Count | None = None
    reasoning: Count | None = None
    cache: _Cache | None = None


class _Time(Struct):
    created: int | float | None = None
    completed: int | float | None = None


class _Path(Struct):
    cwd: str | None = None


class _Message(Struct):
    role: str | None = None
    model: str | None = msgspec.field(name="modelID", default=None)
    provider: str | None = msgspec.field(name="providerID", default=None)
    cost: float | None = None
    tokens: _Tokens | None = None
    time: _Time | None = None
    finish: str | None = None
    agent: str | None = None
    path: _Path | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")


_MESSAGE = msgspec.json.Decoder(_Message)


class OpenCode:
    """See `contract.Importer`. Sessions that another session started are side work."""

    id = "opencode"
    title = "opencode's database (SQLite)"
    depth: Depth = "call"
    input_includes_cache: bool | None = False
    cannot_know = (
        "whether cache writes live five minutes or an hour",
        "the provider's id of a call, so copies of one call in other logs are not known again",
        "web searches, the service tier and the inference geography",
        "calls that were tried again",
    )

    def sniff(self, head: Head) -> bool:
        if not head.data.startswith(SQLITE):
            return False
        return bool(_MESSAGES.search(head.text) or _FILE.fullmatch(head.name))

    def read(self, source: Source) -> Iterator[Record | Issue]:
        tally = Tally(source)
        with source.local() as path:
            try:
                with closing(sqlite3.connect(_address(path), uri=True)) as database:
                    database.text_factory = _text
                    yield from _records(source, database, tally)
            except (sqlite3.Error, UnicodeDecodeError):
                tally.add(MALFORMED, 0, "the database cannot be read, or is not opencode's")
        yield from tally.issues()


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _address(path: Path) -> str:
    """To open it for reading. SQLite makes files beside a database in WAL mode, even then, unless told that nobody writes:
    which is so where there is no log beside it."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    idle = header[_WAL_AT:] == _WAL and not path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if idle else ''}"


def _records(source: Source, database: sqlite3.Connection, tally: Tally) -> Iterator[Record]:
    """Raises sqlite3.Error, and UnicodeDecodeError where the schema itself is damaged."""
    parents = _children(database)
    for rowid, session, data in database.execute("select rowid, session_id, data from message order by rowid"):
        try:
            message = _MESSAGE.decode(data)
        except (*UNREADABLE, ValueError, TypeError):
            tally.add(MALFORMED, rowid, "no message of this form")
            continue
        record = _record(source, rowid, str(session or ""), message, tally)
        if record is not None:
            yield msgspec.structs.replace(record, side=True) if record.session in parents else record


def _children(database: sqlite3.Connection) -> frozenset[str]:
    """The sessions that another one started."""
    columns = {name for _, name, *_ in database.execute("pragma table_info(session)")}
    if not {"id", "parent_id"} <= columns:
        return frozenset()
    return frozenset(name for (name,) in database.execute("select id from session where parent_id is not null"))


def _record(source: Source, rowid: int, session: str, message: _Message, tally: Tally) -> Record | None:
    if message.role != "assistant":
        tally.add(NOT_A_CALL, rowid)
        return None
    model = message.model or ""
    if message.provider != "anthropic" and not is_claude(model):
        tally.add(OTHER_PROVIDER, rowid)
        return None
    tokens, time = message.tokens or _Tokens(), message.time or _Time()
    cache = tokens.cache or _Cache()
    used = sum(part or 0 for part in (tokens.input, tokens.output, tokens.reasoning, cache.read, cache.write))
    if not used:
        tally.add(API_ERROR if bytes(message.error) != b"null" else NO_USAGE, rowid)
        return None
    try:
        created = micros(time.created)
        completed = micros(time.completed) if time.completed is not None else 0
    except InputError:
        tally.add(MALFORMED, rowid, "the message tells no time")
        return None
    provider = message.provider or ""
    thinking = tokens.reasoning or 0
    output = tokens.output or 0
    if tokens.total is None or tokens.total == used:
        output += thinking  # counted beside the output; else the total shows that they are part of it
    return Record(
        source=source.name,
        position=rowid,
        at_us=created,
        ended_us=completed,
        model=model,
        session=session,
        agent=message.agent or "",
        project=(message.path.cwd or "") if message.path is not None else "",
        platform=platform_of(_CLOUDS.get(provider, provider)),
        input=tokens.input or 0,
        write_unsplit=cache.write or 0,
        read=cache.read or 0,
        output=output,
        thinking=min(output, thinking),
        streamed=True,
        stop_reason=message.finish or "",
        reported_pico=claimed_pico(message.cost),
    )
