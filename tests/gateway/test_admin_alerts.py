"""Alerts over HTTP: seen, acknowledged, silenced; rules made at run time; a team-admin no further than its team."""

from __future__ import annotations

from pathlib import Path

from tests.alerts.receiving import sighting
from tests.fixtures import books
from tests.gateway.keyed import Stage, at_tenants, now_us, staged
from thriftgate.core.alerting.life import Habits
from thriftgate.ledger.issuing import HOST, Issuer
from thriftgate.ledger.sql_alerts import SqlAlerts


async def sighted(stage: Stage, team: str) -> None:
    async with books(stage.ledger) as ledger:
        some = [sighting("ours", labels=(f"team={team}",)), sighting("theirs", labels=("team=other",)), sighting("all")]
        await SqlAlerts(ledger).sight(some, Habits(), lambda *_: (), now_us())


async def test_alerts_are_seen_acknowledged_and_silenced(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="admin")
        _, looker = await stage.issue("looker", role="viewer")
        await sighted(stage, "t")
        listed = (await stage.admin("GET", "/alerts?limit=2", looker)).document
        assert ([one["signature"] for one in listed["alerts"]], listed["next"]) == (["all", "theirs"], 2)
        rest = (await stage.admin("GET", f"/alerts?after={listed['next']}", looker)).document
        assert ([one["signature"] for one in rest["alerts"]], rest["next"]) == (["ours"], None)
        shown = (await stage.admin("GET", "/alerts/1", looker)).document
        assert (shown["sentence"], shown["notices"], shown["silences"]) == ("about ours", [], [])
        assert (await stage.admin("POST", "/alerts/1/acknowledge", looker)).status == 403
        known = (await stage.admin("POST", "/alerts/1/acknowledge", boss)).document
        assert (known["state"], known["acknowledged_by"]) == ("acknowledged", "boss")
        draft = {"matchers": ["team=other"], "why": "we know", "for": "2h"}
        made = await stage.admin("POST", "/alert-silences", boss, draft)
        assert (made.status, made.document["by"]) == (201, "boss")
        assert (await stage.admin("GET", "/alerts/2", looker)).document["state"] == "silenced"
        assert len((await stage.admin("GET", "/alert-silences", looker)).document["silences"]) == 1
        assert (await stage.admin("DELETE", f"/alert-silences/{made.document['id']}", boss)).status == 204
        assert (await stage.admin("GET", "/alert-silences", looker)).document == {"silences": []}
        assert (await stage.admin("GET", "/alert-dead-letters", boss)).document == {"dead_letters": []}
        for path in ("/alerts/99", "/alerts/99/acknowledge"):
            assert (await stage.admin("GET" if path.endswith("99") else "POST", path, boss)).status == 404
        for wrong in ({"matchers": [], "why": "x"}, {"matchers": ["team=a"], "why": ""}, draft | {"for": "soon"}):
            assert (await stage.admin("POST", "/alert-silences", boss, wrong)).status == 400
        assert (await stage.admin("GET", "/alerts?after=x", boss)).status == 400


async def test_a_team_admin_goes_no_further_than_its_team(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        async with at_tenants(stage.ledger) as tenants:
            team = await Issuer(tenants, HOST, now_us).add_team("mine")
        _, head = await stage.issue("head", role="team-admin", team="mine")
        await sighted(stage, team.id)
        assert [one["signature"] for one in (await stage.admin("GET", "/alerts", head)).document["alerts"]] == ["ours"]
        assert (await stage.admin("GET", "/alerts/2", head)).status == 404
        assert (await stage.admin("POST", "/alerts/2/acknowledge", head)).status == 404
        assert (await stage.admin("POST", "/alerts/1/acknowledge", head)).status == 200
        assert (await stage.admin("POST", "/alert-silences", head, {"matchers": ["team=*"], "why": "x"})).status == 403


async def test_rules_are_made_and_removed(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="admin")
        made = await stage.admin("PUT", "/alert-rules", boss, {"name": "a day", "above": "12.5", "over": "24h", "by": "key"})
        assert (made.status, made.document["above"], made.document["over_s"]) == (200, "12.5", 86_400.0)
        (rule,) = (await stage.admin("GET", "/alert-rules", boss)).document["rules"]
        assert (rule["name"], rule["source"], rule["made_by"]) == ("a day", "run time", "boss")
        for wrong in ({"name": "a"}, {"name": "", "above": "1"}, {"name": "a", "above": "much"}, {"name": "a", "colour": 1}):
            assert (await stage.admin("PUT", "/alert-rules", boss, wrong)).status == 400, wrong
        assert (await stage.admin("DELETE", "/alert-rules?name=a%20day", boss)).status == 204
        assert (await stage.admin("DELETE", "/alert-rules?name=a%20day", boss)).status == 400


async def test_where_alerts_are_off(tmp_path: Path) -> None:
    async with staged(tmp_path, alerts={"on": False}) as stage:
        _, boss = await stage.issue("boss", role="admin")
        assert (await stage.admin("GET", "/alerts", boss)).status == 404
