"""From what the meter read to the entry in the books. Pure but for the memories it teaches."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import astuple, replace

from thriftgate.core import cache
from thriftgate.core.attribution import Settlement
from thriftgate.core.attribution import settle as attribute
from thriftgate.core.control.budgets import Standing
from thriftgate.core.control.whose import NOBODY, Whose
from thriftgate.core.cost import refusal_is_billed
from thriftgate.core.errors import ClientLeft, Crowded, SpendCapped, UnknownPrice, Unreachable, UpstreamTimeout
from thriftgate.core.foreign import is_foreign
from thriftgate.core.levers import LEVERS
from thriftgate.core.levers.cache_breakpoints import CacheBreakpoints
from thriftgate.core.looks import Sent
from thriftgate.core.misses import Billed, Miss, classify
from thriftgate.core.plan import Plan, Without
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request
from thriftgate.core.routing.choice import Route
from thriftgate.core.usage import Tokens, Usage
from thriftgate.engine.admission import Admission
from thriftgate.engine.call import Cut
from thriftgate.engine.purse import Purse
from thriftgate.engine.shaping import Wanted
from thriftgate.engine.snapshot import Knowledge, Snapshot
from thriftgate.engine.talks import Talking
from thriftgate.engine.unreduced import Unreduced
from thriftgate.ledger.entries import Entry, Hold, Outcome, Posting, Resolution, UsageSource, balanced
from thriftgate.logs import log, where_raised
from thriftgate.wire.dialect import Dialect
from thriftgate.wire.meter import Reading

CACHE = CacheBreakpoints.id
UNSENT = (Unreachable, Crowded, ClientLeft, SpendCapped)  # with these nothing has reached the provider
_KNOWN = tuple(lever.id for lever in LEVERS)
BYTES_PER_OUTPUT_TOKEN = 3  # low on purpose: an estimate shall not undercount
TOKENS_MAX = 10**9  # more in one call is no usage but nonsense, and would not fit into a ledger's 64 bits once priced


class Added(NamedTuple):
    """Of a call with a parameter of ours: the betas that it needs, and what tells its messages."""

    betas: tuple[str, ...] = ()
    said: bytes = b""


NOTHING_ADDED = Added()


class Prepared(Struct, frozen=True):
    """A planned call with its hold, on its way to the provider. `parent` is the call on whose behalf it is made, if any;
    `asked` the request as the client sent it, where another model is to serve it; `unreduced` the prompt before anything
    was taken out of it; `wanted` what is asked of the answer; `cut` what came of the call under a cap; `talking` its
    place in its conversation, where that is kept account of; `added` what goes with a parameter that we have added;
    `whose` who it is for; `upstream` the name of the target that is to serve it; `standings` how its budgets stood
    with its hold; `admission` what it has taken of its limits; `failed` the targets at which it was tried in vain;
    `purses` what it is taken from."""

    id: str
    opened_us: int
    key: str
    request: Request
    snapshot: Snapshot
    plan: Plan
    dialect: Dialect
    parent: str = ""
    asked: Request | None = None
    unreduced: Unreduced | None = None
    wanted: Wanted | None = None
    cut: Cut | None = None
    talking: Talking | None = None
    added: Added = NOTHING_ADDED
    whose: Whose = NOBODY
    upstream: str = ""
    standings: tuple[Standing, ...] = ()
    admission: Admission | None = None
    purses: tuple[Purse, ...] = ()
    failed: tuple[str, ...] = ()


class Ending(Struct, frozen=True):
    """How the call went on the wire. `may_be_billed`: the provider may have been at work when it ended."""

    outcome: Outcome
    status: int = 0
    reading: Reading | None = None
    attempts: int = 1
    may_be_billed: bool = True
    upstream_request_id: str = ""
    note: str = ""
    ttfb_ms: int = 0
    latency_ms: int = 0


def hold_of(prepared: Prepared, provider: str) -> Hold:
    """What is held for the call until its entry is there."""
    forecast, route = prepared.plan.forecast, prepared.plan.route
    return Hold(
        id=prepared.id,
        opened_us=prepared.opened_us,
        key=prepared.key,
        model=prepared.request.model,
        worst_pico=forecast.worst_pico,
        forecast_pico=forecast.pico,
        whose=prepared.whose,
        task=route.task if route is not None else "",
        provider=provider,
    )


def outcome_of(error: BaseException, *, began: bool = False) -> Outcome:
    """How a call ended that brought no answer, or (`began`) no whole one."""
    if isinstance(error, Unreachable):
        return "unreachable"
    if isinstance(error, UpstreamTimeout):
        return "timeout"
    if isinstance(error, asyncio.CancelledError | ClientLeft):
        return "left"
    if isinstance(error, Crowded | SpendCapped):
        return "refused"
    return "cut" if began else "garbage"


def milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def learn_residency(prepared: Prepared, began_s: float, knowledge: Knowledge) -> None:
    """The answer has begun: from now on the provider's cache holds what the request marked."""
    look_at(prepared, began_s, knowledge)
    if prepared.plan.breakpoints:
        knowledge.memory.cached(_outcome(prepared, began_s, prepared.snapshot.state.residency).entries)


