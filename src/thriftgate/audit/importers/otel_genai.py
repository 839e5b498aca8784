"""Spans of calls by the GenAI conventions of OpenTelemetry (`gen_ai.*`), current and older names.

Only spans of an operation that is one call count: those of agents and tools repeat what their children used. There is no
standard name for how long cache writes live; the names that some instrumentations have for it are read
(github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-spans.md, 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import asdict

from thriftgate.audit.importers.answers import Buckets, platform_of, writes
from thriftgate.audit.importers.otlp import (
    Attributes,
    InputReading,
    Span,
    claim,
    count,
    first,
    holds_spans,
    of_calls,
    text,
)
from thriftgate.audit.importers.tally import Tally
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import (
    API_ERROR,
    MALFORMED,
    NO_USAGE,
    NOT_A_CALL,
    OTHER_PROVIDER,
    Depth,
    Issue,
    Platform,
    Record,
)
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError

_CALLS = ("chat", "text_completion", "generate_content")
_OLD_CALLS = ("chat", "completion")  # `llm.request.type`, before operations had names
_CLOUDS = {"aws.bedrock": "bedrock", "gcp.vertex_ai": "vertex", "gcp.gen_ai": "vertex", "azure.ai.inference": "azure"}

_INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
_OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
_READ = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.details.cache_read_input_tokens",
    "gen_ai.usage.cached_tokens",
)
_WRITE = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.details.cache_creation_input_tokens",
)
_WRITE_5M = (
    "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens",
    "dash0.gen_ai.usage.cache_creation.ephemeral_5m.input_tokens",
)
_WRITE_1H = (
    "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens",
    "dash0.gen_ai.usage.cache_creation.ephemeral_1h.input_tokens",
)
_THINKING = ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens")
_SESSION = ("gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id")


class OtelGenai:
    """See `contract.Importer`. A call without a conversation belongs to its trace."""

    id = "otel-genai"
    title = "OpenTelemetry GenAI spans (JSON)"
    depth: Depth = "call"
    input_includes_cache: bool | None = None
    cannot_know = (
        "whether cache writes live five minutes or an hour, unless the instrumentation tells by a name of its own",
        "whether the input includes the cached tokens, before an instrumentation first shows that it does not",
        "the service tier, so batches and fast mode are priced as standard",
        "web searches",
        "the prompts: where spans hold them they are not whole requests",
    )

    def sniff(self, head: Head) -> bool:
        return holds_spans(head) and head.has('"gen_ai') and not head.has("openinference.span.kind")

    def read(self, source: Source) -> Iterator[Record | Issue]:
        return of_calls(source, _record)


def _record(source: Source, span: Span, tally: Tally, reading: InputReading) -> Record | None:
    told = span.attributes
    if not _is_call(told):
        tally.add(NOT_A_CALL, span.position)
        return None
    platform = _platform(told)
    model = _model(told, platform)
    if not is_claude(model):
        unnamed = not model and platform == "api"
        tally.add(MALFORMED if unnamed else OTHER_PROVIDER, span.position, "the span names no model" if unnamed else "")
        return None
    if first(told, *_INPUT, *_OUTPUT) is None:
        failed = span.failed or "error.type" in told
        tally.add(API_ERROR if failed else NO_USAGE, span.position)
        return None
    try:
        buckets = _buckets(span, reading)
        max_tokens = count(told, "gen_ai.request.max_tokens")
    except InputError as error:
        tally.add(MALFORMED, span.position, str(error))
        return None
    return Record(
        source=source.name,
        position=span.position,
        at_us=span.start_us or span.end_us,
        at_is_end=not span.start_us and bool(span.end_us),
        ended_us=span.end_us,
        model=model,
        call_id=text(told, "gen_ai.response.id"),
        request_id=text(told, "aws.request_id"),
        session=text(told, *_SESSION) or span.trace,
        agent=text(told, "gen_ai.agent.id", "gen_ai.agent.name"),
        project=span.service,
        user=text(told, "user.id", "enduser.id"),
        platform=platform,
        max_tokens=max_tokens,
        stop_reason=text(told, "gen_ai.response.finish_reasons"),
        reported_pico=claim(first(told, "gen_ai.usage.cost")),
        **asdict(buckets),
    )


def _is_call(told: Attributes) -> bool:
    operation = text(told, "gen_ai.operation.name")
    if operation:
        return operation in _CALLS
    kind = text(told, "llm.request.type")
    if kind:
        return kind in _OLD_CALLS
    return first(told, *_INPUT, *_OUTPUT) is not None and not text(
        told, "gen_ai.agent.name", "agent_name", "gen_ai.tool.name"
    )


def _platform(told: Attributes) -> Platform:
    name = text(told, "gen_ai.provider.name", "gen_ai.system").lower()
    return platform_of(_CLOUDS.get(name, name))


def _model(told: Attributes, platform: Platform) -> str:
    """The model that answered is the exact one; but only the name asked for tells a region."""
    asked, answered = "gen_ai.request.model", "gen_ai.response.model"
    return text(told, asked, answered) if platform in ("bedrock", "vertex") else text(told, answered, asked)


def _buckets(span: Span, reading: InputReading) -> Buckets:
    """Raises InputError for a count that can be none."""
    told = span.attributes
    read = count(told, *_READ)
    five, hour = count(told, *_WRITE_5M), count(told, *_WRITE_1H)
    written = max(count(told, *_WRITE), five + hour)
    split = (five, hour) if first(told, *_WRITE_5M, *_WRITE_1H) is not None else None
    write_5m, write_1h, unsplit = writes(written, split)
    output = count(told, *_OUTPUT)
    return Buckets(
        input=reading.fresh(span.scope, count(told, *_INPUT), read + written),
        write_5m=write_5m,
        write_1h=write_1h,
        write_unsplit=unsplit,
        read=read,
        output=output,
        thinking=min(output, count(told, *_THINKING)),
    )
