"""Claude Code's analytics report: tokens and estimated cost of a day by user and model.

GET /v1/organizations/usage_report/claude_code: pages of records, each one user on one UTC day, with a line for each model
(platform.claude.com/docs/en/manage-claude/claude-code-analytics-api, 2026-08). The page does not say that `input` leaves
the cached tokens out; everywhere else at Anthropic it does, and here it is taken so.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec
from msgspec import Raw, Struct

from thriftgate.audit.importers.anthropic_terms import NO_MODEL, OTHER_CURRENCY, pico_of
from thriftgate.audit.importers.report_pages import Actor, by_user, elements
from thriftgate.audit.importers.tally import UNREADABLE
from thriftgate.audit.moments import DAY_US, micros
from thriftgate.audit.records import MALFORMED, NO_USAGE, NOT_A_CALL, NOT_BILLED, Depth, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError
from thriftgate.wire.usage import Count


class _Tokens(Struct):
    input: Count | None = 0
    output: Count | None = 0
    cache_read: Count | None = 0
    cache_creation: Count | None = 0


class _Cost(Struct):
    amount: Decimal | None = None
    currency: str | None = None


class _Line(Struct):
    model: str | None = None
    tokens: _Tokens | None = None
    estimated_cost: _Cost | None = None


class _Person(Struct):
    date: str | None = None
    actor: Actor | None = None
    customer_type: str | None = None
    model_breakdown: list[Raw] | None = None


_PERSON = msgspec.json.Decoder(_Person)
_LINE = msgspec.json.Decoder(_Line)


class ClaudeCodeAnalytics:
    """See `contract.Importer`. What users with a subscription did is not billed by the token and comes as issues."""

    id = "claude-code-analytics"
    title = "Claude Code analytics report (JSON)"
    depth: Depth = "day"
    input_includes_cache: bool | None = False
    cannot_know = (
        "single calls: it holds the sums of a day by user and model",
        "whether cache writes live five minutes or an hour",
        "speed, geography and web searches",
        "what users with a subscription were billed beyond their plan",
        "whether all pages of the report were saved",
    )

    def sniff(self, head: Head) -> bool:
        person = {"actor", "model_breakdown"}
        return person <= head.keys or (by_user(head) and person <= head.inner_keys)

    def read(self, source: Source) -> Iterator[Record | Issue]:
        number = 0
        for raw in elements(source):
            if isinstance(raw, Issue):
                yield raw
                continue
            for line in _lines(raw, source, number + 1):
                number += 1
                yield line


def _lines(raw: Raw, source: Source, number: int) -> Iterator[Record | Issue]:
    """One record or issue for each model a person used; positions count them through the file."""
    where = source.where(number)
    try:
        person = _PERSON.decode(raw)
        at_us = micros(person.date)
    except UNREADABLE:
        yield Issue(MALFORMED, where, "a record of the report has a field of the wrong type")
        return
    except InputError:
        kind = NOT_A_CALL if person.model_breakdown is None else MALFORMED
        yield Issue(kind, where, "no record of the report, or one without its day")
        return
    if not person.model_breakdown:
        yield Issue(NO_USAGE, where, "the user called no model")
        return
    for position, line in enumerate(person.model_breakdown, number):
        yield _record(line, person, at_us, source, position)


def _record(raw: Raw, person: _Person, at_us: int, source: Source, position: int) -> Record | Issue:
    where = source.where(position)
    if person.customer_type == "subscription":
        return Issue(NOT_BILLED, where, "a subscription is not billed by the token")
    try:
        line = _LINE.decode(raw)
        cost = line.estimated_cost or _Cost()
        reported = pico_of(cost.amount, cents=True) if cost.amount is not None else None
    except (InputError, *UNREADABLE):
        return Issue(MALFORMED, where, "the line of a model has a field of the wrong type")
    if not line.model:
        return Issue(NO_MODEL, where, "the line names no model")
    if line.tokens is None:
        return Issue(NO_USAGE, where, "the line counts no tokens")
    if (cost.currency or "USD") != "USD":
        return Issue(OTHER_CURRENCY, where, "the estimated cost is not in US dollars")
    actor = person.actor or Actor()
    return Record(
        source=source.name,
        position=position,
        at_us=at_us,
        span_us=DAY_US,
        calls=0,
        model=line.model,
        input=line.tokens.input or 0,
        read=line.tokens.cache_read or 0,
        write_unsplit=line.tokens.cache_creation or 0,
        output=line.tokens.output or 0,
        reported_pico=reported,
        user=actor.email_address or actor.user_id or actor.api_key_name or "",
        key=actor.api_key_name or "",
    )
