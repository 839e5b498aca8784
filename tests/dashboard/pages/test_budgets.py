"""Budgets: shown to everybody, made by administrators."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.dashboard.conftest import asked_of
from tests.fixtures import settings_of
from thriftgate.core.errors import NotAllowed
from thriftgate.dashboard.asked import Asked, Viewer
from thriftgate.dashboard.beside import Beside
from thriftgate.dashboard.pages.budgets import act, document, view
from thriftgate.ledger.issuing import HOST, Actor, Issuer
from thriftgate.ledger.sql_tenants import SqlTenants

OWNER = Viewer(Actor("key_1", "session", "owner", True), "token")


async def test_a_budget_from_its_making_to_its_end(tmp_path: Path) -> None:
    alone = Beside(settings_of(ledger={"path": str(tmp_path / "books.db")}))
    asked = asked_of(await alone.sources(), OWNER)
    team = await Issuer(SqlTenants(asked.sources.ledger), HOST, lambda: 1).add_team("search")

    async def sent(**form: str) -> str:
        told = await act(dataclasses.replace(asked, form=form))
        return "" if told is None else str(told["failed"])

    make = {"act": "make", "name": "search", "limit": "12.50", "window": "day", "zone": "Europe/Zurich"}
    assert await sent(**make, kind="team", value="search", hard="hard", stages="80, 100:refuse") == ""
    (one,) = (await document(asked))["budgets"]
    assert (one["limit_usd"], one["scope"], one["window"], one["hard"]) == ("12.5", [f"team={team.id}"], "day", True)
    assert one["stages"] == ["80", "100:refuse"]
    shown = view(await document(asked), asked)["rows"][0]
    assert (shown["whom"], shown["used_share"], shown["css"]) == (["team search"], 0, "")
    assert await sent(act="change", name="search", limit="20", stages="90") == ""
    assert (await document(asked))["budgets"][0]["limit_usd"] == "20"
    for form, words in (
        ({"act": "make", "name": "x", "limit": "much"}, "not an amount"),
        ({"act": "make", "name": "x", "limit": "1", "kind": "team"}, "which team"),
        ({"act": "make", "name": "x", "limit": "1", "zone": "Mars"}, "time zone"),
        ({"act": "change", "name": "search", "stages": "high"}, "stage"),
        ({"act": "burn"}, "does not say"),
    ):
        assert words in await sent(**form)
    assert await sent(act="end", id=one["id"]) == ""
    assert (await document(asked))["budgets"] == []
    await alone.close()


@pytest.mark.parametrize(("role", "writes"), [("viewer", False), ("team-admin", True), ("admin", False)])
async def test_others_only_look(sources: object, role: str, writes: bool) -> None:
    viewer = Viewer(Actor("key_1", "session", role, writes, "t"), "token")  # type: ignore[arg-type]
    asked: Asked = asked_of(sources, viewer)  # type: ignore[arg-type]
    with pytest.raises(NotAllowed):
        await act(dataclasses.replace(asked, form={"act": "make", "name": "x", "limit": "1"}))
