"""From a booked call to its spans: one `chat MODEL` with `plan`, `hold`, `upstream` and `settle` below it.

They are made after the fact, in the exporter's thread, from the entry alone: what a span says is what the books say, and no
prompt can get into it. Names: `names.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from opentelemetry.util.types import AttributeValue

from thriftgate.core.money import PICO_PER_USD
from thriftgate.ledger.entries import BASELINE, SAVED, UPSTREAM, Entry
from thriftgate.telemetry import names
from thriftgate.telemetry.busiest import model_text
from thriftgate.telemetry.told import ToldCall, ToldRequest

_FINE = frozenset({"answered", "left"})
SERVER_ERROR = 500


class Span(NamedTuple):
    """One span to be (microseconds since 1970). `kind` as the API names it; an id of 0 is drawn; `error` is its error.type,
    empty for none."""

    name: str
    kind: str
    began_us: int
    ended_us: int
    span_id: int
    attributes: Mapping[str, AttributeValue]
    error: str = ""


def request_span(told: ToldRequest) -> Span:
    attributes: dict[str, AttributeValue] = {names.METHOD: told.method, names.ROUTE: told.route}
    if told.status:
        attributes[names.STATUS_CODE] = told.status
    error = str(told.status) if told.status >= SERVER_ERROR else "" if told.status else "no_answer"
    name = f"{told.method} {told.route}"
    return Span(name, "SERVER", told.began_us, told.ended_us, told.place.span_id, attributes, error)


def call_span(told: ToldCall, server: tuple[str, int]) -> Span:
    """The span of the call. `server` is the host and port of the provider."""
    entry = told.entry
    ended_us = max(told.heard_us, entry.opened_us)
    attributes = {name: value for name, value in _attributes(entry, server) if value not in ("", None)}
    error = error_type(entry)
    name = f"{names.CHAT} {model_text(entry.model)}".strip()
    return Span(name, "CLIENT", entry.opened_us, ended_us, told.place.span_id, attributes, error)


def stage_spans(told: ToldCall) -> Iterator[Span]:
    """What was done for the call, in order. One that was never sent has only been planned."""
    entry, held = told.entry, told.held
    if held is None:
        return
    sent_us = held.asked_us + held.took_us
    answered_us = min(max(sent_us, held.asked_us + entry.latency_ms * 1000), max(told.heard_us, sent_us))
    yield Span("plan", "INTERNAL", entry.opened_us, max(entry.opened_us, held.asked_us), 0, {})
    yield Span("hold", "INTERNAL", held.asked_us, sent_us, 0, {})
    upstream: dict[str, AttributeValue] = {names.STATUS: entry.status, names.ATTEMPTS: entry.attempts}
    yield Span("upstream", "CLIENT", sent_us, answered_us, held.span_id, upstream, error_type(entry))
    yield Span("settle", "INTERNAL", answered_us, max(told.heard_us, answered_us), 0, {})


def error_type(entry: Entry) -> str:
    """Why the call was no success; empty where it was, and where it was the client who left."""
    if entry.outcome in _FINE:
        return ""
    return str(entry.status) if entry.outcome == "failed" and entry.status else entry.outcome


def input_tokens(entry: Entry) -> int:
    """All of the prompt, as the conventions count: with what was read from the cache and written to it."""
    return entry.usage.total.prompt


def _attributes(entry: Entry, server: tuple[str, int]) -> Iterator[tuple[str, AttributeValue | None]]:
    yield names.OPERATION, names.CHAT
    yield names.PROVIDER, entry.provider
    yield names.REQUEST_MODEL, model_text(entry.model)
    yield names.RESPONSE_MODEL, entry.served_model
    yield names.RESPONSE_ID, entry.message_id
    yield names.CONVERSATION, entry.conversation
    yield names.SERVER_ADDRESS, server[0]
    yield names.SERVER_PORT, server[1]
    if entry.stop_reason:
        yield names.FINISH_REASONS, (entry.stop_reason,)
    if entry.stream:
        yield names.REQUEST_STREAM, True
        yield names.FIRST_CHUNK, entry.ttfb_ms / 1000
    yield names.CALL_ID, entry.id
    yield names.PARENT, entry.parent
    yield names.KEY, entry.key
    yield names.TEAM, entry.whose.team
    yield names.ORG, entry.whose.org
    yield names.TASK, entry.task
    yield names.ENDPOINT, entry.endpoint
    yield names.OUTCOME, entry.outcome
    yield names.USAGE_SOURCE, entry.usage_source
    yield names.ASKED_MODEL, model_text(entry.asked_model)
    if entry.usage_source != "none":
        yield from _usage(entry)
    yield from _money(entry)
    if entry.miss is not None:
        yield names.MISS_CAUSE, entry.miss.cause
        yield names.MISS_TOKENS, entry.miss.tokens


def _usage(entry: Entry) -> Iterator[tuple[str, AttributeValue]]:
    total = entry.usage.total
    yield names.INPUT_TOKENS, input_tokens(entry)
    yield names.OUTPUT_TOKENS, total.output
    yield names.CACHE_READ_TOKENS, total.read
    yield names.CACHE_CREATION_TOKENS, total.write_5m + total.write_1h
    yield names.CREATION_5M_TOKENS, total.write_5m
    yield names.CREATION_1H_TOKENS, total.write_1h
    if total.thinking:
        yield names.REASONING_TOKENS, total.thinking


def _money(entry: Entry) -> Iterator[tuple[str, AttributeValue]]:
    """Exact as pico-USD, and in dollars for people."""
    paid, baseline = -entry.posted(UPSTREAM), entry.posted(BASELINE)
    yield names.COST_PICO, paid
    yield names.COST_USD, paid / PICO_PER_USD
    yield names.BASELINE_PICO, baseline
    yield names.SAVED_PICO, baseline - paid
    yield names.SAVED_USD, (baseline - paid) / PICO_PER_USD
    for posting in entry.postings:
        if posting.account.startswith(SAVED):
            yield names.SAVED_BY + posting.account.removeprefix(SAVED), -posting.pico
    applied = tuple(one.lever for one in entry.decisions if one.decision == "applied")
    if applied:
        yield names.LEVERS, applied