def look_at(prepared: Prepared, began_s: float, knowledge: Knowledge) -> None:
    """The answer has begun: keep what the request looked like, to explain later misses by."""
    knowledge.looks.add(_sent(prepared), began_s)


def entry_for(prepared: Prepared, ending: Ending, provider: str, settled_us: int, knowledge: Knowledge) -> Entry:
    """The immutable entry of a call that was sent, or tried. Teaches the memories what the usage tells."""
    reading = ending.reading
    source: UsageSource
    told = told_usage(reading)
    as_sent: Tokens | None = None
    if reading is None and not 200 <= ending.status < 300:  # no answer began, and nothing was cached
        knowledge.looks.add(_sent(prepared), settled_us / 1e6, failed=True)
    if reading is not None and reading.complete and told is not None and not _is_guess(reading):
        usage, source = told, "exact"
        as_sent = _learn(prepared, usage, ending, reading, knowledge)
    elif _was_not_served(ending):
        usage, source = Usage(), "none"
    else:
        usage, source = _estimated(prepared, reading), "estimated"
        if reading is not None and _was_stopped(reading):
            as_sent = _learn(prepared, usage, ending, reading, knowledge)
    postings, note, terms = _priced(prepared, ending, usage, as_sent, knowledge)
    expected = prepared.plan.forecast.tokens
    route = prepared.plan.route or Route()
    return Entry(
        id=prepared.id,
        opened_us=prepared.opened_us,
        settled_us=settled_us,
        key=prepared.key,
        model=prepared.request.model,
        endpoint=prepared.dialect.name,
        outcome=ending.outcome,
        resolution=_resolution(source),
        usage_source=source,
        usage=usage,
        postings=postings,
        served_model=reading.model if reading is not None else "",
        provider=provider,
        mode=terms.mode,
        geo=terms.geo,
        stream=prepared.request.stream,
        status=ending.status,
        price_book=knowledge.book.id,
        forecast_pico=prepared.plan.forecast.pico,
        decisions=prepared.plan.decisions,
        upstream_request_id=ending.upstream_request_id,
        message_id=reading.message_id if reading is not None else "",
        stop_reason=reading.stop_reason if reading is not None else "",
        note=note,
        attempts=ending.attempts,
        ttfb_ms=ending.ttfb_ms,
        latency_ms=ending.latency_ms,
        read_expected_tokens=expected.read,
        write_expected_tokens=expected.write_5m + expected.write_1h,
        miss=_missed(prepared, ending, usage, terms, knowledge) if source == "exact" or _was_stopped(reading) else None,
        sent_us=int(prepared.snapshot.state.now_s * 1e6),
        trail=_trail(prepared, knowledge) if source != "none" else b"",
        asked_model=route.choice.asked if route.choice is not None else "",
        task=route.task,
        arm=route.arm,
        propensity=route.propensity,
        conversation=route.conversation,
        choice=route.choice,
        parent=prepared.parent,
        whose=prepared.whose,
        upstream=prepared.upstream,
    )


