"""A call that was answered without being made: what it would have cost, its entry in the books, and its reply.

What it would have cost is an estimate: the prompt as the planner expects it to be billed now, with what it believes of the
provider's cache, with the levers that are on or as it came, whichever is cheaper, and the answer by the tokens that it had.
So what other levers would have saved is not counted as saved here.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from thriftgate.core.cost import day_of, price_usage
from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.core.money import usd_from_pico
from thriftgate.core.plan import Decision
from thriftgate.core.prices import Terms
from thriftgate.core.reduction.change import Change
from thriftgate.core.rewrite import Rewritten
from thriftgate.core.usage import Usage
from thriftgate.engine.call import WholeReply
from thriftgate.engine.reusing.tier import Found, Question
from thriftgate.engine.settle import told_usage
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.unsent import Books, Opened
from thriftgate.ledger.entries import BASELINE, Entry, balanced
from thriftgate.providers.transport import Headers
from thriftgate.wire.given_again import as_given_again, used_by
from thriftgate.wire.whole_stream import stream_of

CALL, USAGE = b"thriftgate-reused-call", b"thriftgate-reused-usage"


class Forgone(NamedTuple):
    """What was not spent (pico-USD), and at which terms; `decisions` is what the entry tells of it."""

    pico: int
    terms: Terms
    decisions: tuple[Decision, ...]


def forgone(question: Question, found: Found, knowledge: Knowledge, upstream: str, now_s: float) -> Forgone:
    """Raises UnknownPrice where it cannot be told: then the call is made. `upstream` names the provider's key that would
    have sent it."""
    request, answer, lever = question.request, found.answer, found.lever
    usage = told_usage(question.call.dialect.read(answer.body)) or Usage()
    total = usage.total
    age_s = max(0, round(now_s - answer.at_s))
    reason = (
        f"the answer of {answer.id}, given {age_s} s ago {found.reason}: {total.prompt} tokens in and {total.output} out "
        "then; what a call would have cost is an estimate"
    )
    terms = Terms(answer.model, day_of(now_s), request.mode, request.geo or "global")
    decision = Decision(lever, "applied", reason)
    try:
        state = knowledge.snapshot(request, question.key, now_s, upstream=upstream).state
        plan = Rewritten(request, (), question.route, changes={lever: Change(True, reason)}).plan(state, question.policy)
        ways = [replace(one.tokens, output=total.output, thinking=total.thinking) for one in (plan.forecast, plan.baseline)]
        pico = min(price_usage(replace(usage, total=way, iterations=()), terms, knowledge.book).pico for way in ways)
        decision = next((one for one in plan.decisions if one.lever == lever), decision)
    except (InputError, UnknownPrice):  # as its first call was billed
        pico = price_usage(usage, terms, knowledge.book).pico
    return Forgone(pico, terms, (replace(decision, forecast_pico=pico),))


def entry_of(question: Question, found: Found, spared: Forgone, opened: Opened, books: Books) -> Entry:
    """The entry: nothing was used and nothing is paid, and what a call would have cost is saved."""
    answer, route = found.answer, question.route
    return Entry(
        id=opened.id,
        opened_us=opened.opened_us,
        settled_us=books.now_us,
        key=opened.key,
        model=question.request.model,
        endpoint=opened.endpoint,
        outcome="answered",
        resolution="void",
        usage_source="none",
        usage=Usage(),
        postings=balanced(spared.pico, 0, {found.lever: spared.pico}),
        served_model=answer.model,
        provider=books.provider,
        mode=spared.terms.mode,
        geo=spared.terms.geo,
        stream=question.request.stream,
        status=200,
        price_book=books.price_book,
        decisions=spared.decisions,
        message_id=question.call.dialect.read(answer.body).message_id,
        stop_reason=answer.stop_reason,
        note=f"answered with the answer of {answer.id}",
        latency_ms=max(0, (books.now_us - opened.opened_us) // 1000),
        task=opened.task,
        arm=route.arm,
        propensity=route.propensity,
        conversation=route.conversation,
        whose=opened.whose,
    )


def reply_of(question: Question, found: Found, entry: Entry, limits: Headers) -> WholeReply:
    """The answer as the client asked for it. Raises InputError and msgspec's errors for a message that is none."""
    answer = found.answer
    body = as_given_again(answer.body)
    streamed = question.request.stream
    saved = entry.posted(BASELINE)
    kind: Headers = (
        ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))
        if streamed
        else ((b"content-type", b"application/json"),)
    )
    headers: Headers = (
        *kind,
        (b"thriftgate-request-id", entry.id.encode()),
        (b"thriftgate-plan", found.lever.encode()),
        (b"thriftgate-forecast-usd", usd_from_pico(0).encode()),
        *limits,
        (b"thriftgate-cost-usd", usd_from_pico(0).encode()),
        (b"thriftgate-saved-usd", usd_from_pico(saved).encode()),
        (b"thriftgate-usage-source", entry.usage_source.encode()),
        (CALL, answer.id.encode()),
        (USAGE, used_by(answer.body)),
        (b"age", b"%d" % max(0, entry.settled_us // 1_000_000 - int(answer.at_s))),
    )
    return WholeReply(200, headers, stream_of(body) if streamed else body)
