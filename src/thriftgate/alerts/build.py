"""Put the watch of a gateway together, and the desk that answers about alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from thriftgate.alerts.anomalies import MEMORY, Anomalies
from thriftgate.alerts.budget_stages import BudgetStages
from thriftgate.alerts.courier import Courier, Manners
from thriftgate.alerts.desk import Desk
from thriftgate.alerts.following import Following
from thriftgate.alerts.recall import recall
from thriftgate.alerts.sinks import sink_of
from thriftgate.alerts.sinks.sink import Roads, Sink
from thriftgate.alerts.watch import Detector, Watch, Watching
from thriftgate.clock import Clock
from thriftgate.core.alerting.alert import Alert, Why, rank
from thriftgate.core.alerting.board import Board
from thriftgate.core.alerting.life import Habits
from thriftgate.core.alerting.stages import stage_sighting
from thriftgate.core.control.budgets import Stage, Standing
from thriftgate.core.errors import ConfigError
from thriftgate.engine.engine import Engine
from thriftgate.engine.keeping import Keeper
from thriftgate.ledger.alerts import AlertBook, Routes
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.receivers import Receivers
from thriftgate.settings import Settings, SinkRow
from thriftgate.settings.alerts import rules_of


class Alerting(NamedTuple):
    """What a gateway has of alerts: who watches and tells, and who answers about it."""

    watch: Watch
    desk: Desk
    transport: Http1Transport
    forget: Callable[[], None]

    async def close(self) -> None:
        """Put down what was heard, and end."""
        self.forget()
        await self.watch.close()
        await self.transport.close()


async def open_alerts(engine: Engine, settings: Settings) -> Alerting | None:
    """Watch and tell from now on; None where the settings switch it off, or the ledger keeps no alerts. Raises ConfigError
    and LedgerError."""
    table = settings.alerts
    ledger = engine.ledger
    if not table.on or not isinstance(ledger, SqlLedger):
        return None
    book = SqlAlerts(ledger)
    transport, roads = roads_of(settings, engine.clock)

    async def remember(board: Board, until_us: int) -> None:
        await recall(ledger, board, until_us)

    try:
        couriers = [
            Courier(
                row.name,
                sink_of(row, roads),
                book,
                engine.clock,
                Manners(table.gather_s, table.digest_over, row.per_hour),
                public_url=table.public_url,
            )
            for row in table.told
        ]
    except ConfigError:
        await transport.close()
        raise
    rules = rules_of(table)
    detectors: list[Detector] = [BudgetStages(engine.budgeting.standings)]
    keeper: Keeper | None = None
    if table.anomalies:
        anomalies = Anomalies(engine.knowledge.book)
        keeper = Keeper({MEMORY: anomalies}, ledger, engine.clock, engine.tasks)
        await keeper.restore()
        detectors.append(anomalies)
    watch = Watch(
        book,
        Watching(rules, habits_of(settings), routes_of(table.told), table.every_s),
        couriers,
        clock=engine.clock,
        tasks=engine.tasks,
        recall=remember,
        detectors=detectors,
        keeper=keeper,
    )

    def crossed(standing: Standing, stage: Stage) -> None:
        watch.sight(stage_sighting(standing, stage, int(engine.clock.now_s() * 1e6)))

    following = Following(ledger, engine.clock, engine.worker_name, watch.hear)
    engine.budgeting.crossed.append(crossed)
    ledger.heard.append(watch.hear)
    if settings.is_fleet:
        engine.leading.duties.append(following.look)

    def forget() -> None:
        engine.budgeting.crossed.remove(crossed)
        ledger.heard.remove(watch.hear)
        if following.look in engine.leading.duties:
            engine.leading.duties.remove(following.look)

    watch.start()
    return Alerting(watch, Desk(book, rules, engine.clock), transport, forget)


def desk_of(book: AlertBook, settings: Settings, clock: Clock) -> Desk:
    """Who answers about alerts, without a gateway. Raises ConfigError."""
    return Desk(book, rules_of(settings.alerts), clock)


def sinks_of(settings: Settings, roads: Roads) -> dict[str, Sink]:
    """All sinks by their names. Raises ConfigError."""
    return {row.name: sink_of(row, roads) for row in settings.alerts.told}


def roads_of(settings: Settings, clock: Clock) -> tuple[Http1Transport, Roads]:
    """What sinks send through; whoever asks closes the transport."""
    receivers = Receivers(settings.alerts.allow_hosts)
    transport = Http1Transport(find=receivers.find)
    return transport, Roads(transport, receivers, clock, settings.alerts.public_url)


def habits_of(settings: Settings) -> Habits:
    """When to speak."""
    table = settings.alerts
    return Habits(table.worse_factor, int(table.again_h * 3.6e9), int(table.resolve_min * 6e7))


def routes_of(rows: Sequence[SinkRow]) -> Routes:
    """Which sinks an alert is told through."""

    def routes(alert: Alert, why: Why) -> list[str]:
        return [row.name for row in rows if _takes(row, alert, why)]

    return routes


def _takes(row: SinkRow, alert: Alert, why: Why) -> bool:
    if rank(alert.severity) < rank(row.severity) or (why == "resolved" and not row.resolved):
        return False
    if row.kinds and not any(fnmatchcase(alert.kind, pattern) for pattern in row.kinds):
        return False
    return not row.teams or any(fnmatchcase(alert.value("team"), pattern) for pattern in row.teams)