def costed(
    prepared: Prepared, ending: Ending, knowledge: Knowledge, *, explain: bool
) -> tuple[Tokens, Settlement, Miss | None]:
    """What an answered call of a log was billed and saved, and, with `explain`, what the cache did not serve. Books the
    brake and the length of the answer; teaches nothing else. Raises UnknownPrice."""
    reading = ending.reading
    told = told_usage(reading) or Usage()
    plan, terms = prepared.plan, _billed_terms(prepared, reading)
    as_sent: Tokens | None = None
    if reading is not None and not _tells_nothing(prepared, told, reading):
        rates = knowledge.book.rates(terms, told.total.prompt)
        knowledge.memory.answered(prepared.key, prepared.request.model, told.total.output)
        as_sent = knowledge.learn_cost(prepared.snapshot, plan.client, plan.forecast.tokens, told.total, rates)
    if as_sent is None and plan.client:
        as_sent = told.total
    without = _without(prepared, told, as_sent, knowledge)
    settlement = attribute(told, terms, _accounted(plan, told, without), knowledge.book, without=without)
    return told.total, settlement, _missed(prepared, ending, told, terms, knowledge) if explain else None


def _trail(prepared: Prepared, knowledge: Knowledge) -> bytes:
    """The boundaries of the prompt, where they are to be kept."""
    if knowledge.trails is None or prepared.snapshot.state.in_thread:
        return b""
    snapshot = prepared.snapshot
    return knowledge.trails.of(prepared.id, snapshot.state.prefix, snapshot.framing, prepared.plan.breakpoints)


def _sent(prepared: Prepared) -> Sent:
    state, plan = prepared.snapshot.state, prepared.plan
    terms = plan.terms
    cache = prepared.upstream or prepared.key
    return Sent(prepared.id, cache, terms.model, terms.mode, state.prefix, plan.breakpoints, state.now_s)


def _missed(prepared: Prepared, ending: Ending, usage: Usage, terms: Terms, knowledge: Knowledge) -> Miss | None:
    """What the cache did not serve, and why. Whatever goes wrong in explaining a call, the call is booked."""
    reading = ending.reading
    if reading is None or _tells_nothing(prepared, usage, reading) or _is_free(ending, usage, terms):
        return None
    state, looks, used = prepared.snapshot.state, knowledge.looks, usage.total
    sent = replace(_sent(prepared), seen_at=state.outlook.seen_at, seen_s=state.outlook.seen_s)
    try:
        if used.write_5m and not used.write_1h:
            looks.hour_refused(sent, state.cumulative, used.read)
        rates = knowledge.book.rates(terms, used.prompt)
        return classify(sent, state, Billed(used, rates, reading.cache_miss), looks)
    except Exception as error:  # noqa: BLE001  an entry without an explanation is better than none
        log.error("cache miss not explained", call=prepared.id, error=type(error).__name__, at=where_raised(error))
        return None


def told_usage(reading: Reading | None) -> Usage | None:
    """The usage the provider told; None where it told none, or nonsense."""
    if reading is None or reading.usage is None:
        return None
    try:
        usage = reading.usage.usage()
    except ValueError:
        return None
    counts = [sum(astuple(one.tokens)) for one in usage.iterations]
    return usage if max([sum(astuple(usage.total)), usage.web_searches, *counts]) <= TOKENS_MAX else None


def _was_stopped(reading: Reading | None) -> bool:
    """Whether the answer was complete before its end, and left there: its input side is as exact as that of any other."""
    return reading is not None and reading.stopped_early and told_usage(reading) is not None


