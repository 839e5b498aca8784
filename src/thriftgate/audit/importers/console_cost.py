"""The Console's cost export (CSV): what Anthropic charged on a day, by model, key, workspace and kind of token.

Amounts are dollars, rounded to cents in every row; models are display names ("Claude Sonnet 4.5"). Headers as found in
exports of 2024 to 2026; older files lack `context_window`, `cost_type`, `list_price_usd`, `inference_geo` and `speed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from msgspec.structs import replace

from thriftgate.audit.importers.anthropic_terms import bucket_of, mode_of, pico_of
from thriftgate.audit.importers.console_rows import DAY_COLUMN, ConsoleRow, rows
from thriftgate.audit.records import MALFORMED, Depth, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError


class ConsoleCost:
    """See `contract.Importer`. Every row is a charge (`bill_pico`): money charged is never left out."""

    id = "console-cost"
    title = "Console cost export (CSV)"
    depth: Depth = "day"
    input_includes_cache: bool | None = False
    cannot_know = (
        "single calls and token counts: it holds charges",
        "fractions of a cent: every row is rounded",
        "whether cache writes live five minutes or an hour, in files that name one kind of write only",
        "what the priority tier costs: it is not in the file",
    )

    def sniff(self, head: Head) -> bool:
        return {DAY_COLUMN, "cost_usd"} <= set(head.columns)

    def read(self, source: Source) -> Iterator[Record | Issue]:
        for row in rows(source):
            yield row if isinstance(row, Issue) else _record(source, row)


def _record(source: Source, row: ConsoleRow) -> Record | Issue:
    try:
        bill = pico_of(Decimal(row["cost_usd"].removeprefix("$")))
    except (InputError, InvalidOperation):
        return Issue(MALFORMED, source.where(row.line), "cost_usd is no amount of money")
    record = row.record(source, model=row["model"], mode=mode_of(row["usage_type"], row["speed"]) or "standard")
    return replace(record, bill_pico=bill, token_type=_kind(row))


def _kind(row: ConsoleRow) -> str:
    """What the charge is for. Files without `cost_type` tell a charge that is not for tokens by `usage_type`."""
    if not row["token_type"] and row["usage_type"] in {"web_search", "code_execution"}:
        return row["usage_type"]
    return bucket_of(row["cost_type"], row["token_type"])
