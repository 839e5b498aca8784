"""Langfuse observations: pages of the API, JSON and JSONL exports, CSV, and the files of its blob-storage export
(langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields, 2026-08; SDK 5.0.4).

What `usageDetails` counts is up to who sent it. Through OpenTelemetry Langfuse makes the counts disjoint, with reasoning
outside `output`; a client of the plain SDK may send an input that includes the cached part. The total tells which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

from thriftgate.audit.importers.answers import Buckets, claimed_pico, identity, writes
from thriftgate.audit.importers.bodies import body_in
from thriftgate.audit.importers.rows import decoder, embedded, imported, inside, moment, parquet_has, row_keys, rows
from thriftgate.audit.moments import micros
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import API_ERROR, NO_USAGE, NOT_A_CALL, OTHER_PROVIDER, Depth, Issue, Record, checked
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError
from thriftgate.wire.usage import Count

_INPUT = ("input", "input_tokens", "prompt_tokens", "promptTokens")
_OUTPUT = ("output", "output_tokens", "completion_tokens", "completionTokens")
_READ = ("input_cached_tokens", "input_cache_read", "cache_read_input_tokens", "input_cache_read_tokens", "cache_read")
_WRITE = ("input_cache_creation", "cache_creation_input_tokens", "input_cache_creation_tokens", "cache_creation")
_WRITE_5M = ("input_cache_creation_5m", "ephemeral_5m_input_tokens", "cache_creation_5m")
_WRITE_1H = ("input_cache_creation_1h", "ephemeral_1h_input_tokens", "cache_creation_1h")
_REASONING = ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens")
_TOTAL = ("total", "total_tokens", "totalTokens")
_COUNTED = {"usageDetails", "usage_details", "providedUsageDetails", "provided_usage_details"}

_Details = dict[str, float | None]
_details = msgspec.json.Decoder(_Details, strict=False)


class _Parameters(Struct):
    max_tokens: Count | None = None
    stream: bool | None = None


class _Observation(Struct):
    id: str | None = None
    trace_id: str | None = None
    type: str = ""
    start_time: str | float | None = None
    end_time: str | float | None = None
    completion_start_time: str | float | None = None
    model: str | None = None
    provided_model_name: str | None = None
    model_parameters: Raw = Raw(b"")
    input: Raw = Raw(b"")
    level: str | None = None
    usage_details: Raw = Raw(b"")
    provided_usage_details: Raw = Raw(b"")
    cost_details: Raw = Raw(b"")
    total_cost: str | float | None = None
    calculated_total_cost: str | float | None = None
    session_id: str | None = None
    user_id: str | None = None
    project_id: str | None = None


_Camel = cast(
    "type[_Observation]",
    msgspec.defstruct(
        "_Camel",
        [(field.name, field.type, field.default) for field in msgspec.structs.fields(_Observation)],
        bases=(_Observation,),
        rename="camel",
    ),
)
_decode_snake = decoder(_Observation).decode
_decode_camel = decoder(_Camel).decode
_decode_parameters = decoder(_Parameters).decode


class Langfuse:
    """Generations that Langfuse recorded; with their request, where the input is a whole Anthropic one."""

    id = "langfuse"
    title = "Langfuse observations (API, JSON, JSONL, CSV, Parquet)"
    depth: Depth = "body"
    input_includes_cache = None
    cannot_know = (
        "whether an input without a total that tells includes the cached part; it is taken for disjoint",
        "the provider's own ids of calls, so a call in another log is not known again",
        "batch, fast mode and inference geography",
    )

    def sniff(self, head: Head) -> bool:
        """Whether it has the keys of an observation, in either spelling."""
        if parquet_has(head, "trace_id", "usage_details", "provided_model_name"):
            return True
        keys = row_keys(head, "data")
        return bool({"id", "type"} <= keys and {"traceId", "trace_id"} & keys and _COUNTED & keys)

    def read(self, source: Source) -> Iterator[Record | Issue]:
        """One record a generation of a Claude model."""
        decode = _decode_camel if "traceId" in row_keys(source.head, "data") else _decode_snake
        return imported(source, rows(source, _Observation, page="data", mark="type"), decode, _told)


def _told(seen: _Observation, source: Source, position: int) -> Record | Issue:
    where = source.where(position)
    if seen.type.upper() != "GENERATION":
        return Issue(NOT_A_CALL, where, "an observation that is no generation")
    model = seen.provided_model_name or seen.model or ""
    if not is_claude(model):
        return Issue(OTHER_PROVIDER, where, "a model that is not Claude")
    counts = embedded(seen.usage_details)
    if len(counts) <= 2:
        counts = embedded(seen.provided_usage_details)
    buckets = buckets_of(_details.decode(counts)) if counts else Buckets()
    if buckets.empty:
        failed = seen.level == "ERROR"
        return Issue(API_ERROR if failed else NO_USAGE, where, "the call failed" if failed else "no tokens are told")
    parameters = inside(seen.model_parameters, _decode_parameters, _Parameters())
    body = body_in(seen.input, model)
    call_id, request_id = identity(None, seen.id)
    return Record(
        source=source.name,
        position=position,
        at_us=micros(seen.start_time),
        began_us=moment(seen.completion_start_time),
        ended_us=moment(seen.end_time),
        model=model,
        call_id=call_id,
        request_id=request_id,
        session=seen.session_id or seen.trace_id or "",
        user=seen.user_id or "",
        workspace=seen.project_id or "",
        max_tokens=parameters.max_tokens or body.max_tokens,
        streamed=bool(parameters.stream) or body.streamed,
        reported_pico=_claimed(seen),
        body=body.json,
        **asdict(buckets),
    )


def _claimed(seen: _Observation) -> int | None:
    costs = embedded(seen.cost_details)
    total = _details.decode(costs).get("total") if costs else None
    if total is not None:
        return claimed_pico(total)
    return claimed_pico(seen.calculated_total_cost if seen.total_cost is None else seen.total_cost)


class _Reading(NamedTuple):
    """One way to understand the counts: what each holds of the others."""

    cache_in_input: bool = False
    split_in_writes: bool = False
    thinking_in_output: bool = False


_READINGS = tuple(
    _Reading(cache, split, thinking) for cache in (False, True) for split in (False, True) for thinking in (False, True)
)


def buckets_of(details: Mapping[str, float | None]) -> Buckets:
    """Disjoint buckets of `usageDetails` in any of its spellings, by the first reading whose sum is the total; without a
    total, all counts are taken for disjoint. Raises InputError for counts that can be none."""
    prompt, output, read = _first(details, _INPUT), _first(details, _OUTPUT), _first(details, _READ)
    five, hour, written = _first(details, _WRITE_5M), _first(details, _WRITE_1H), _first(details, _WRITE)
    thinking = _first(details, _REASONING)
    total = _first(details, _TOTAL)
    chosen = _READINGS[0]
    for reading in _READINGS if total else ():
        cached = read + (max(written, five + hour) if reading.split_in_writes else written + five + hour)
        if reading.cache_in_input and cached > prompt:
            continue
        whole = prompt + output + (0 if reading.cache_in_input else cached)
        if whole + (0 if reading.thinking_in_output else thinking) == total:
            chosen = reading
            break
    writes_all = max(written, five + hour) if chosen.split_in_writes else written + five + hour
    if chosen.cache_in_input:
        prompt -= read + writes_all
    if chosen.thinking_in_output and thinking > output:
        raise InputError("reasoning exceeds the output that includes it")
    told_split = any(details.get(name) is not None for name in (*_WRITE_5M, *_WRITE_1H))
    five, hour, unsplit = writes(writes_all, (five, hour) if told_split else None)
    return Buckets(
        input=prompt,
        write_5m=five,
        write_1h=hour,
        write_unsplit=unsplit,
        read=read,
        output=output if chosen.thinking_in_output else output + thinking,
        thinking=thinking,
    )


def _first(details: Mapping[str, float | None], names: tuple[str, ...]) -> int:
    for name in names:
        if (count := details.get(name)) is not None:
            return checked(count, name)
    return 0
