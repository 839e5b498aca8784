"""LiteLLM: rows of `LiteLLM_SpendLogs` (JSON, CSV, or the answer of `/spend/logs`), and the `StandardLoggingPayload` that
its S3 and GCS loggers write (BerriAI/litellm, `schema.prisma` and `litellm/types/utils.py`, 1.83.0).

Its `prompt_tokens` include the cached part; the real counts stand in `metadata.usage_object`. `cache_hit` is about LiteLLM's
own store of answers, not about prompt caching. Its `spend` is kept as a claim only: it prices 1-hour writes, batches and
writes without a split wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

from thriftgate.audit.importers.answers import AnswerUsage, Buckets, answer_in, claimed_pico, identity, platform_of
from thriftgate.audit.importers.bodies import Body, body_in, body_of_chat
from thriftgate.audit.importers.rows import decoder, embedded, imported, inside, moment, row_keys, rows
from thriftgate.audit.moments import micros
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import (
    API_ERROR,
    CACHED_ANSWER,
    NO_USAGE,
    OTHER_PROVIDER,
    Depth,
    Issue,
    Record,
)
from thriftgate.audit.sources import Head, Source
from thriftgate.wire.usage import Count

_SPEND_LOG = {"request_id", "call_type", "spend", "startTime"}
_PAYLOAD = {"id", "call_type", "response_cost", "startTime"}
_NATIVE_CALLS = ("anthropic_messages", "aanthropic_messages")
_BATCH_CALLS = ("aretrieve_batch", "retrieve_batch")


class _Metadata(Struct):
    usage_object: AnswerUsage | None = None
    additional_usage_values: AnswerUsage | None = None
    status: str | None = None
    user_api_key: str | None = None
    user_api_key_hash: str | None = None
    user_api_key_team_id: str | None = None
    user_api_key_user_id: str | None = None


class _Parameters(Struct):
    max_tokens: Count | None = None
    stream: bool | None = None
    tools: Raw = Raw(b"null")
    functions: Raw = Raw(b"null")


class _Row(Struct):
    request_id: str | None = None
    id: str | None = None
    call_type: str = ""
    api_key: str | None = None
    spend: str | float | None = None
    response_cost: str | float | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    startTime: str | float | None = None  # noqa: N815  their name
    endTime: str | float | None = None  # noqa: N815
    completionStartTime: str | float | None = None  # noqa: N815
    model: str | None = None
    custom_llm_provider: str | None = None
    user: str | None = None
    end_user: str | None = None
    metadata: Raw = Raw(b"")
    cache_hit: bool | str | None = None
    team_id: str | None = None
    session_id: str | None = None
    trace_id: str | None = None
    agent_id: str | None = None
    status: str | None = None
    stream: bool | None = None
    messages: Raw = Raw(b"")
    response: Raw = Raw(b"")
    model_parameters: Raw = Raw(b"")
    proxy_server_request: Raw = Raw(b"")


_decode = decoder(_Row).decode
_decode_metadata = decoder(_Metadata).decode
_decode_parameters = decoder(_Parameters).decode


class LiteLLM:
    """Calls as LiteLLM's proxy booked them. With prompts stored, whole requests where they can be had faithfully."""

    id = "litellm"
    title = "LiteLLM spend logs and logging payloads (JSON, CSV)"
    depth: Depth = "body"
    input_includes_cache = True
    cannot_know = (
        "the stored messages are those sent to LiteLLM, not what it made of them for the provider",
        "calls in a batch stand as one row with their sum",
        "older versions do not tell whether cache writes live five minutes or an hour",
    )

    def sniff(self, head: Head) -> bool:
        """Whether it has the columns of the spend log or the keys of the payload."""
        keys = row_keys(head, "data")
        return keys >= _SPEND_LOG or keys >= _PAYLOAD

    def read(self, source: Source) -> Iterator[Record | Issue]:
        """One record a row that reached a Claude model and was answered."""
        return imported(source, rows(source, _Row, page="data", mark="call_type"), _decode, _told)


def _told(row: _Row, source: Source, position: int) -> Record | Issue:
    where = source.where(position)
    model = row.model or ""
    metadata = inside(row.metadata, _decode_metadata, _Metadata())
    if row.cache_hit is True or str(row.cache_hit).lower() == "true":
        return Issue(CACHED_ANSWER, where, "answered from LiteLLM's own cache")
    platform = platform_of(row.custom_llm_provider or (model.split("/", 1)[0] if "/" in model else ""))
    if not is_claude(model) or platform == "gateway":
        return Issue(OTHER_PROVIDER, where, "a model that is not Claude, or Claude from another seller")
    if "failure" in (row.status, metadata.status):
        return Issue(API_ERROR, where, "the call failed")
    buckets = _buckets(row, metadata)
    if buckets.empty:
        return Issue(NO_USAGE, where, "no tokens are told")
    call_id, request_id = identity(row.request_id, row.id)
    body = _body(row, model)
    cost = row.response_cost if row.spend is None else row.spend
    batch = row.call_type in _BATCH_CALLS
    fields = asdict(buckets)
    fields["mode"] = "batch" if batch else buckets.mode
    return Record(
        source=source.name,
        position=position,
        at_us=micros(row.startTime),
        began_us=moment(row.completionStartTime),
        ended_us=moment(row.endTime),
        model=model,
        call_id=call_id,
        request_id=request_id,
        calls=0 if batch else 1,
        session=row.session_id or row.trace_id or "",
        agent=row.agent_id or "",
        key=row.api_key or metadata.user_api_key_hash or metadata.user_api_key or "",
        user=row.end_user or row.user or metadata.user_api_key_user_id or "",
        workspace=row.team_id or metadata.user_api_key_team_id or "",
        platform=platform,
        max_tokens=body.max_tokens,
        streamed=bool(row.stream) or body.streamed,
        reported_pico=claimed_pico(cost),
        body=body.json,
        **fields,
    )


def _buckets(row: _Row, metadata: _Metadata) -> Buckets:
    """From the usage object; else from the stored answer; else the columns, which do not tell what was cached."""
    usage = metadata.usage_object or answer_in(row.response).usage
    found = usage.buckets() if usage else None
    if found is not None:
        return found
    extra = metadata.additional_usage_values
    if extra is not None:
        whole = msgspec.structs.replace(extra, prompt_tokens=row.prompt_tokens, completion_tokens=row.completion_tokens)
        return whole.buckets() or Buckets()
    return Buckets(input=row.prompt_tokens or 0, output=row.completion_tokens or 0, cache_untold=True)


def _body(row: _Row, model: str) -> Body:
    """The request: as the proxy got it, if that is stored, else made of the stored messages."""
    whole = body_in(row.proxy_server_request, model, chat=row.call_type not in _NATIVE_CALLS)
    if whole.json:
        return whole
    parameters = inside(row.model_parameters, _decode_parameters, _Parameters())
    limit = parameters.max_tokens or whole.max_tokens
    plain = bytes(parameters.tools) == b"null" and bytes(parameters.functions) == b"null"
    unknown = len(embedded(row.proxy_server_request)) <= len("{}")
    chat = plain and unknown and row.call_type in ("completion", "acompletion")
    return Body(body_of_chat(row.messages, model, limit) if chat else b"", limit, bool(parameters.stream) or whole.streamed)
