"""Amazon Bedrock's model invocation logs, as it writes them to S3 or CloudWatch.

One record a call, with request and answer unless they are large (then they stand in files of their own, and only counts are
here). The token counts of a record leave out what was cached, and only the answer tells how long cache writes live:
Anthropic's usage object of InvokeModel, `cacheDetails` of Converse
(docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html and .../APIReference/API_runtime_TokenUsage.html,
2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw, Struct

from thriftgate.audit.importers.answers import AnswerUsage, Buckets, writes
from thriftgate.audit.importers.bodies import body_in
from thriftgate.audit.importers.rows import embedded
from thriftgate.audit.importers.tally import UNREADABLE, Tally, decoded
from thriftgate.audit.moments import micros
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import API_ERROR, MALFORMED, NO_USAGE, NOT_A_CALL, OTHER_PROVIDER, Depth, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError
from thriftgate.wire.usage import Count

_NOTHING = Raw(b"null")
_STREAMS = ("InvokeModelWithResponseStream", "ConverseStream")
_SESSION = ("session_id", "sessionId", "session", "conversation_id")


class _CacheDetail(Struct):
    ttl: str | None = None
    tokens: Count | None = msgspec.field(name="inputTokens", default=None)


class _ConverseUsage(Struct):
    input: Count | None = msgspec.field(name="inputTokens", default=None)
    output: Count | None = msgspec.field(name="outputTokens", default=None)
    read: Count | None = msgspec.field(name="cacheReadInputTokens", default=None)
    written: Count | None = msgspec.field(name="cacheWriteInputTokens", default=None)
    details: list[_CacheDetail] | None = msgspec.field(name="cacheDetails", default=None)


class _Metrics(Struct):
    latency: Count | None = msgspec.field(name="latencyMs", default=None)


class _StreamMetrics(Struct):
    latency: Count | None = msgspec.field(name="invocationLatency", default=None)
    first_byte: Count | None = msgspec.field(name="firstByteLatency", default=None)


class _Message(Struct):
    id: str | None = None
    model: str | None = None
    usage: AnswerUsage | None = None
    stop_reason: str | None = None


class _Delta(Struct):
    stop_reason: str | None = None


class _Metadata(Struct):
    usage: _ConverseUsage | None = None
    metrics: _Metrics | None = None


class _ConverseStop(Struct):
    reason: str | None = msgspec.field(name="stopReason", default=None)


class _StreamEvent(Struct):
    """An event of either kind of stream."""

    type: str | None = None
    message: _Message | None = None
    delta: _Delta | None = None
    usage: AnswerUsage | None = None
    bedrock: _StreamMetrics | None = msgspec.field(name="amazon-bedrock-invocationMetrics", default=None)
    metadata: _Metadata | None = None
    stop: _ConverseStop | None = msgspec.field(name="messageStop", default=None)


class _ConverseAnswer(Struct):
    reason: str | None = msgspec.field(name="stopReason", default=None)
    usage: _ConverseUsage | None = None
    metrics: _Metrics | None = None


class _Input(Struct):
    body: Raw = msgspec.field(name="inputBodyJson", default=_NOTHING)
    input: Count | None = msgspec.field(name="inputTokenCount", default=None)
    read: Count | None = msgspec.field(name="cacheReadInputTokenCount", default=None)
    written: Count | None = msgspec.field(name="cacheWriteInputTokenCount", default=None)


class _Output(Struct):
    body: Raw = msgspec.field(name="outputBodyJson", default=_NOTHING)
    output: Count | None = msgspec.field(name="outputTokenCount", default=None)


class _Identity(Struct):
    arn: str | None = None


class _Log(Struct):
    schema: str | None = msgspec.field(name="schemaType", default=None)
    timestamp: str | int | None = None
    account: str | None = msgspec.field(name="accountId", default=None)
    request_id: str | None = msgspec.field(name="requestId", default=None)
    operation: str | None = None
    model: str | None = msgspec.field(name="modelId", default=None)
    identity: _Identity | None = None
    tags: dict[str, str] | None = msgspec.field(name="requestMetadata", default=None)
    error: str | None = msgspec.field(name="errorCode", default=None)
    input: _Input | None = None
    output: _Output | None = None


class _InferenceConfig(Struct):
    max_tokens: Count | None = msgspec.field(name="maxTokens", default=None)


class _ConverseRequest(Struct):
    config: _InferenceConfig | None = msgspec.field(name="inferenceConfig", default=None)


class _Answer(Struct):
    """What is taken from an answer, of whichever kind."""

    buckets: Buckets | None = None
    id: str = ""
    model: str = ""
    stop_reason: str = ""
    first_byte_ms: int = 0
    took_ms: int = 0


_LOG = msgspec.json.Decoder(_Log)
_MESSAGE = msgspec.json.Decoder(_Message)
_EVENTS = msgspec.json.Decoder(list[_StreamEvent])
_CONVERSE = msgspec.json.Decoder(_ConverseAnswer)
_CONVERSE_REQUEST = msgspec.json.Decoder(_ConverseRequest)


class BedrockLogs:
    """See `contract.Importer`."""

    id = "bedrock-logs"
    title = "Amazon Bedrock model invocation logs (JSON)"
    depth: Depth = "body"
    input_includes_cache: bool | None = False
    cannot_know = (
        "requests and answers that were too large for the log: they are in files of their own, only their counts are here",
        "prompts sent through Converse as Messages requests, so what changed in them",
        "whether cache writes live five minutes or an hour, where the log holds no answers",
        "the models behind application inference profiles, where the log holds no answers",
        "batch inference: it is not in these logs",
    )

    def sniff(self, head: Head) -> bool:
        return "schemaType" in head.keys and head.has('"ModelInvocationLog"')

    def read(self, source: Source) -> Iterator[Record | Issue]:
        tally = Tally(source)
        for position, log in decoded(source, _LOG, tally):
            record = _record(source, position, log, tally)
            if record is not None:
                yield record
        yield from tally.issues()


def _record(source: Source, position: int, log: _Log, tally: Tally) -> Record | None:
    asked, given = log.input or _Input(), log.output or _Output()
    if log.schema != "ModelInvocationLog":
        tally.add(NOT_A_CALL, position)
        return None
    try:
        answer = _answer(bytes(given.body))
        at_us = micros(log.timestamp)
    except InputError as error:
        tally.add(MALFORMED, position, str(error))
        return None
    named = log.model or ""
    model = named if is_claude(named) else answer.model
    if not is_claude(model):
        tally.add(OTHER_PROVIDER, position)
        return None
    buckets = answer.buckets
    if buckets is None and asked.input is None and given.output is None:
        tally.add(API_ERROR if log.error else NO_USAGE, position)
        return None
    if buckets is None:
        buckets = Buckets(asked.input or 0, 0, 0, asked.written or 0, asked.read or 0, given.output or 0)
    body = body_in(asked.body, model)
    tags = log.tags or {}
    return Record(
        source=source.name,
        position=position,
        at_us=at_us,
        began_us=at_us + answer.first_byte_ms * 1000 if answer.first_byte_ms else 0,
        ended_us=at_us + answer.took_ms * 1000 if answer.took_ms else 0,
        model=model,
        call_id=answer.id,
        request_id=log.request_id or "",
        session=next((tags[name] for name in _SESSION if tags.get(name)), ""),
        user=(log.identity.arn or "") if log.identity is not None else "",
        workspace=log.account or "",
        platform="bedrock",
        mode=buckets.mode,
        input=buckets.input,
        write_5m=buckets.write_5m,
        write_1h=buckets.write_1h,
        write_unsplit=buckets.write_unsplit,
        read=buckets.read,
        output=buckets.output,
        thinking=buckets.thinking,
        web_searches=buckets.web_searches,
        iterations=buckets.iterations,
        max_tokens=body.max_tokens or _converse_limit(asked.body),
        streamed=log.operation in _STREAMS,
        stop_reason=answer.stop_reason,
        body=body.json,
    )


def _answer(data: bytes) -> _Answer:
    """The answer of any operation. One that cannot be understood tells nothing; raises InputError where its counts
    contradict each other."""
    try:
        if data[:1] == b"[":
            return _streamed(_EVENTS.decode(data))
        data = embedded(Raw(data))
        if not data:
            return _Answer()
        converse = _CONVERSE.decode(data)
        told = converse.usage
        if converse.reason is not None or (told is not None and told.input is not None):
            took = (converse.metrics.latency or 0) if converse.metrics is not None else 0
            return _Answer(_converse_buckets(told), stop_reason=converse.reason or "", took_ms=took)
        message = _MESSAGE.decode(data)
    except UNREADABLE:
        return _Answer()
    usage = message.usage
    return _Answer(
        usage.buckets() if usage is not None else None, message.id or "", message.model or "", message.stop_reason or ""
    )


def _streamed(events: list[_StreamEvent]) -> _Answer:
    """Put together from the events: counts of a delta are the latest, the start tells how the cache was written."""
    found = _Answer()
    usage: AnswerUsage | None = None
    for event in events:
        message = event.message
        if message is not None:
            found.id, found.model, usage = message.id or "", message.model or "", message.usage
        elif event.usage is not None:
            usage = _laid_over(usage, event.usage)
        if event.delta is not None and event.delta.stop_reason:
            found.stop_reason = event.delta.stop_reason
        if event.stop is not None:
            found.stop_reason = event.stop.reason or ""
        if event.bedrock is not None:
            found.first_byte_ms, found.took_ms = event.bedrock.first_byte or 0, event.bedrock.latency or 0
        if event.metadata is not None:
            found.buckets = _converse_buckets(event.metadata.usage)
            found.took_ms = (event.metadata.metrics.latency or 0) if event.metadata.metrics is not None else 0
    if usage is not None:
        found.buckets = usage.buckets()
    return found


def _laid_over(earlier: AnswerUsage | None, later: AnswerUsage) -> AnswerUsage:
    merged = earlier.merged(later) if earlier is not None else later
    return merged if isinstance(merged, AnswerUsage) else later


def _converse_buckets(told: _ConverseUsage | None) -> Buckets | None:
    """Input and cached tokens do not overlap; `cacheDetails` are the writes by their TTL."""
    if told is None:
        return None
    split: tuple[int, int] | None = None
    if told.details:
        hour = sum(one.tokens or 0 for one in told.details if one.ttl == "1h")
        split = sum(one.tokens or 0 for one in told.details if one.ttl != "1h"), hour
    written = max(told.written or 0, sum(split) if split else 0)
    five, hour, unsplit = writes(written, split)
    return Buckets(told.input or 0, five, hour, unsplit, told.read or 0, told.output or 0)


def _converse_limit(body: Raw) -> int:
    try:
        data = embedded(body)
        config = _CONVERSE_REQUEST.decode(data).config if data else None
    except UNREADABLE:
        return 0
    return (config.max_tokens or 0) if config is not None else 0
