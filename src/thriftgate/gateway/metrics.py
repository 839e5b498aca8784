"""`GET /thriftgate/metrics`: totals since the start in the Prometheus text format. Only sums: no key, no prompt, no id.

Format: prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4, 2026-10.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from thriftgate.core.misses import Cause
from thriftgate.core.money import usd_from_pico
from thriftgate.gateway.asgi import Receive, Scope, Send, send_whole
from thriftgate.gateway.rooms import Rooms
from thriftgate.ledger.entries import Counters, Missed, Outcome

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


async def metrics(rooms: Rooms, scope: Scope, _receive: Receive, send: Send) -> None:
    """The page. Where calls need a key, so does this: one with the scope admin:read."""
    await rooms.access.caller(scope, "admin:read")
    page = metrics_text(rooms.engine.ledger.counters)
    if rooms.queue is not None:
        page += queue_text(rooms.queue.open_jobs, rooms.queue.open_batches)
    await send_whole(send, 200, ((b"content-type", CONTENT_TYPE),), page.encode())


def metrics_text(counters: Counters) -> str:
    """The totals, one family after the other. Every outcome and cause is there from the start, at 0."""
    calls = {outcome: counters.calls.get(outcome, 0) for outcome in get_args(Outcome)}
    tokens = {
        "read": counters.read,
        "write_5m": counters.write_5m,
        "write_1h": counters.write_1h,
        "plain": counters.plain,
        "output": counters.output,
    }
    none = Missed()
    missed = {cause: counters.misses.get(cause, none) for cause in get_args(Cause)}
    lines = [
        *_family("calls_total", "counter", "Settled calls by how they ended.", _labelled("outcome", calls)),
        *_family("tokens_total", "counter", "Tokens by how they were billed.", _labelled("kind", tokens)),
        *_family(
            "baseline_usd_total",
            "counter",
            "What the calls would have cost as they were sent.",
            [_usd(counters.baseline_pico)],
        ),
        *_family("paid_usd_total", "counter", "What the provider bills.", [_usd(counters.paid_pico)]),
        *_family(
            "saved_usd",
            "gauge",
            "Saved by lever; negative where one cost more than it saved so far.",
            _labelled("lever", {lever: usd_from_pico(pico) for lever, pico in counters.saved_pico.items()}),
        ),
        *_family(
            "cache_misses_total",
            "counter",
            "Calls that did not read what had been sent before, by cause.",
            _labelled("cause", {cause: one.calls for cause, one in missed.items()}),
        ),
        *_family(
            "cache_missed_tokens_total",
            "counter",
            "Tokens of these misses.",
            _labelled("cause", {cause: one.tokens for cause, one in missed.items()}),
        ),
        *_family(
            "cache_missed_usd_total",
            "counter",
            "What these tokens cost above the price of reading them.",
            _labelled("cause", {cause: usd_from_pico(one.pico) for cause, one in missed.items()}),
        ),
    ]
    return "\n".join(lines) + "\n"


def queue_text(jobs: int, batches: int) -> str:
    """The gauges of the queue."""
    lines = [
        *_family("queue_jobs", "gauge", "Calls that can wait and are not answered yet.", [f" {jobs}"]),
        *_family("queue_batches", "gauge", "Batches of them that are under way.", [f" {batches}"]),
    ]
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, meaning: str, samples: Iterable[str]) -> Iterator[str]:
    yield f"# HELP thriftgate_{name} {meaning}"
    yield f"# TYPE thriftgate_{name} {kind}"
    for sample in samples:
        yield f"thriftgate_{name}{sample}"


def _labelled(label: str, values: Mapping[str, object]) -> list[str]:
    """Samples by the value of one label; the values are our own words and need no escaping."""
    return [f'{{{label}="{name}"}} {value}' for name, value in values.items()]


def _usd(pico: int) -> str:
    return f" {usd_from_pico(pico)}"
