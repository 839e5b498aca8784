"""Portkey's log export: JSONL with the columns that were asked for, bodies among them
(portkey.ai/docs/product/observability/logs-export, 2026-08).

It has no columns for the cache: the counts come from the usage object in the stored answer, Anthropic's or OpenAI's form.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

from thriftgate.audit.importers.answers import Buckets, answer_in, claimed_pico, identity, platform_of
from thriftgate.audit.importers.bodies import body_in
from thriftgate.audit.importers.rows import decoder, embedded, imported, row_keys, rows
from thriftgate.audit.moments import micros
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import API_ERROR, CACHED_ANSWER, NO_USAGE, OTHER_PROVIDER, Depth, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.wire.usage import Count

_COLUMNS = {
    "request",
    "response",
    "request.body",
    "response.body",
    "req_units",
    "res_units",
    "total_units",
    "cost",
    "is_success",
    "trace_id",
}
_FAILED = (False, 0, "0", "false", "False")
_metadata = msgspec.json.Decoder(dict[str, object])


class _Row(Struct):
    id: str | None = None
    trace_id: str | None = None
    created_at: str | float | None = None
    request: Raw = Raw(b"")
    response: Raw = Raw(b"")
    request_body: Raw = msgspec.field(name="request.body", default=Raw(b""))
    response_body: Raw = msgspec.field(name="response.body", default=Raw(b""))
    is_success: bool | float | str | None = None
    ai_org: str | None = None
    ai_model: str | None = None
    req_units: Count | None = None
    res_units: Count | None = None
    cost: str | float | None = None
    cost_currency: str | None = None
    response_time: float | None = None
    response_status_code: int | None = None
    cache_status: str | None = None
    metadata: Raw = Raw(b"")


_decode = decoder(_Row).decode


class Portkey:
    """Calls through Portkey's gateway, with requests and answers where these columns were exported."""

    id = "portkey"
    title = "Portkey log export (JSONL)"
    depth: Depth = "body"
    input_includes_cache = None
    cannot_know = (
        "without answers: what was cached",
        "of answers in OpenAI's form: whether cache writes live five minutes or an hour",
        "whether its cost is in cents, as its documentation says; nobody here has checked",
    )

    def sniff(self, head: Head) -> bool:
        """Whether it names the model and its seller in Portkey's words, beside other columns of the export."""
        keys = row_keys(head, "data")
        return bool({"ai_model", "ai_org"} & keys) and len(_COLUMNS & keys) >= 2

    def read(self, source: Source) -> Iterator[Record | Issue]:
        """One record a call that Claude answered."""
        return imported(source, rows(source, _Row, page="data", mark="ai_model"), _decode, _told)


def _told(row: _Row, source: Source, position: int) -> Record | Issue:
    where = source.where(position)
    if "hit" in (row.cache_status or "").lower():
        return Issue(CACHED_ANSWER, where, "answered from Portkey's own cache")
    answer = answer_in(row.response_body if bytes(row.response_body) else row.response)
    model = answer.model or row.ai_model or ""
    if not is_claude(model) and not is_claude(row.ai_model or ""):
        return Issue(OTHER_PROVIDER, where, "a model that is not Claude")
    if row.is_success in _FAILED or (row.response_status_code or 0) >= 400:
        return Issue(API_ERROR, where, "the call failed")
    buckets = answer.usage.buckets() if answer.usage is not None else None
    if buckets is None:
        buckets = Buckets(input=row.req_units or 0, output=row.res_units or 0, cache_untold=True)
    if buckets.empty:
        return Issue(NO_USAGE, where, "no tokens are told")
    at_us = micros(row.created_at)
    body = body_in(row.request_body if bytes(row.request_body) else row.request, model, chat=True)
    call_id, request_id = identity(answer.id, row.id)
    data = embedded(row.metadata)
    told = _metadata.decode(data) if data else {}
    dollars = (row.cost_currency or "USD").upper() == "USD"
    return Record(
        source=source.name,
        position=position,
        at_us=at_us,
        ended_us=at_us + max(0, round(row.response_time * 1000)) if row.response_time else 0,
        model=model,
        call_id=call_id,
        request_id=request_id,
        session=row.trace_id or "",
        user=str(told.get("_user") or ""),
        platform=platform_of(row.ai_org),
        max_tokens=body.max_tokens,
        streamed=body.streamed,
        stop_reason=answer.stop,
        reported_pico=claimed_pico(row.cost, cents=True) if dollars else None,
        body=body.json,
        **asdict(buckets),
    )
