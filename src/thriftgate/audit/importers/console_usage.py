"""The Console's usage export (CSV): tokens of a day, or of minutes, by model, key and workspace.

Headers as found in exports of 2025 and 2026; older files lack `context_window`, `inference_geo` and `speed`.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from thriftgate.audit.importers.anthropic_terms import NO_MODEL, UNKNOWN_TIER, mode_of
from thriftgate.audit.importers.console_rows import DAY_COLUMN, ConsoleRow, rows
from thriftgate.audit.records import MALFORMED, NO_USAGE, Depth, Issue, Record, checked
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError

_COUNTS = {
    "input": "usage_input_tokens_no_cache",
    "write_5m": "usage_input_tokens_cache_write_5m",
    "write_1h": "usage_input_tokens_cache_write_1h",
    "write_unsplit": "usage_input_tokens_cache_write",
    "read": "usage_input_tokens_cache_read",
    "output": "usage_output_tokens",
    "web_searches": "web_search_count",
}


class ConsoleUsage:
    """See `contract.Importer`."""

    id = "console-usage"
    title = "Console usage export (CSV)"
    depth: Depth = "day"
    input_includes_cache: bool | None = False
    cannot_know = (
        "single calls, and how many there were: it holds sums of a day or of minutes",
        "what the priority tier costs: its tokens are priced as standard ones",
        "how much of the output was thinking, and how long single prompts were",
    )

    def sniff(self, head: Head) -> bool:
        columns = head.columns
        return DAY_COLUMN in columns and any(
            name.startswith(("usage_input_tokens", "usage_output_tokens")) for name in columns
        )

    def read(self, source: Source) -> Iterator[Record | Issue]:
        for row in rows(source):
            yield row if isinstance(row, Issue) else _record(source, row)


def _record(source: Source, row: ConsoleRow) -> Record | Issue:
    where = source.where(row.line)
    try:
        counts = {name: checked(row[column] or None, column) for name, column in _COUNTS.items()}
    except InputError as error:
        return Issue(MALFORMED, where, str(error))
    if not any(counts.values()):
        return Issue(NO_USAGE, where, "the row counts no tokens")
    model = row["model_version"] or row["model"]
    if not model:
        return Issue(NO_MODEL, where, "the row names no model")
    mode = mode_of(row["usage_type"], row["speed"])
    if mode is None:
        return Issue(UNKNOWN_TIER, where, "no known price for this kind of usage")
    return replace(row.record(source, model=model, mode=mode), **counts)