def _was_not_served(ending: Ending) -> bool:
    """Whether surely no model worked on the call, so that there is nothing to bill."""
    return ending.outcome in ("failed", "unreachable") or not ending.may_be_billed


def _resolution(source: UsageSource) -> Resolution:
    return "void" if source == "none" else "post"


def _priced(
    prepared: Prepared, ending: Ending, usage: Usage, as_sent: Tokens | None, knowledge: Knowledge
) -> tuple[tuple[Posting, ...], str, Terms]:
    terms = _billed_terms(prepared, ending.reading)
    if _is_free(ending, usage, terms):
        return balanced(0, 0, {}), ending.note, terms
    note = ending.note
    if as_sent is None and prepared.plan.client:  # not to be told apart: then nothing was saved
        as_sent = usage.total
    without = _without(prepared, usage, as_sent, knowledge)
    applied = _accounted(prepared.plan, usage, without)
    try:
        settlement = attribute(usage, terms, applied, knowledge.book, without=without)
    except UnknownPrice as error:
        # The call is made and must be booked: at the terms it was planned under, and loudly.
        terms = prepared.plan.terms
        note = f"{note}; priced as planned: {error}".removeprefix("; ")
        settlement = attribute(replace(usage, iterations=()), terms, applied, knowledge.book, without=without)
    return balanced(settlement.baseline, settlement.cost.pico, settlement.saved), note, terms


def _without(prepared: Prepared, usage: Usage, as_sent: Tokens | None, knowledge: Knowledge) -> Without:
    """How the call would have gone without what was done to it. `as_sent` is of the prompt that was sent."""
    plan, unreduced, wanted = prepared.plan, prepared.unreduced, prepared.wanted
    found = Without(as_sent)
    if unreduced is not None:
        found = knowledge.shadows.without(unreduced, plan.forecast.tokens, usage, knowledge.brake)
    usual = knowledge.lengths.mean(wanted.plain) if wanted is not None and wanted.site != wanted.plain else None
    return Without(
        found.as_sent or as_sent,
        plan.asked,
        found.prompts,
        output=round(max(0.0, usual.tokens - usual.error)) if usual is not None else None,  # rather too little
        cut=prepared.cut.beyond or None if prepared.cut is not None else None,
    )


def _accounted(plan: Plan, usage: Usage, without: Without) -> tuple[str, ...]:
    """The levers that have a share in what the call cost. What an earlier call kept longer than the client asked for saves
    on this one, even if its own breakpoints are left as they are."""
    applied = plan.applied()
    whole = next(reversed(tuple(without.prompts.values())), usage.total)  # with all that was taken out put back
    as_sent = without.as_sent
    if as_sent is None and without.prompts:  # the client marked nothing
        as_sent = whole.uncached()
    if as_sent is None or CACHE in applied or _prompt(as_sent) == _prompt(whole):
        return applied
    others = tuple(lever for lever in applied if lever not in _KNOWN)
    return (*others, *(lever for lever in _KNOWN if lever in applied or lever == CACHE))


def _prompt(tokens: Tokens) -> Tokens:
    return replace(tokens, output=0, thinking=0)


def _billed_terms(prepared: Prepared, reading: Reading | None) -> Terms:
    """The terms the response reports, else those of the plan. The model billed is the one that served."""
    planned = prepared.plan.terms
    if reading is None or reading.usage is None:
        return planned
    usage = reading.usage
    mode = usage.mode() if usage.service_tier is not None or usage.speed is not None else planned.mode
    place = prepared.snapshot.state.place
    geo = planned.geo if place else usage.inference_geo or planned.geo  # a target's own prices hold wherever it says it is
    return replace(planned, model=_served_model(prepared, reading), mode=mode, geo=geo)


def _served_model(prepared: Prepared, reading: Reading) -> str:
    """The model as the price book calls it: a provider may have a name of its own for it."""
    planned = prepared.plan.terms.model
    known = prepared.snapshot.state.book
    return reading.model if reading.model and (known.knows(reading.model) or not prepared.upstream) else planned


