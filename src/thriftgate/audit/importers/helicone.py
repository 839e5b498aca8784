"""Helicone requests: what `@helicone/export` writes (JSON, JSONL, CSV) and pages of `POST /v1/request/query-clickhouse`.

With bodies the answer holds Anthropic's own usage object, which is preferred. The columns come from it: `prompt_tokens` is
the `input_tokens` of an Anthropic call, without the cached part, and `total_tokens` is only `prompt_tokens` plus
`completion_tokens` as the query adds them up, so it cannot tell whether the cached part is in
(github.com/Helicone/helicone, `AnthropicUsageProcessor` and the query of its request store, 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

from thriftgate.audit.importers.answers import Answer, Buckets, answer_in, claimed_pico, identity, platform_of
from thriftgate.audit.importers.bodies import body_in
from thriftgate.audit.importers.rows import decoder, embedded, imported, moment, row_keys, rows
from thriftgate.audit.moments import micros
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import API_ERROR, CACHED_ANSWER, NO_USAGE, OTHER_PROVIDER, Depth, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.wire.usage import Count

_NO_REFERENCE = ("", "00000000-0000-0000-0000-000000000000")
_SESSIONS = ("Helicone-Session-Id", "helicone-session-id", "helicone_session")
_properties = msgspec.json.Decoder(dict[str, object])


class _Row(Struct):
    request_id: str | None = None
    response_id: str | None = None
    request_created_at: str | float | None = None
    response_created_at: str | float | None = None
    response_status: int | None = None
    request_model: str | None = None
    response_model: str | None = None
    model: str | None = None
    model_override: str | None = None
    request_user_id: str | None = None
    helicone_user: str | None = None
    request_properties: Raw = Raw(b"")
    properties: Raw = Raw(b"")
    request_body: Raw = Raw(b"")
    response_body: Raw = Raw(b"")
    provider: str | None = None
    delay_ms: float | None = None
    latency: float | None = None
    time_to_first_token: float | None = None
    prompt_tokens: Count | None = None
    prompt_cache_write_tokens: Count | None = None
    prompt_cache_read_tokens: Count | None = None
    completion_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    cost: str | float | None = None
    cost_usd: str | float | None = msgspec.field(name="costUSD", default=None)
    cache_reference_id: str | None = None
    saved_latency_ms: float | None = None
    saved_prompt_tokens: float | None = None
    saved_completion_tokens: float | None = None


_decode = decoder(_Row).decode


class Helicone:
    """Requests that went through Helicone; with their bodies, where these were exported."""

    id = "helicone"
    title = "Helicone requests (JSON, JSONL, CSV)"
    depth: Depth = "body"
    input_includes_cache = False
    cannot_know = (
        "without bodies: whether cache writes live five minutes or an hour, batch, fast mode and inference geography",
        "in its CSV: what was read from or written to the cache, which is missing from its input too",
    )

    def sniff(self, head: Head) -> bool:
        """Whether its rows tell when a request was created, and of its response."""
        keys = row_keys(head, "data")
        return "request_created_at" in keys and bool({"response_created_at", "response_status", "response_id"} & keys)

    def read(self, source: Source) -> Iterator[Record | Issue]:
        """One record a request that Claude answered."""
        return imported(source, rows(source, _Row, page="data", mark="request_created_at"), _decode, _told)


def _told(row: _Row, source: Source, position: int) -> Record | Issue:
    where = source.where(position)
    saved = row.saved_latency_ms or row.saved_prompt_tokens or row.saved_completion_tokens
    if saved or (row.cache_reference_id or "") not in _NO_REFERENCE:
        return Issue(CACHED_ANSWER, where, "answered from Helicone's own cache")
    answer = answer_in(row.response_body)
    model = answer.model or row.response_model or row.model_override or row.model or row.request_model or ""
    if not is_claude(model):
        return Issue(OTHER_PROVIDER, where, "a model that is not Claude")
    if row.response_status is not None and row.response_status >= 400:
        return Issue(API_ERROR, where, f"the provider answered {row.response_status}")
    buckets = _buckets(row, answer)
    if buckets.empty:
        return Issue(NO_USAGE, where, "no tokens are told")
    at_us = micros(row.request_created_at)
    waited = row.delay_ms if row.delay_ms is not None else row.latency
    body = body_in(row.request_body, model, chat=True)
    call_id, request_id = identity(answer.id, row.request_id or row.response_id)
    return Record(
        source=source.name,
        position=position,
        at_us=at_us,
        began_us=at_us + _micros_of(row.time_to_first_token) if row.time_to_first_token else 0,
        ended_us=at_us + _micros_of(waited) if waited else moment(row.response_created_at),
        model=model,
        call_id=call_id,
        request_id=request_id,
        session=_session(row),
        user=row.request_user_id or row.helicone_user or "",
        platform=platform_of(row.provider),
        max_tokens=body.max_tokens,
        streamed=body.streamed,
        stop_reason=answer.stop,
        reported_pico=claimed_pico(row.cost if row.cost_usd is None else row.cost_usd),
        body=body.json,
        **asdict(buckets),
    )


def _buckets(row: _Row, answer: Answer) -> Buckets:
    found = answer.usage.buckets() if answer.usage is not None else None
    if found is not None:
        return found
    thinking = row.reasoning_tokens or 0
    return Buckets(
        input=row.prompt_tokens or 0,
        write_unsplit=row.prompt_cache_write_tokens or 0,
        read=row.prompt_cache_read_tokens or 0,
        output=(row.completion_tokens or 0) + thinking,
        thinking=thinking,
        cache_untold=row.prompt_cache_read_tokens is None and row.prompt_cache_write_tokens is None,
    )


def _session(row: _Row) -> str:
    for told in (row.request_properties, row.properties):
        if data := embedded(told):
            properties = _properties.decode(data)
            for name in _SESSIONS:
                if (value := properties.get(name)) is not None:
                    return str(value)
    return ""


def _micros_of(milliseconds: float) -> int:
    return max(0, round(milliseconds * 1000))
