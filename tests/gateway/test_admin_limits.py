"""Limits over HTTP: they hold for calls at once, and tell what the command line tells."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.keyed import staged


async def test_a_limit_made_over_http_holds_from_the_next_call_on(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="admin")
        key, secret = await stage.issue("app")
        wanted = {"name": "app", "metric": "requests", "amount": "1", "per": "hour", "scope": ["key=app"]}
        made = await stage.admin("POST", "/limits", boss, wanted)
        assert (made.status, made.document["scope"], made.document["scope_names"]) == (200, [f"key={key.id}"], ["key=app"])
        answered = await stage.call(x_api_key=secret)
        assert answered.status == 200
        assert answered.headers["thriftgate-limit"].startswith('name="app"; metric=requests; limit=1; remaining=0; reset=')
        refused = await stage.call(x_api_key=secret)
        assert refused.error[:2] == (429, "rate_limit_error")
        assert (await stage.call(x_api_key=(await stage.issue("other")).secret)).status == 200
        assert (await stage.admin("POST", "/limits", boss, {"name": "app", "amount": "9"})).document["amount"] == 9
        assert (await stage.call(x_api_key=secret)).status == 200
        (listed,) = (await stage.admin("GET", "/limits", boss)).document["limits"]
        assert (await stage.admin("GET", f"/limits/{listed['id']}", boss)).document == listed
        assert (await stage.admin("DELETE", f"/limits/{listed['id']}", boss)).document["ended"]
        assert (await stage.admin("GET", f"/limits/{listed['id']}", boss)).status == 404
        actions = [one["action"] for one in (await stage.admin("GET", "/audit", boss)).document["audit"]]
        assert actions[:2] == ["end limit", "set limit"]


async def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="admin")
        for body, words in (
            ({"name": "x"}, "say what is counted"),
            ({"name": "x", "metric": "requests", "amount": "1", "scope": ["team=none"]}, "there is no team 'none'"),
            ({"name": "x", "metric": "requests", "amount": "1.5"}, "whole number"),
            ({"name": "x", "colour": "red"}, "unknown field"),
        ):
            refused = await stage.admin("POST", "/limits", boss, body)
            assert refused.status == 400
            assert words in refused.error[2]
