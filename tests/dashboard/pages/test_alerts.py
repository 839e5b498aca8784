"""Alerts: shown with their evidence, acknowledged and silenced."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.dashboard.conftest import asked_of, sighting
from tests.dashboard.house import now_us
from tests.dashboard.pages.test_budgets import OWNER
from tests.fixtures import settings_of
from thriftgate.core.alerting.life import Habits
from thriftgate.core.errors import NotAllowed
from thriftgate.dashboard.asked import Viewer
from thriftgate.dashboard.beside import Beside
from thriftgate.dashboard.gates import HERE
from thriftgate.dashboard.pages.alerts import act, document, view
from thriftgate.ledger.issuing import Actor
from thriftgate.ledger.sql_alerts import SqlAlerts


async def test_an_alert_is_acknowledged_and_silenced(tmp_path: Path) -> None:
    alone = Beside(settings_of(ledger={"path": str(tmp_path / "books.db")}))
    sources = await alone.sources()
    await SqlAlerts(sources.ledger).sight([sighting("a")], Habits(), lambda *_: (), now_us())
    asked = asked_of(sources, OWNER)
    doc = await document(asked)
    (one,) = view(doc, asked)["standing"]
    assert (one["told_labels"], one["matchers"], one["facts"][0]) == (["key a"], ["key=a"], ("now", "$5.00 an hour"))

    async def sent(**form: str) -> str:
        told = await act(dataclasses.replace(asked, form=form))
        return "" if told is None else str(told["failed"])

    assert await sent(act="acknowledge", id=str(one["id"])) == ""
    assert (await document(asked))["alerts"][0]["state"] == "acknowledged"
    assert await sent(act="silence", matchers="key=a\r\n", why="known", **{"for": "1h"}) == ""
    (silence,) = (await document(asked))["silences"]
    assert (list(silence["matchers"]), silence["by"]) == (["key=a"], "key_1")
    assert await sent(act="unsilence", id=str(silence["id"])) == ""
    for form in ({"act": "acknowledge", "id": "x"}, {"act": "acknowledge", "id": "99"}, {"act": "silence"}, {"act": "?"}):
        assert await sent(**form) != ""
    mine = asked_of(sources, Viewer(Actor("k", "session", "team-admin", True, "t"), "token"))
    assert (await document(mine))["alerts"] == [], "nothing of it is the team's"
    with pytest.raises(NotAllowed):
        await act(asked_of(sources, HERE))
    await alone.close()
