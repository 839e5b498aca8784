"""Spans of calls by the conventions of OpenInference (`llm.*`), as Arize and Phoenix store them.

Only spans of kind LLM are calls; those of chains and agents hold the same call again. The prompt count includes cached
tokens (github.com/Arize-ai/openinference, spec/semantic_conventions.md, 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from thriftgate.audit.importers.answers import platform_of
from thriftgate.audit.importers.otlp import InputReading, Span, claim, count, first, holds_spans, of_calls, text
from thriftgate.audit.importers.tally import UNREADABLE, Tally
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import (
    API_ERROR,
    MALFORMED,
    NO_USAGE,
    NOT_A_CALL,
    OTHER_PROVIDER,
    Depth,
    Issue,
    Record,
    checked,
)
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError

_PROMPT, _COMPLETION = "llm.token_count.prompt", "llm.token_count.completion"
_READ, _WRITE = "llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_write"
_THINKING = "llm.token_count.completion_details.reasoning"


class _Parameters(Struct):
    max_tokens: int | None = None


_PARAMETERS = msgspec.json.Decoder(_Parameters)


class OpenInference:
    """See `contract.Importer`. A call without a session belongs to its trace."""

    id = "openinference"
    title = "OpenInference spans (JSON)"
    depth: Depth = "call"
    input_includes_cache: bool | None = None
    cannot_know = (
        "whether cache writes live five minutes or an hour",
        "whether the input includes the cached tokens, before an instrumentation first shows that it does not",
        "the provider's id of a call, so copies of one call in other logs are not known again",
        "the service tier, so batches and fast mode are priced as standard",
        "web searches",
    )

    def sniff(self, head: Head) -> bool:
        return holds_spans(head) and (head.has("openinference.span.kind") or head.has('"openinference"', '"token_count"'))

    def read(self, source: Source) -> Iterator[Record | Issue]:
        return of_calls(source, _record)


def _record(source: Source, span: Span, tally: Tally, reading: InputReading) -> Record | None:
    told = span.attributes
    if text(told, "openinference.span.kind").upper() != "LLM":
        tally.add(NOT_A_CALL, span.position)
        return None
    model = text(told, "llm.model_name")
    if not is_claude(model):
        unnamed = not model and text(told, "llm.provider", "llm.system") == "anthropic"
        tally.add(MALFORMED if unnamed else OTHER_PROVIDER, span.position, "the span names no model" if unnamed else "")
        return None
    if first(told, _PROMPT, _COMPLETION) is None:
        tally.add(API_ERROR if span.failed else NO_USAGE, span.position)
        return None
    try:
        read, written, output = count(told, _READ), count(told, _WRITE), count(told, _COMPLETION)
        fresh = reading.fresh(span.scope, count(told, _PROMPT), read + written)
        thinking = min(output, count(told, _THINKING))
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
        session=text(told, "session.id") or span.trace,
        agent=text(told, "agent.name"),
        project=span.service,
        user=text(told, "user.id"),
        platform=platform_of(text(told, "llm.provider")),
        input=fresh,
        write_unsplit=written,
        read=read,
        output=output,
        thinking=thinking,
        max_tokens=_max_tokens(text(told, "llm.invocation_parameters")),
        stop_reason=text(told, "llm.finish_reason"),
        reported_pico=claim(first(told, "llm.cost.total")),
    )


def _max_tokens(parameters: str) -> int:
    """0 where the parameters tell none."""
    if not parameters:
        return 0
    try:
        return checked(_PARAMETERS.decode(parameters).max_tokens, "max_tokens")
    except (*UNREADABLE, InputError):
        return 0
