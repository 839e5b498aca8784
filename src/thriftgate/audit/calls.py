"""All calls of an audit in one queryable table: shards merged, copies of one call put together, controls set aside.

Copies. A provider's answer id names one call: Claude Code writes a call once per content block, again into each fork or
resumed session, and a side question replays its parent's. So records of one `call_id` are one call: the earliest that is no
side question says whose and when, the largest output counts (early copies hold a placeholder). Where a gateway hands out the
same ids again, records of one id differ in their prompts, models or terms: then these, and the request id or the session,
tell them apart. A source that knows only the request id (telemetry events) is joined to one that knows both.

Controls. Sums of a day cover the same spend as single calls do: where there are single calls, sums are set aside; where
there are sums of tokens, charges are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from thriftgate.audit.records import Record
from thriftgate.audit.shards import COLUMNS, Shard
from thriftgate.audit.table import Table

MEMORY_LIMIT = "192MB"

Kind = Literal["call", "sum", "charge"]

_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(Record)}
_NULLABLE = frozenset(name for name, value in _DEFAULTS.items() if value is None)
MERGED_ROWS = 500_000
"""Copies that are merged at a time, about: what bounds the memory, however many there are."""

_PICKS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "best": (
        ("not estimated", "not cache_untold", "write_unsplit = 0", "output", "prompt_counts", "stop_reason <> ''"),
        ("input", "write_5m", "write_1h", "write_unsplit", "read", "cache_untold", "estimated", "stop_reason",
         "stop_category", "miss_reason", "miss_tokens"),
    ),
    "text": (("length(prompt)",), ("prompt", "stabilised", "old_tokens", "new_tokens", "max_tokens")),
}  # fmt: skip
"""Which copies tell a call's tokens, and its text: of each, the one that is greatest by the first terms. What it says of the
second ones counts. A copy that tells how the prompt was cached comes before one that does not, and then the one with the
final output."""

_OR_ELSE = ("call_id", "request_id", "key", "user", "workspace", "platform", "geo", "project", "session")
"""What counts as the first copy tells it, and only where it does not, as another one does."""

_LARGEST = (
    "output", "output_high", "thinking", "web_searches", "iterations", "began_us", "ended_us", "reported_pico",
    "baseline_pico", "claimed", *_OR_ELSE,
)  # fmt: skip

_FIRST = ("side", "project = ''", "session = ''", "at_us", "at_is_end", "source", "position", "output", "request_id")
"""Of several copies the one that says whose the call is and when it was."""


class Calls(Table):
    """Owns a database file. Raises duckdb.Error where it cannot be written or read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, memory=MEMORY_LIMIT, threads=2)
        self.records = 0
        self.set_aside: dict[Kind, int] = {}
        self.connection.execute("set preserve_insertion_order = false")

    def take(self, shards: Sequence[Shard], folder: Path) -> None:
        """Merge the records of these shards into the table `calls`."""
        parquets = [str(folder / shard.parquet) for shard in shards if shard.parquet]
        self._view(parquets)
        self.records = self.count("records")
        run = self.connection.execute
        nameless = self.count("records where call_id = '' and request_id <> ''")
        run(
            "create temp table links as select request_id, min(call_id) as call_id from records"
            f" where {'true' if nameless else 'false'} and request_id <> '' and call_id <> '' group by request_id"
        )
        kind = "case when bill_pico is not null then 'charge' when span_us > 0 then 'sum' else 'call' end as kind"
        run(
            f"create temp view named as select {_listed(but='request_id')}, case when records.call_id <> ''"
            " then records.call_id when links.call_id is not null then links.call_id else 'request ' || request_id end"
            f" as ident, {kind} from records left join links using (request_id)"
            " where records.call_id <> '' or request_id <> ''"
        )
        run(
            "create temp table repeated as select ident, count(*) as copies, min(prompt_counts) = max(prompt_counts)"
            f" and {_one('model')} and {_one('mode')} and {_one('write_1h', 'write_unsplit = 0')} as alike from named"
            " group by ident having count(*) > 1"
        )
        columns = ", ".join(COLUMNS)
        run(
            f"create table calls as select {columns}, kind from named anti join repeated using (ident)"
            f" union all by name select {columns}, {kind} from records where call_id = '' and request_id = ''"
        )
        if self.count("repeated"):
            self._merge(columns)
        self._set_aside()

    def _view(self, parquets: Sequence[str]) -> None:
        chosen = ", ".join(
            name if name in _NULLABLE else f"coalesce({name}, {_default(name)}) as {name}" for name in COLUMNS
        )
        if parquets:
            files = ", ".join("'" + path.replace("'", "''") + "'" for path in parquets)
            source = f"read_parquet([{files}])"
        else:
            source = "(select " + ", ".join(f"null::{kind} as {name}" for name, kind in COLUMNS.items()) + " where false)"
        self.connection.execute(
            f"create temp view records as select {chosen}, coalesce(prompt_counts, 0) as prompt_counts from (select *,"
            " coalesce(input, 0) + coalesce(write_5m, 0) + coalesce(write_1h, 0) + coalesce(write_unsplit, 0)"
            f" + coalesce(read, 0) as prompt_counts from {source})"
        )

    def _merge(self, columns: str) -> None:
        """One row of all copies of a call. Some at a time: a grouping holds whole rows in memory. Those stand side by side,
        so that the table is read once in all, however many there are."""
        row = self.connection.execute("select sum(copies)::bigint from repeated").fetchone()
        parts = -(-(row[0] if row else 0) // MERGED_ROWS)
        self.connection.execute(
            f"create temp table copies as select named.*, hash(ident) % {parts} as slice, case when alike then '' else case"
            " when request_id <> '' then request_id else session || chr(0) || model || chr(0) || mode || chr(0)"
            " || (prompt_counts - input) || chr(0) || write_1h end end as part from named join repeated using (ident)"
            f"{' order by slice' if parts > 1 else ''}"
        )
        terms = [f"max({name}) as most_{name}" for name in _LARGEST]
        for name, (by, told) in _PICKS.items():
            terms.append(f"max({_row(*by, *told)}) as {name}")
        fields = ", ".join(f"{_merged(name)} as {name}" for name in COLUMNS)
        for part in range(parts):
            self.connection.execute(
                f"insert into calls select {columns}, kind from (select {fields}, kind from copies join (select"
                f" {', '.join(terms)}, bool_and(output_is_floor) as only_floors, arg_min(rowid, {_row(*_FIRST)}) as chosen"
                f" from copies where slice = {part} group by ident, kind, part) as merged"
                f" on copies.rowid = merged.chosen where slice = {part})"
            )
        self.connection.execute("drop table copies")

    def _set_aside(self) -> None:
        """Keep the deepest kind of record only; what is set aside is in the table `controls`."""
        run = self.connection.execute
        kinds = {kind for (kind,) in run("select distinct kind from calls").fetchall()}
        order: tuple[Kind, ...] = ("call", "sum", "charge")
        kept = next((kind for kind in order if kind in kinds), "call")
        run("create table controls as select * from calls where kind <> ?", [kept])
        if kinds - {kept}:
            run("delete from calls where kind <> ?", [kept])
            rows = run("select kind, count(*) from controls group by kind").fetchall()
            self.set_aside = dict(rows)


def _default(name: str) -> str:
    """What a shard leaves out, as SQL."""
    value = _DEFAULTS[name]
    if value is msgspec.NODEFAULT and COLUMNS[name] == "BIGINT":
        return "0"
    if isinstance(value, bool | int):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else "''"


def _one(name: str, told: str = "true") -> str:
    """Whether copies agree on it, as far as those that tell an answer's id tell it."""
    where = f"filter (where call_id <> '' and {told})"
    return f"coalesce(min({name}) {where} = max({name}) {where}, true)"


def _row(*terms: str) -> str:
    """A value that is compared term by term."""
    return f"struct_pack({', '.join(f'f{at} := {term}' for at, term in enumerate(terms))})"


def _merged(name: str) -> str:
    """What of several copies of a call holds, as SQL; where it is nothing else, that of the first."""
    if name == "output_is_floor":
        return "only_floors"
    if name == "output_high":
        return "case when only_floors then most_output_high else 0 end"
    found = f"most_{name}" if name in _LARGEST else ""
    for pick, (by, told) in _PICKS.items():
        if name in told:
            found = f"{pick}.f{len(by) + told.index(name)}"
    if name in _OR_ELSE:
        return f"coalesce(nullif({name}, ''), {found})"
    return found or name


def _listed(*, but: str) -> str:
    others = ", ".join(f"records.{name}" for name in COLUMNS if name != but)
    return f"{others}, {but}, prompt_counts"
