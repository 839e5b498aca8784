"""Budgets over HTTP: they hold for calls at once, and tell what the command line tells."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.keyed import staged


async def test_a_budget_made_over_http_holds_from_the_next_call_on(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="admin")
        key, secret = await stage.issue("app")
        assert (await stage.call(x_api_key=secret)).status == 200
        made = await stage.admin("POST", "/budgets", boss, {"name": "app", "limit_usd": "0.002", "scope": ["key=app"]})
        assert (made.status, made.document["scope"], made.document["scope_names"]) == (200, [f"key={key.id}"], ["key=app"])
        assert float(made.document["standings"][0]["spent_usd"]) > 0
        refused = await stage.call(x_api_key=secret)
        assert refused.error[:2] == (402, "billing_error")
        assert (await stage.call(x_api_key=(await stage.issue("other")).secret)).status == 200
        raised = await stage.admin("POST", "/budgets", boss, {"name": "app", "limit_usd": "1"})
        assert raised.document["id"] == made.document["id"]
        answered = await stage.call(x_api_key=secret)
        assert answered.status == 200
        assert answered.headers["thriftgate-budget"].startswith('name="app"; limit=1;')
        (listed,) = (await stage.admin("GET", "/budgets", boss)).document["budgets"]
        assert listed["limit_usd"] == "1"
        assert (await stage.admin("POST", f"/budgets/{listed['id']}/clear", boss, {})).document["freed_usd"] == "0"
        assert (await stage.admin("DELETE", f"/budgets/{listed['id']}", boss)).document["ended"]
        assert (await stage.admin("GET", f"/budgets/{listed['id']}", boss)).status == 404
        assert (await stage.admin("GET", "/budgets", boss)).document == {"budgets": []}
        actions = [one["action"] for one in (await stage.admin("GET", "/audit", boss)).document["audit"]]
        assert actions[:3] == ["end budget", "clear doubt", "set budget"]


async def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="admin")
        for body, words in (
            ({"name": "x"}, "say how much"),
            ({"name": "x", "limit_usd": "1", "scope": ["team=none"]}, "there is no team 'none'"),
            ({"name": "x", "limit_usd": "1e"}, "1e"),
            ({"name": "x", "limit_usd": "1", "colour": "red"}, "unknown field"),
            ({"name": "x", "limit_usd": 1}, "Expected `str | null`"),
        ):
            refused = await stage.admin("POST", "/budgets", boss, body)
            assert refused.status == 400
            assert words in refused.error[2]
