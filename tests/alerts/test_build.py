"""The alerts of a gateway: calls through the engine, rules from the settings, a real receiver."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.receiving import verified
from tests.core.alerting.test_message import alert
from tests.core.alerting.test_stages import standing
from tests.fixtures import call_of, engine_on, message, read_all, settings_of, simulator, until
from tests.scripted import answering, upstream
from thriftgate.alerts.build import desk_of, habits_of, open_alerts, roads_of, routes_of, sinks_of
from thriftgate.clock import SystemClock
from thriftgate.core.alerting.alert import Why
from thriftgate.core.control.budgets import Stage
from thriftgate.core.errors import ConfigError
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts
from thriftgate.settings import SinkRow

ALERT = alert()


def row(**members: Any) -> SinkRow:
    return SinkRow(**{"name": "ops", "kind": "log"} | members)


@pytest.mark.parametrize(
    ("members", "why", "told"),
    [
        ({}, "opened", True),
        ({"severity": "critical"}, "opened", True),
        ({"kinds": ("lo*",)}, "opened", True),
        ({"kinds": ("threshold",)}, "opened", False),
        ({"teams": ("search", "ads")}, "opened", True),
        ({"teams": ("ads",)}, "opened", False),
        ({"resolved": False}, "resolved", False),
        ({"resolved": False}, "worse", True),
    ],
)
def test_whom_an_alert_is_told(members: dict[str, Any], why: Why, told: bool) -> None:
    assert list(routes_of([row(**members)])(ALERT, why)) == (["ops"] if told else [])
    assert not routes_of([row(severity="critical")])(alert(severity="warning"), why)


def test_habits() -> None:
    habits = habits_of(settings_of(alerts={"again_h": 2.0, "resolve_min": 5.0, "worse_factor": 3.0}))
    assert (habits.again_us, habits.resolve_us, habits.worse_factor) == (7_200_000_000, 300_000_000, 3.0)


async def test_a_call_that_is_too_dear_is_told_to_a_receiver(tmp_path: Path) -> None:
    async with upstream(answering(b"{}")) as seen:
        table = {
            "every_s": 1.0,
            "gather_s": 0.0,
            "allow_hosts": ["127.0.0.1"],
            "rules": [{"name": "any", "above": Decimal("0.00000001")}],
            "sinks": [{"name": "ops", "kind": "webhook", "url": f"{seen.url}/hook", "secret": "s" * 24}],
        }
        path = str(tmp_path / "books.db")
        async with engine_on(simulator(), ledger={"path": path}) as engine:
            settings = settings_of(alerts=table, ledger={"path": path})
            alerting = await open_alerts(engine, settings)
            assert alerting is not None
            await read_all(await engine.messages(call_of(message("prompt text"))))
            for crossed in engine.budgeting.crossed:
                crossed(standing(80), Stage(80))

            async def arrived() -> bool:
                return len(seen.requests) >= 2

            await until(arrived)
            standing_alerts = await alerting.desk.alerts()
            await alerting.close()
    told = [verified(request, b"s" * 24) for request in seen.requests]
    assert {one.kind for one in standing_alerts} == {"budget", "threshold"}
    assert any("spent" in one["subject"] for one in told)
    assert any("budget agents" in one["subject"] for one in told)
    assert "prompt text" not in repr(seen.requests)


async def test_nothing_where_it_is_switched_off_and_an_error_where_a_sink_cannot_be(tmp_path: Path) -> None:
    async with engine_on(simulator()) as engine:
        assert await open_alerts(engine, settings_of(alerts={"on": False})) is None
        wrong = {"sinks": [{"name": "ops", "kind": "slack", "url": "http://inner/hush"}]}
        with pytest.raises(ConfigError, match=r"alerts.sinks: ops: url: inner: only https"):
            await open_alerts(engine, settings_of(alerts=wrong))


async def test_for_those_without_a_gateway(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    settings = settings_of(alerts={"rules": [{"name": "any", "above": 1}]})
    desk = desk_of(SqlAlerts(ledger), settings, SystemClock())
    fixed, stored = await desk.rules()
    assert [rule.name for rule in fixed] == ["any"]
    assert not stored
    transport, roads = roads_of(settings, SystemClock())
    assert list(sinks_of(settings, roads)) == ["log"]
    await transport.close()
    await ledger.close()
