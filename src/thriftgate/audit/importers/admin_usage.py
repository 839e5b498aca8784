"""The Admin API's usage report: tokens of a minute, an hour or a day by model, key, workspace, tier and geography.

GET /v1/organizations/usage_report/messages and its newer form under /analytics, which also counts requests
(platform.claude.com/docs/en/api/admin/usage_report/retrieve_messages, 2026-08; anthropic-sdk-python v2.12.0).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from thriftgate.audit.importers.anthropic_terms import NO_MODEL, UNKNOWN_TIER, mode_of, window_of
from thriftgate.audit.importers.report_pages import Placed, ReportRow, by_user, is_report, rows
from thriftgate.audit.records import MALFORMED, NO_USAGE, Depth, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.wire.usage import CacheCreation, Count, ServerToolUse


class _UsageRow(ReportRow):
    uncached_input_tokens: Count | None = 0
    cache_read_input_tokens: Count | None = 0
    cache_creation: CacheCreation | None = None
    output_tokens: Count | None = 0
    server_tool_use: ServerToolUse | None = None


_ROW = msgspec.json.Decoder(_UsageRow)


class AdminUsage:
    """See `contract.Importer`. `uncached_input_tokens` is what its name says: cached tokens stand beside it."""

    id = "admin-usage"
    title = "Admin API usage report (JSON)"
    depth: Depth = "day"
    input_includes_cache: bool | None = False
    cannot_know = (
        "single calls: it holds sums of a minute, an hour or a day",
        "whatever it was not grouped by: model, key, workspace, tier, geography, speed",
        "what the priority tier costs: its tokens are priced as standard ones",
        "how much of the output was thinking, and how long single prompts were",
        "whether all pages of the report were saved",
    )

    def sniff(self, head: Head) -> bool:
        """A page with token counts; one whose buckets are all empty, unless it is named after costs."""
        if head.has('"amount"'):
            return False
        if is_report(head, "uncached_input_tokens"):
            return True
        return is_report(head) and not by_user(head) and "cost" not in head.name.lower()

    def read(self, source: Source) -> Iterator[Record | Issue]:
        for placed in rows(source, _ROW):
            yield placed if isinstance(placed, Issue) else _record(source, placed)


def _record(source: Source, placed: Placed[_UsageRow]) -> Record | Issue:
    row, where = placed.row, source.where(placed.number)
    split = row.cache_creation or CacheCreation()
    searches = row.server_tool_use.web_search_requests if row.server_tool_use is not None else 0
    buckets = (
        row.uncached_input_tokens or 0,
        split.ephemeral_5m_input_tokens or 0,
        split.ephemeral_1h_input_tokens or 0,
        row.cache_read_input_tokens or 0,
        row.output_tokens or 0,
    )
    if not any(buckets) and not searches:
        return Issue(NO_USAGE, where, "the row counts no tokens")
    if not row.model:
        return Issue(NO_MODEL, where, "the row names no model: ask for the report with group_by[]=model")
    mode = mode_of(row.service_tier, row.speed)
    if mode is None:
        return Issue(UNKNOWN_TIER, where, "no known price for this service tier")
    if (row.requests or 0) < 0:
        return Issue(MALFORMED, where, "a negative count of requests")
    fresh, five, hour, read, output = buckets
    return Record(
        source=source.name,
        position=placed.number,
        at_us=placed.at_us,
        span_us=placed.span_us,
        calls=row.requests or 0,
        model=row.model,
        input=fresh,
        write_5m=five,
        write_1h=hour,
        read=read,
        output=output,
        web_searches=searches or 0,
        mode=mode,
        geo=row.inference_geo or "",
        context_window=window_of(row.context_window),
        key=row.api_key_id or "",
        workspace=row.workspace_id or "",
        project=row.product or "",
        user=row.user,
    )
