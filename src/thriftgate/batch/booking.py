"""From a line of batch results to the entry in the books. Pure.

Only a succeeded item is billed, and a refusal is one
(platform.claude.com/docs/en/build-with-claude/batch-processing, 2026-10).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.attribution import settle
from thriftgate.core.control.whose import NOBODY, Whose
from thriftgate.core.cost import day_of, refusal_is_billed
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.plan import Decision
from thriftgate.core.prices import PriceBook, Terms
from thriftgate.core.usage import Usage
from thriftgate.engine.settle import told_usage
from thriftgate.ledger.entries import UPSTREAM, Entry, Posting, balanced
from thriftgate.ledger.jobs import BatchRow, Job
from thriftgate.wire.anthropic_batches import ErrorBody, ResultLine
from thriftgate.wire.meter import Reading

ENDPOINT = "anthropic.batches"

# Errors of an item that are the provider's own and may not come again; all others are the request's
# (platform.claude.com/docs/en/api/errors, 2026-08).
PASSING = frozenset({"api_error", "overloaded_error", "rate_limit_error", "timeout_error", "internal_server_error"})


OURS = "proof_"
"""Begins the name of a job that nobody asked for: a second call, to see whether quality holds. Behind it stands the id of
the call on whose behalf it is made."""
OURS_ACCOUNT, OURS_ENDPOINT = "proof.calls", "proof"


class Desk(Struct, frozen=True):
    """What all entries of a run share: whose they are, through whom, at which prices. `deferred`: thriftgate put the calls
    into batches; where the client did so itself, that is no saving of ours."""

    key: str
    provider: str
    book: PriceBook
    deferred: bool = True
    whose: Whose = NOBODY


def is_passing(error: ErrorBody) -> bool:
    """Whether an errored item is worth another try."""
    return error.type in PASSING


def entry_of(
    desk: Desk, job: Job, batch: BatchRow, line: ResultLine, *, now_us: int, decisions: Sequence[Decision] = ()
) -> Entry:
    """The entry of a job that its batch is through with."""
    reading, day = line.reading, day_of((batch.created_us or batch.made_us) / 1e6)
    usage = told_usage(reading) if reading is not None and reading.complete else None
    note = "" if line.kind != "errored" else f"{line.error.type}: {line.error.message}"[:500]
    postings: tuple[Posting, ...] = balanced(0, 0, {})
    terms = _terms(job, reading, day)
    if usage is not None and reading is not None and not _is_free(reading, usage, day):
        applied = tuple(one.lever for one in decisions if one.decision == "applied") if desk.deferred else ()
        postings, told, terms = _priced(desk, usage, terms, applied, job)
        note = told or note
    answered = line.kind == "succeeded"
    estimated = answered and usage is None  # an answer that tells no usage: booked as expected, and flagged
    if estimated:
        postings = balanced(job.forecast_pico, job.forecast_pico, {})
        note = "the result tells no usage; booked at its forecast"
    ours = is_ours(job)
    if ours:
        postings = _as_ours(postings)
        reason = f"a second call for {job.name.removeprefix(OURS)}"
        decisions = (Decision(OURS_ACCOUNT, "applied", reason, -job.forecast_pico),)
    return Entry(
        id=job.entry,
        opened_us=batch.made_us,
        settled_us=now_us,
        key=desk.key,
        whose=desk.whose,
        model=job.model or terms.model,
        endpoint=OURS_ENDPOINT if ours else ENDPOINT,
        outcome="answered" if answered else "failed",
        resolution="post" if answered else "void",
        usage_source="estimated" if estimated else "exact" if answered else "none",
        usage=usage or Usage(),
        postings=postings,
        served_model=reading.model if reading is not None else "",
        provider=desk.provider,
        mode="batch",
        geo=terms.geo,
        status=200 if answered else 0,
        price_book=desk.book.id,
        forecast_pico=job.forecast_pico,
        decisions=tuple(decisions),
        upstream_request_id=batch.remote_id,
        message_id=reading.message_id if reading is not None else "",
        stop_reason=reading.stop_reason if reading is not None else "",
        note=note if answered or note else f"the item {line.kind}",
        attempts=max(1, job.attempt),
        latency_ms=max(0, (batch.ended_us - batch.created_us) // 1000),
        sent_us=batch.made_us,
        parent=job.name.removeprefix(OURS) if ours else "",
    )


def is_ours(job: Job) -> bool:
    """Whether nobody asked for this job."""
    return job.name.startswith(OURS)


def _as_ours(postings: tuple[Posting, ...]) -> tuple[Posting, ...]:
    """What a call of our own costs stands against its account: without us there would be none."""
    paid = -sum(one.pico for one in postings if one.account == UPSTREAM)
    return balanced(0, paid, {OURS_ACCOUNT: -paid} if paid else {})


def void_entry(desk: Desk, job: Job, batch: BatchRow, note: str, now_us: int) -> Entry:
    """The entry of a job whose batch never came to be: nothing was billed."""
    entry = entry_of(desk, job, batch, ResultLine("", "dropped", b"", None, ErrorBody()), now_us=now_us)
    return replace(entry, note=note)


def lost_entry(desk: Desk, job: Job, batch: BatchRow, note: str, now_us: int) -> Entry:
    """The entry of a job whose result cannot be had: maybe it was billed, so it is booked at its forecast, and flagged."""
    void = void_entry(desk, job, batch, note, now_us)
    postings = balanced(job.forecast_pico, job.forecast_pico, {})
    return replace(
        void,
        outcome="lost",
        resolution="expire",
        usage_source="estimated",
        postings=_as_ours(postings) if is_ours(job) else postings,
        note=note,
    )


def _terms(job: Job, reading: Reading | None, day: int) -> Terms:
    usage = reading.usage if reading is not None else None
    model = (reading.model if reading is not None else "") or job.model
    return Terms(model, day, "batch", (usage.inference_geo if usage is not None else None) or "global")


def _priced(
    desk: Desk, usage: Usage, terms: Terms, applied: tuple[str, ...], job: Job
) -> tuple[tuple[Posting, ...], str, Terms]:
    """The postings, what is to be remarked, and the terms they were priced under. The provider bills what it served: a model
    without a price is booked as the one that was asked for, and loudly."""
    note = ""
    try:
        settlement = settle(usage, terms, applied, desk.book)
    except UnknownPrice as error:
        terms = Terms(job.model, terms.day, "batch", terms.geo)
        note = f"priced as planned: {error}"
        try:
            settlement = settle(usage, terms, applied, desk.book)
        except UnknownPrice:
            return balanced(job.forecast_pico, job.forecast_pico, {}), f"booked at its forecast: {error}", terms
    return balanced(settlement.baseline, settlement.cost.pico, settlement.saved), note, terms


def _is_free(reading: Reading, usage: Usage, day: int) -> bool:
    return reading.stop_reason == "refusal" and not refusal_is_billed(
        reading.stop_category, output_tokens=usage.total.output, day=day
    )
