"""thriftgate's own books: the SQLite file of a gateway, read as it is, without changing it.

They tell each call's usage exactly, what it would have cost as its client sent it, and the boundaries of its prompt
(`core/trail.py`), so that its calls can be planned and billed once more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import accumulate
from typing import NamedTuple

import msgspec

from thriftgate.audit.records import MALFORMED, NOT_BILLED, Depth, Issue, PromptBlock, Record
from thriftgate.audit.sources import SQLITE, Head, Source
from thriftgate.core.generations import Generations
from thriftgate.core.prices import Mode
from thriftgate.core.trail import SECTIONS, Trail, TrailBlock, read_trail, walk
from thriftgate.ledger.entries import BASELINE, SAVED, UPSTREAM, Entry, Posting
from thriftgate.ledger.rows import ENTRY_COLUMNS, entry_from_row

PARENTS_KEPT = 20_000  # calls whose prompt a later one may continue
ROUNDED_US = 500  # a time to first byte is kept in whole milliseconds; an answer began no later than this tells
_ABSENT = {
    "read_expected_tokens": "0",
    "write_expected_tokens": "0",
    "miss": "''",
    "sent_us": "0",
    "trail": "x''",
    **dict.fromkeys(("asked_model", "task", "arm", "conversation", "choice", "parent"), "''"),
    "propensity": "1.0",
    **dict.fromkeys(("user_id", "team", "org", "upstream"), "''"),
    "tags": "'[]'",
}
"""Columns that came later, and what older books have for them."""


class ThriftgateLedger:
    """See the module."""

    id = "thriftgate-ledger"
    title = "thriftgate's ledger"
    depth: Depth = "prefix"
    input_includes_cache = False
    cannot_know = ("prompts of calls made with ledger.trails off, or before there were trails",)

    def sniff(self, head: Head) -> bool:
        return head.data.startswith(SQLITE) and head.has("postings", "price_book", "usage_source")

    def read(self, source: Source) -> Iterator[Record | Issue]:
        with source.local() as path:
            try:
                with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                    yield from _records(connection, source)
            except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter where the schema itself is damaged
                yield Issue(MALFORMED, source.name, f"cannot be read as a ledger: {error}")


def _records(connection: sqlite3.Connection, source: Source) -> Iterator[Record | Issue]:
    there = {name for _, name, *_ in connection.execute("pragma table_info(entries)")}
    if not set(ENTRY_COLUMNS) - set(_ABSENT) <= there:
        yield Issue(MALFORMED, source.name, "a database, but no ledger")
        return
    columns = ", ".join(name if name in there else f"{_ABSENT[name]} as {name}" for name in ENTRY_COLUMNS)
    parents: Generations[str, _Parent] = Generations(PARENTS_KEPT)
    rows = connection.execute(f"select {columns} from entries order by opened_us, id")
    postings = connection.cursor()
    for position, row in enumerate(rows, 1):
        told = postings.execute("select account, pico from postings where entry = ?", (row[0],)).fetchall()
        try:
            entry = entry_from_row(row, tuple(Posting(account, pico) for account, pico in told))
        except (msgspec.MsgspecError, ValueError) as error:
            yield Issue(MALFORMED, source.where(position), f"no entry that thriftgate wrote: {type(error).__name__}")
            continue
        blocks, session = _blocks(entry, parents)
        if entry.usage_source == "none":
            yield Issue(NOT_BILLED, source.where(position), entry.outcome)
            continue
        yield _record(entry, blocks, session, source, position)


class _Parent(NamedTuple):
    """A call whose prompt later ones may continue, and the first call of its conversation."""

    blocks: tuple[TrailBlock, ...]
    session: str


def _blocks(entry: Entry, parents: Generations[str, _Parent]) -> tuple[tuple[PromptBlock, ...], str]:
    """The prompt of the call, and its conversation, named by the first call of it; nothing where the books do not tell."""
    if not entry.trail:
        return (), ""
    try:
        trail = read_trail(entry.trail)
    except msgspec.MsgspecError:
        return (), ""
    parent = parents.get(trail.parent)
    blocks = walk(trail, parent.blocks if parent is not None else None)
    if not blocks:
        return (), ""
    session = parent.session if parent is not None else entry.id
    parents[entry.id] = _Parent(blocks, session)
    return _told(blocks, trail), session


def _told(blocks: Sequence[TrailBlock], trail: Trail) -> tuple[PromptBlock, ...]:
    marks, placed = dict(trail.marks), dict(trail.placed)
    ends = accumulate([block.tokens + block.framing for block in blocks])
    return tuple(
        PromptBlock(
            digest=block.digest,
            end=end,
            section=SECTIONS[block.section],
            kind=block.kind,
            index=block.index,
            mark=marks.get(at, ""),
            markable=block.markable,
            item=block.item,
            placed=placed.get(at, ""),
            tokens=block.tokens,
            upper=block.upper,
            framing=block.framing,
        )
        for at, (block, end) in enumerate(zip(blocks, ends, strict=True))
    )


def _record(entry: Entry, blocks: tuple[PromptBlock, ...], session: str, source: Source, position: int) -> Record:
    tokens, sent_us = entry.usage.total, entry.sent_us or entry.opened_us
    mode: Mode = "batch" if entry.mode == "batch" else "fast" if entry.mode == "fast" else "standard"
    return Record(
        source=source.name,
        position=position,
        at_us=sent_us,
        model=entry.served_model or entry.model,
        call_id=entry.message_id,
        request_id=entry.upstream_request_id,
        began_us=sent_us + max(0, entry.ttfb_ms * 1000 - ROUNDED_US),
        ended_us=sent_us + entry.latency_ms * 1000,
        session=session,
        key=entry.key,
        workspace=entry.upstream,
        platform="gateway",
        mode=mode,
        geo=entry.geo,
        input=tokens.input,
        write_5m=tokens.write_5m,
        write_1h=tokens.write_1h,
        read=tokens.read,
        output=tokens.output,
        thinking=tokens.thinking,
        web_searches=entry.usage.web_searches,
        iterations=entry.usage.iterations,
        streamed=entry.stream,
        stop_reason=entry.stop_reason if entry.posted(UPSTREAM) or entry.stop_reason != "refusal" else "refusal",
        reported_pico=-entry.posted(UPSTREAM),
        baseline_pico=entry.posted(BASELINE),
        claimed={
            posting.account.removeprefix(SAVED): -posting.pico
            for posting in entry.postings
            if posting.account.startswith(SAVED)
        },
        estimated=entry.usage_source == "estimated",
        prompt=blocks,
    )
