"""What the ledger knows of one call, as a document: pure."""

from __future__ import annotations

from typing import Any

import msgspec

from thriftgate.core.cost import Cost, day_of, price_usage
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import usd_from_pico
from thriftgate.core.prices import Mode, PriceBook, Terms
from thriftgate.core.usage import Tokens
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.pricing.bill import bill_document

OFF = "off in the policy"
"""Why the planner skips a lever that nobody switched on. There are many: for people they are listed once."""


def explain_document(entry: Entry, book: PriceBook) -> dict[str, Any]:
    """The explanation as `--json` prints it. `lines` is empty where the book at hand cannot price the call."""
    cost = priced_again(entry, book)
    paid, baseline = -entry.posted(UPSTREAM), entry.posted(BASELINE)
    return {
        "id": entry.id,
        "plan": [
            {
                "lever": decision.lever,
                "decision": decision.decision,
                "reason": decision.reason,
                "forecast_usd": usd_from_pico(decision.forecast_pico),
            }
            for decision in entry.decisions
        ],
        "forecast_usd": usd_from_pico(entry.forecast_pico),
        "baseline_usd": usd_from_pico(baseline),
        "cost_usd": usd_from_pico(paid),
        "saved_usd": usd_from_pico(baseline - paid),
        "usage": usage_document(entry),
        "miss": miss_document(entry),
        "postings": [{"account": one.account, "amount_usd": usd_from_pico(one.pico)} for one in entry.postings],
        "postings_sum_usd": usd_from_pico(entry.balance()),
        "lines": [] if cost is None else bill_document(cost)["lines"],
        "lines_sum_usd": None if cost is None else usd_from_pico(cost.pico),
        "price_book": entry.price_book,
        "lines_price_book": book.id,
        "remarks": remarks_on(entry, cost, book),
        "outcome": entry.outcome,
        "resolution": entry.resolution,
        "note": entry.note,
        "model": entry.model,
        "asked_model": entry.asked_model,
        "served_model": entry.served_model,
        "provider": entry.provider,
        "endpoint": entry.endpoint,
        "key": entry.key,
        "task": entry.task,
        "parent": entry.parent,
        "conversation": entry.conversation,
        "arm": entry.arm,
        "propensity": entry.propensity,
        "mode": entry.mode,
        "geo": entry.geo,
        "stream": entry.stream,
        "status": entry.status,
        "stop_reason": entry.stop_reason,
        "message_id": entry.message_id,
        "upstream_request_id": entry.upstream_request_id,
        "attempts": entry.attempts,
        "opened": text_from_micros(entry.opened_us),
        "settled": text_from_micros(entry.settled_us),
        "ttfb_ms": entry.ttfb_ms,
        "latency_ms": entry.latency_ms,
    }


def off_in_the_policy(entry: Entry) -> list[str]:
    """The levers that were not asked, since nobody switched them on."""
    return [one.lever for one in entry.decisions if one.decision == "skipped" and one.reason == OFF]


def usage_document(entry: Entry) -> dict[str, Any]:
    """Usage as disjoint buckets in tokens, and where it comes from."""
    usage = entry.usage
    return {
        **_buckets(usage.total),
        "web_searches": usage.web_searches,
        "iterations": [{"type": one.kind, "model": one.model, **_buckets(one.tokens)} for one in usage.iterations],
        "source": entry.usage_source,
    }


def priced_again(entry: Entry, book: PriceBook) -> Cost | None:
    """The bill of the entry's usage under `book`; None where it has no price for it."""
    for model in (entry.served_model, entry.model):
        try:
            return price_usage(entry.usage, _terms(entry, model or entry.model), book)
        except UnknownPrice:
            continue
    return None


def miss_document(entry: Entry) -> dict[str, Any]:
    """What the cache did not serve of what had been sent before; empty where it missed nothing."""
    miss = entry.miss
    if miss is None:
        return {}
    return {
        "cause": miss.cause,
        "tokens": miss.tokens,
        "cost_usd": usd_from_pico(miss.pico),
        "avoidable": miss.avoidable,
        "detail": miss.detail,
        "at_block": miss.at_block,
        "digest": miss.digest or None,
        "gap_s": miss.gap_s,
        "read_tokens_expected": entry.read_expected_tokens,
        "read_tokens": entry.usage.total.read,
        "write_tokens_expected": entry.write_expected_tokens,
        "write_tokens": entry.usage.total.write_5m + entry.usage.total.write_1h,
    }


def _terms(entry: Entry, model: str) -> Terms:
    return Terms(model, day_of(entry.opened_us / 1e6), msgspec.convert(entry.mode, Mode), entry.geo)


def _buckets(tokens: Tokens) -> dict[str, int]:
    return {f"{name}_tokens": getattr(tokens, name) for name in tokens.__struct_fields__}


def remarks_on(entry: Entry, cost: Cost | None, book: PriceBook) -> list[str]:
    """What a reader of the figures must know, one sentence each."""
    remarks: list[str] = []
    if cost is None:
        remarks.append(f"price book {book.id} has no price for this call, so its lines cannot be shown")
    elif entry.price_book != book.id:
        remarks.append(f"booked under price book {entry.price_book}; the lines are priced under {book.id}")
    paid = -entry.posted(UPSTREAM)
    if entry.outcome == "lost":
        remarks.append("nobody saw the end of this call: it is booked at its forecast")
    elif cost is not None and cost.pico != paid:
        why = "this call was not billed" if not paid else "it was priced under other terms, see the note"
        remarks.append(f"the lines come to ${usd_from_pico(cost.pico)}, ${usd_from_pico(paid)} are booked: {why}")
    if entry.usage_source == "estimated":
        remarks.append("the usage is an estimate: the provider's final figures did not come")
    return remarks
