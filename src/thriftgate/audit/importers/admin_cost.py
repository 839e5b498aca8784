"""The Admin API's cost report: what Anthropic charged on a day, by workspace, model, tier, geography and kind of token.

GET /v1/organizations/cost_report and its newer form under /analytics. `amount` is a decimal text in *cents*: "123.45" is
$1.2345 (platform.claude.com/docs/en/api/admin/cost_report/retrieve, 2026-08; anthropic-sdk-python v2.12.0).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from thriftgate.audit.importers.anthropic_terms import OTHER_CURRENCY, bucket_of, mode_of, pico_of, window_of
from thriftgate.audit.importers.report_pages import Placed, ReportRow, by_user, is_report, rows
from thriftgate.audit.records import MALFORMED, Depth, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError


class _CostRow(ReportRow):
    amount: Decimal | None = None
    currency: str | None = None
    cost_type: str | None = None
    token_type: str | None = None


_ROW = msgspec.json.Decoder(_CostRow)


class AdminCost:
    """See `contract.Importer`. Every row is a charge (`bill_pico`), whether it tells the model or not and whatever its tier:
    money charged is never left out."""

    id = "admin-cost"
    title = "Admin API cost report (JSON)"
    depth: Depth = "day"
    input_includes_cache: bool | None = False
    cannot_know = (
        "single calls and token counts: it holds the charges of a day",
        "which key or user caused a charge",
        "whatever it was not grouped by: model, kind of token, tier and geography need group_by[]=description",
        "what the priority tier costs: it is not in the report",
        "whether all pages of the report were saved",
    )

    def sniff(self, head: Head) -> bool:
        """A page with amounts; one whose buckets are all empty, if it is named after costs."""
        if head.has('"model_breakdown"'):
            return False
        if is_report(head, "amount", "currency"):
            return True
        empty = is_report(head) and not head.has('"uncached_input_tokens"') and not by_user(head)
        return empty and "cost" in head.name.lower()

    def read(self, source: Source) -> Iterator[Record | Issue]:
        for placed in rows(source, _ROW):
            yield placed if isinstance(placed, Issue) else _record(source, placed)


def _record(source: Source, placed: Placed[_CostRow]) -> Record | Issue:
    row, where = placed.row, source.where(placed.number)
    if row.amount is None:
        return Issue(MALFORMED, where, "the row tells no amount")
    if (row.currency or "USD") != "USD":
        return Issue(OTHER_CURRENCY, where, "the amount is not in US dollars")
    try:
        bill = pico_of(row.amount, cents=True)
    except InputError:
        return Issue(MALFORMED, where, "the amount is no amount of money")
    return Record(
        source=source.name,
        position=placed.number,
        at_us=placed.at_us,
        span_us=placed.span_us,
        calls=max(0, row.requests or 0),
        model=row.model or "",
        bill_pico=bill,
        token_type=bucket_of(row.cost_type, row.token_type),
        mode=mode_of(row.service_tier, row.speed) or "standard",
        geo=row.inference_geo or "",
        context_window=window_of(row.context_window),
        workspace=row.workspace_id or "",
        project=row.product or "",
        user=row.user,
    )
