"""LangSmith runs: JSONL and JSON of the SDK or the API, and the Parquet files of a bulk export
(docs.langchain.com/langsmith/run-data-format and …/data-export, 2026-08).

Its inputs include the cached part. Where the split of the writes is told, langchain-anthropic (1.7.7) sets `cache_creation`
to 0 and puts the tokens in `ephemeral_5m_input_tokens` and `ephemeral_1h_input_tokens` alone. Runs of a chain repeat the
tokens of the calls inside: only runs of type "llm" are calls.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Raw, Struct
from msgspec.structs import asdict

from thriftgate.audit.importers.answers import AnswerUsage, Buckets, claimed_pico, identity, platform_of, uncached, writes
from thriftgate.audit.importers.rows import decoder, embedded, imported, inside, moment, parquet_has, row_keys, rows
from thriftgate.audit.moments import micros
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import API_ERROR, NO_USAGE, NOT_A_CALL, OTHER_PROVIDER, Depth, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.wire.usage import Count


class _InputDetails(Struct):
    cache_read: Count | None = None
    cache_creation: Count | None = None
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None
    ephemeral_1hr_input_tokens: Count | None = None  # so the JavaScript SDK spells it


class _OutputDetails(Struct):
    reasoning: Count | None = None


class _UsageMetadata(Struct):
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    input_token_details: _InputDetails | None = None
    output_token_details: _OutputDetails | None = None


class _ResponseMetadata(Struct):
    id: str | None = None
    model: str | None = None
    model_name: str | None = None
    stop_reason: str | None = None
    usage: AnswerUsage | None = None


class _Message(Struct):
    usage_metadata: _UsageMetadata | None = None
    response_metadata: _ResponseMetadata | None = None
    kwargs: _Message | None = None


class _Generation(Struct):
    message: _Message | None = None


class _Outputs(Struct):
    usage_metadata: _UsageMetadata | None = None
    generations: list[list[_Generation] | _Generation] | None = None


class _About(Struct):
    """`extra.metadata`: what the tracing client noted."""

    ls_provider: str | None = None
    ls_model_name: str | None = None
    ls_max_tokens: Count | None = None
    thread_id: str | None = None
    session_id: str | None = None
    conversation_id: str | None = None
    user_id: str | None = None
    usage_metadata: _UsageMetadata | None = None


class _Invocation(Struct):
    model: str | None = None
    model_name: str | None = None
    max_tokens: Count | None = None
    stream: bool | None = None
    streaming: bool | None = None


class _Extra(Struct):
    metadata: _About | None = None
    invocation_params: _Invocation | None = None


class _Run(Struct):
    id: str | None = None
    trace_id: str | None = None
    thread_id: str | None = None
    run_type: str = ""
    start_time: str | float | None = None
    end_time: str | float | None = None
    first_token_time: str | float | None = None
    outputs: Raw = Raw(b"")
    error: str | None = None
    status: str | None = None
    extra: Raw = Raw(b"")
    session_id: str | None = None
    session_name: str | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_token_details: Raw = Raw(b"")
    completion_token_details: Raw = Raw(b"")
    total_cost: str | float | None = None


_decode = decoder(_Run).decode
_decode_outputs = decoder(_Outputs).decode
_decode_extra = decoder(_Extra).decode
_decode_input_details = decoder(_InputDetails).decode
_decode_output_details = decoder(_OutputDetails).decode


class LangSmith:
    """Runs of models, as LangSmith traced them."""

    id = "langsmith"
    title = "LangSmith runs (JSONL, Parquet)"
    depth: Depth = "call"
    input_includes_cache = True
    cannot_know = (
        "the request as the provider got it",
        "whether cache writes that its JavaScript SDK calls 5-minute ones are",
        "whether a run of a model stands for another such run inside it, which then counts twice",
    )

    def sniff(self, head: Head) -> bool:
        """Whether its rows are runs with a type and a trace."""
        if parquet_has(head, "run_type", "trace_id", "start_time"):
            return True
        keys = row_keys(head, "runs")
        return {"id", "run_type"} <= keys and bool({"trace_id", "dotted_order", "parent_run_id"} & keys)

    def read(self, source: Source) -> Iterator[Record | Issue]:
        """One record a run of a Claude model."""
        return imported(source, rows(source, _Run, page="runs", mark="run_type"), _decode, _told)


def _told(run: _Run, source: Source, position: int) -> Record | Issue:
    where = source.where(position)
    if run.run_type != "llm":
        return Issue(NOT_A_CALL, where, "a run that is no call of a model")
    extra = inside(run.extra, _decode_extra, _Extra())
    about, asked = extra.metadata or _About(), extra.invocation_params or _Invocation()
    message = _message(run)
    answer = message.response_metadata or _ResponseMetadata()
    model = answer.model or answer.model_name or about.ls_model_name or asked.model or asked.model_name or ""
    if not is_claude(model):
        return Issue(OTHER_PROVIDER, where, "a model that is not Claude")
    buckets = _buckets(run, message, about)
    if buckets.empty:
        failed = bool(run.error) or run.status == "error"
        return Issue(API_ERROR if failed else NO_USAGE, where, "the call failed" if failed else "no tokens are told")
    call_id, request_id = identity(answer.id, run.id)
    return Record(
        source=source.name,
        position=position,
        at_us=micros(run.start_time),
        began_us=moment(run.first_token_time),
        ended_us=moment(run.end_time),
        model=model,
        call_id=call_id,
        request_id=request_id,
        session=about.thread_id or about.session_id or about.conversation_id or run.thread_id or run.trace_id or "",
        project=run.session_name or run.session_id or "",
        user=about.user_id or "",
        platform=platform_of(about.ls_provider),
        max_tokens=about.ls_max_tokens or asked.max_tokens or 0,
        streamed=bool(asked.stream or asked.streaming or run.first_token_time),
        stop_reason=answer.stop_reason or "",
        reported_pico=claimed_pico(run.total_cost),
        **asdict(buckets),
    )


def _message(run: _Run) -> _Message:
    """The first message of the answer, as LangChain stores it; that of another client has its usage at the top."""
    outputs = inside(run.outputs, _decode_outputs, _Outputs())
    for first in outputs.generations or ():
        generation = first if isinstance(first, _Generation) else next(iter(first), _Generation())
        if generation.message is not None:
            return generation.message.kwargs or generation.message
    return _Message(usage_metadata=outputs.usage_metadata)


def _buckets(run: _Run, message: _Message, about: _About) -> Buckets:
    """From Anthropic's own usage object where LangChain kept it; else the usage metadata; else the columns of the run."""
    answer = message.response_metadata
    if answer is not None and answer.usage is not None and (own := answer.usage.buckets()) is not None and not own.empty:
        return own
    usage = message.usage_metadata or about.usage_metadata
    if usage is not None:
        return _inclusive(usage)
    given, taken = embedded(run.prompt_token_details), embedded(run.completion_token_details)
    return _inclusive(
        _UsageMetadata(
            run.prompt_tokens,
            run.completion_tokens,
            run.total_tokens,
            _decode_input_details(given) if given else None,
            _decode_output_details(taken) if taken else None,
        )
    )


def _inclusive(usage: _UsageMetadata) -> Buckets:
    details = usage.input_token_details
    output = usage.output_tokens or 0
    thinking = (usage.output_token_details or _OutputDetails()).reasoning or 0
    if details is None:
        return Buckets(input=usage.input_tokens or 0, output=output, thinking=min(output, thinking), cache_untold=True)
    five, hour = details.ephemeral_5m_input_tokens, details.ephemeral_1h_input_tokens
    hour = details.ephemeral_1hr_input_tokens if hour is None else hour
    split = None if five is None and hour is None else (five or 0, hour or 0)
    read, written = details.cache_read or 0, max(details.cache_creation or 0, sum(split or ()))
    in_five, in_hour, unsplit = writes(written, split)
    return Buckets(
        input=uncached(usage.input_tokens or 0, read + written, output, usage.total_tokens),
        write_5m=in_five,
        write_1h=in_hour,
        write_unsplit=unsplit,
        read=read,
        output=output,
        thinking=min(output, thinking),
    )
