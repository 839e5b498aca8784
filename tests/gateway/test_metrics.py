"""The metrics page, as Prometheus reads it: over a socket, after real calls, and with nothing private in it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.fixtures import HEADERS, MODEL, books, client, message, serving, settings_of, simulator
from tests.telemetry.pages import samples, value
from thriftgate.core.control.budgets import Budget
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.sql_budget_book import SqlBudgetBook

SECRET = "the combination is 4711"
MARKED = {"type": "text", "text": SECRET + " and more words" * 2_000, "cache_control": {"type": "ephemeral"}}
BODY = msgspec.json.encode(message(system=[MARKED]))


async def test_totals_after_real_calls(tmp_path: Path) -> None:
    app = simulator()
    with (
        serving(app) as url,
        serving(Gateway(settings_of(upstream={"url": url}, ledger={"path": str(tmp_path / "b.db")}))) as at,
    ):
        async with client() as session:
            before = samples(await (await session.get(f"{at}/thriftgate/metrics")).text())
            for _ in range(3):
                tasked = {**HEADERS, "thriftgate-task": "tickets"}
                async with session.post(f"{at}/v1/messages", data=BODY, headers=tasked) as response:
                    assert response.status == 200
            refused = {**HEADERS, "thriftgate-max-cost-usd": "0.000001"}
            async with session.post(f"{at}/v1/messages", data=BODY, headers=refused) as response:
                assert response.status >= 400
            async with session.get(f"{at}/thriftgate/metrics") as response:
                assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
                page = await response.text()
    found = samples(page)
    assert set(before) <= set(found), "what is there at the start stays"
    assert set(before.values()) <= {0.0, 1.0}
    assert value(found, "calls_total", outcome="answered") == 3
    assert value(found, "calls_total", outcome="refused") == 1
    billed = [call.usage for call in app.bill.calls]
    assert value(found, "tokens_total", kind="read") == sum(usage.read for usage in billed) > 0
    assert value(found, "paid_usd_total") == float(app.bill.total)
    saved = value(found, "baseline_usd_total") - value(found, "paid_usd_total")
    levers = [amount for (name, _), amount in found.items() if name == "thriftgate_saved_usd"]
    assert round(saved - sum(levers), 12) == 0
    assert value(found, "cache_misses_total", cause="cold") == 1
    assert value(found, "cache_missed_usd_total", cause="cold") > 0
    assert 0.5 < value(found, "cache_hit_share") < 0.7, "two of three read"
    answered = {"model": MODEL, "endpoint": "anthropic.messages", "outcome": "answered"}
    assert value(found, "model_calls_total", **answered) == 3
    assert value(found, "model_paid_usd_total", model=MODEL) == pytest.approx(float(app.bill.total))
    assert value(found, "latency_seconds_count", model=MODEL) == 3
    assert value(found, "call_cost_usd_count") == 3
    assert value(found, "task_answered_calls_total", task="tickets") == value(
        found, "task_latency_seconds_bucket", task="tickets", le="+Inf"
    )
    assert value(found, "open_holds") == 0
    for private in (SECRET, HEADERS["x-api-key"], "key_", "tg_"):
        assert private not in page


async def test_the_format_that_is_asked_for() -> None:
    with serving(Gateway(settings_of())) as at:
        async with client() as session:
            wanted = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
            async with session.get(f"{at}/thriftgate/metrics", headers=wanted) as response:
                assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
                page = await response.text()
    assert page.endswith("# EOF\n")
    assert value(samples(page, openmetrics=True), "calls_total", outcome="answered") == 0


async def test_budgets_as_they_stand(tmp_path: Path) -> None:
    """Of all calls one by name; of each key one without."""
    path = tmp_path / "b.db"
    async with books(path) as ledger:
        for budget in (Budget("b1", "everybody", 10**12), Budget("b2", "agents", 10**11, ("key=*",))):
            await SqlBudgetBook(ledger).put(budget)
    app = simulator()
    settings = {"ledger": {"path": str(path)}}
    with serving(app) as url, serving(Gateway(settings_of(upstream={"url": url}, **settings))) as at:
        async with client() as session:
            for key in (HEADERS["x-api-key"], "sk-ant-sim-other-1"):
                async with session.post(f"{at}/v1/messages", data=BODY, headers={**HEADERS, "x-api-key": key}) as response:
                    assert response.status == 200

            page = await (await session.get(f"{at}/thriftgate/metrics")).text()
    found = samples(page)
    spent = value(found, "budget_spent_usd", scope="all", budget="everybody")
    assert spent == pytest.approx(float(app.bill.total))
    assert value(found, "budget_used_share", scope="all", budget="everybody") == pytest.approx(spent), "of one dollar"
    assert value(found, "budget_held_usd", scope="all", budget="everybody") == 0
    assert value(found, "budgets", scope="key") == 2
    assert 0 < value(found, "budget_fullest_share", scope="key") < 1
    assert "key_" not in page
