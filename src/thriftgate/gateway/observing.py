"""Everything that is told to the outside, wired to the gateway: the settings' table, the ledger's entries, the door."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import astuple

from thriftgate.batch.queue_worker import QueueWorker
from thriftgate.core.control.budgets import Standing
from thriftgate.core.errors import ConfigError
from thriftgate.core.health.faults import KINDS
from thriftgate.engine.engine import Engine
from thriftgate.engine.governing import GovernorView
from thriftgate.engine.sharing import SharingView
from thriftgate.engine.tracing import TRACE
from thriftgate.gateway.tracing import Tracing
from thriftgate.ledger.entries import Entry
from thriftgate.providers.urls import place_of
from thriftgate.quality.proof import Proof
from thriftgate.quality.watch import by_task
from thriftgate.settings import Settings, TelemetrySettings
from thriftgate.telemetry.access import log_call
from thriftgate.telemetry.outbox import Outbox
from thriftgate.telemetry.page import MetricsPage
from thriftgate.telemetry.standings import BudgetStanding, QueueStanding, Standings, Verdicts
from thriftgate.telemetry.tallies import Tallies
from thriftgate.telemetry.told import Told, ToldCall

CLOSING_S = 2.0


class Observer:
    """One per gateway. It hears of every entry that the ledger settles. Raises ConfigError where what is asked for is not
    installed."""

    def __init__(self, engine: Engine, settings: Settings, asked: Standings) -> None:
        table = settings.telemetry
        self._clock = engine.clock
        self._heard = engine.ledger.heard
        self._log_calls = table.log_calls
        self._tallies = Tallies(table.labels_max)
        self._delivery = _delivery(table, settings.upstream.url) if table.on else None
        self.tracing: Tracing | None = None
        if table.on or table.log_calls:
            tell = self._delivery.outbox.put if self._delivery is not None else None
            self.tracing = Tracing(engine.clock, tell, sample=table.sample, draw=secrets.randbits)
        self.firing: Mapping[str, int] = {}  # alerts that stand, by rule or kind
        asked = asked._replace(dropped=self._dropped, alerts=lambda: self.firing)
        self.page = MetricsPage(engine.ledger.counters, self._tallies, asked, places=table.labels_max)
        self._heard.append(self._hear)

    async def close(self) -> None:
        """Deliver what waits, within `CLOSING_S`; calls are heard no more."""
        self._heard.remove(self._hear)
        if self._delivery is not None:
            await asyncio.to_thread(self._delivery.outbox.close, CLOSING_S)
            await asyncio.to_thread(self._delivery.close)

    def _hear(self, entry: Entry) -> None:
        self._tallies.hear(entry)
        if self._log_calls:
            log_call(entry)
        if self._delivery is not None and self.tracing is not None:
            self._delivery.outbox.put(self._placed(entry, self.tracing))

    def _placed(self, entry: Entry, tracing: Tracing) -> ToldCall:
        """The call in the trace of the request that it was made for; one that nobody waits for has a trace of its own."""
        trace, now_us = TRACE.get(), int(self._clock.now_s() * 1e6)
        if trace is not None and (not trace.closed or entry.id in trace.held):
            place = trace.place._replace(span_id=tracing.begun(trace.place).span_id)
            return ToldCall(entry, place, trace.place.span_id, now_us, trace.held.pop(entry.id, None))
        return ToldCall(entry, tracing.begun(), 0, now_us, link=trace.place if trace is not None else None)

    def _dropped(self) -> Mapping[str, int]:
        delivery = self._delivery
        if delivery is None:
            return {}
        lost = delivery.outbox.dropped + delivery.outbox.undelivered
        return {"calls": lost, "metrics": delivery.metrics_undelivered()}


class Doing(Protocol):
    """What a gateway does besides answering, as long as it leads."""

    worker: QueueWorker | None
    proof: Proof | None


def standings_of(engine: Engine, doing: Doing) -> Standings:
    """What the gateway itself knows of how things stand."""

    def waiting() -> QueueStanding | None:
        worker = doing.worker
        return QueueStanding(worker.open_jobs, worker.open_batches) if worker is not None else None

    def audited() -> Mapping[str, Verdicts]:
        watches = doing.proof.watches.values() if doing.proof is not None else ()
        return {task: Verdicts(*astuple(tally)) for task, tally in by_task(watch.tallies for watch in watches).items()}

    def budgets() -> Sequence[BudgetStanding]:
        return [_budget(one) for one in engine.budgeting.standings()]

    def governor() -> tuple[GovernorView, int] | None:
        if engine.governor is None:
            return None
        return engine.governor.view(), len([one for one in engine.upstreams.left_alone() if one.kind == "spend"])

    def targets() -> Mapping[str, int]:
        return dict.fromkeys(KINDS, 0) | Counter(one.kind for one in engine.upstreams.left_alone())

    def sharing() -> SharingView | None:
        return engine.sharing.view() if engine.sharing is not None else None

    return Standings(queue=waiting, quality=audited, budgets=budgets, governor=governor, targets=targets, sharing=sharing)


def _budget(one: Standing) -> BudgetStanding:
    scope = tuple(condition.partition("=")[0] for condition in one.budget.scope)
    return BudgetStanding(one.whose, scope, one.used_pico, one.held_pico, one.budget.limit_pico)


class _Delivery(NamedTuple):
    outbox: Outbox[Told]
    metrics_undelivered: Callable[[], int]
    close: Callable[[], None]


def _delivery(table: TelemetrySettings, upstream: str) -> _Delivery:
    """Raises ConfigError."""
    try:
        from thriftgate.telemetry.otlp import Otlp  # noqa: PLC0415  10 MB that a gateway without it does not need
    except ImportError as error:
        raise ConfigError(f"telemetry.on needs OpenTelemetry: pip install 'thriftgate[otel]' ({error})") from None
    place = place_of(upstream)
    otlp = Otlp(table, (place.host, place.port))
    return _Delivery(Outbox(otlp.deliver, table.queue_calls), lambda: otlp.metrics_undelivered, otlp.close)
