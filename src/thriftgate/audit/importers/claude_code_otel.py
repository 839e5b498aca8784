"""Claude Code's own telemetry: one `claude_code.api_request` event for each call, also those that its session logs leave out
(compaction, session titles, side questions).

OTLP JSON as a collector writes it, or one event a line. An event is written when the answer is complete. The input does not
include cached tokens. `cost_usd` is Claude Code's own reckoning. Shapes: Claude Code 2.1.197, 2026-11;
code.claude.com/docs/en/monitoring-usage, 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator

from thriftgate.audit.importers.otlp import Attributes, Event, claim, count, events, first, holds_events, text
from thriftgate.audit.importers.tally import Tally
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import API_ERROR, MALFORMED, NOT_A_CALL, OTHER_PROVIDER, Depth, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError

_PREFIX = "claude_code."
_CALL = "api_request"
_FAILURES = ("api_error", "api_retries_exhausted")
_MAIN = ("", "main", "repl_main_thread", "sdk")
_PICO_PER_MICRO_USD = 1_000_000


class ClaudeCodeOtel:
    """See `contract.Importer`. What `query_source` names, if not the main thread, becomes the agent."""

    id = "claude-code-otel"
    title = "Claude Code telemetry events (JSON)"
    depth: Depth = "call"
    input_includes_cache: bool | None = False
    cannot_know = (
        "whether cache writes live five minutes or an hour, unless the session logs are read too",
        "the provider's id of an answer: calls are known again by their request id",
        "the folder that a session worked in",
        "web searches and the inference geography",
        "calls made while telemetry was off",
    )

    def sniff(self, head: Head) -> bool:
        return holds_events(head) and (head.has('"claude_code.') or head.has('"claude-code"') or _plain_calls(head))

    def read(self, source: Source) -> Iterator[Record | Issue]:
        tally = Tally(source)
        for event in events(source, tally):
            record = _record(source, event, tally)
            if record is not None:
                yield record
        yield from tally.issues()


def _plain_calls(head: Head) -> bool:
    """Events may come without the resource that names the program."""
    return head.has('"api_request"', '"cache_creation_tokens"', '"session.id"')


def _record(source: Source, event: Event, tally: Tally) -> Record | None:
    name = event.name.removeprefix(_PREFIX)
    if name != _CALL:
        tally.add(API_ERROR if name in _FAILURES else NOT_A_CALL, event.position)
        return None
    told = event.attributes
    model = text(told, "model")
    if not is_claude(model):
        tally.add(OTHER_PROVIDER if model else MALFORMED, event.position, "" if model else "the event names no model")
        return None
    try:
        took_us = _took_us(told)
        tokens = [count(told, f"{kind}_tokens") for kind in ("input", "cache_creation", "cache_read", "output")]
    except InputError as error:
        tally.add(MALFORMED, event.position, str(error))
        return None
    if not event.at_us:
        tally.add(MALFORMED, event.position, "the event tells no time")
        return None
    source_of_query = text(told, "query_source")
    aside = source_of_query not in _MAIN
    return Record(
        source=source.name,
        position=event.position,
        at_us=max(0, event.at_us - took_us),
        at_is_end=not took_us,
        ended_us=event.at_us,
        model=model,
        request_id=text(told, "request_id"),
        session=text(told, "session.id"),
        agent=source_of_query if aside else "",
        side=aside,
        user=text(told, "user.email", "user.account_uuid", "user.id"),
        mode="fast" if text(told, "speed") == "fast" else "standard",
        input=tokens[0],
        write_unsplit=tokens[1],
        read=tokens[2],
        output=tokens[3],
        streamed=True,
        reported_pico=_claimed(told),
    )


def _took_us(told: Attributes) -> int:
    """Microseconds; the event counts milliseconds. Raises InputError for what is no length of time."""
    took = first(told, "duration_ms")
    if took is None:
        return 0
    if isinstance(took, bool) or not isinstance(took, str | int | float):
        raise InputError("duration_ms is no number")
    try:
        micros = round(float(took) * 1000)
    except (ValueError, OverflowError):
        raise InputError("duration_ms is no number") from None
    if micros < 0:
        raise InputError("duration_ms is negative")
    return micros


def _claimed(told: Attributes) -> int | None:
    """`cost_usd` has more digits than `cost_usd_micros`."""
    exact = claim(first(told, "cost_usd"))
    if exact is not None:
        return exact
    try:
        rounded = count(told, "cost_usd_micros")
    except InputError:
        return None
    return rounded * _PICO_PER_MICRO_USD if "cost_usd_micros" in told else None