def _is_free(ending: Ending, usage: Usage, terms: Terms) -> bool:
    reading = ending.reading
    if _was_not_served(ending):
        return True
    return (
        reading is not None
        and reading.stop_reason == "refusal"
        and not is_foreign(terms.model)
        and not refusal_is_billed(reading.stop_category, output_tokens=usage.total.output, day=terms.day)
    )


def _is_guess(reading: Reading) -> bool:
    """Whether the provider told no usage, and what stands there is an estimate by the length of the answer."""
    return reading.usage is not None and reading.usage.estimated is True


def _estimated(prepared: Prepared, reading: Reading | None) -> Usage:
    """What a broken-off answer used: the input side as the stream began with it, else as forecast; the output by its length,
    or, where it was we who left, by the text that had come.

    The documentation is silent on billing after a disconnect; this is the cautious reading.
    """
    expected = prepared.plan.forecast.tokens
    if reading is None:
        return Usage(expected)
    told = told_usage(reading)
    seen = told.total if told is not None and not _is_guess(reading) else expected
    output = reading.received_tokens if reading.stopped_early else reading.output_bytes // BYTES_PER_OUTPUT_TOKEN
    output = max(output, told.total.output if told is not None else 0)
    output = min(output, max(prepared.request.max_tokens, 1))
    thinking = min(output, reading.received_thinking)
    return Usage(replace(seen, output=output, thinking=thinking), told.web_searches if told is not None else 0)


def _learn(prepared: Prepared, usage: Usage, ending: Ending, reading: Reading, knowledge: Knowledge) -> Tokens | None:
    """Teach the memories. Returns how the prompt would have been billed with the client's own breakpoints, if it set any."""
    state = prepared.snapshot.state
    rates = knowledge.book.rates(prepared.plan.terms, usage.total.prompt)  # priced before, so the book has them
    model = prepared.request.model
    if prepared.request.max_tokens and not reading.stopped_early:  # a pre-warm says nothing of the length of answers
        knowledge.memory.answered(prepared.key, model, usage.total.output)
    if _tells_nothing(prepared, usage, reading):
        return None
    knowledge.learn_tokens(prepared.snapshot, usage.total.prompt)
    plan = prepared.plan
    as_sent = knowledge.learn_cost(prepared.snapshot, plan.client, plan.forecast.tokens, usage.total, rates)
    if prepared.plan.breakpoints:
        began_s = state.now_s + ending.ttfb_ms / 1000
        split = reading.usage is not None and reading.usage.cache_creation is not None
        knowledge.learn_cache(prepared.snapshot, prepared.plan.breakpoints, usage.total, began_s, split=split)
    if prepared.unreduced is not None:
        knowledge.shadows.sent(prepared.unreduced)
        taken = prepared.unreduced.tokens.prompt - plan.forecast.tokens.prompt
        if taken > 0:
            knowledge.tokens.suppose(prepared.unreduced.state.prefix.chain[-1], usage.total.prompt + taken)
    return as_sent


def _tells_nothing(prepared: Prepared, usage: Usage, reading: Reading) -> bool:
    """Totals of several prompts, of a hidden one, or of another model say nothing about this prefix."""
    state = prepared.snapshot.state
    model = prepared.request.model
    return bool(
        usage.iterations
        or state.in_thread
        or not state.prefix.chain
        or reading.model not in ("", model, state.capability.id)
    )


def _outcome(prepared: Prepared, usable_s: float, residency: cache.Residency) -> cache.CacheOutcome:
    state = prepared.snapshot.state
    return cache.forecast(
        state.prefix,
        state.cumulative,
        prepared.plan.breakpoints,
        residency,
        now_s=state.now_s,
        usable_s=usable_s,
        cache_min_tokens=state.capability.cache_min_tokens,
        rules=state.rules,
    )
