"""One call explained; `tests/dashboard/test_same_figures.py` holds it against `thriftgate explain`."""

from __future__ import annotations

import pytest

from tests.dashboard.conftest import asked_of
from thriftgate.core.errors import NotThere
from thriftgate.dashboard.asked import Sources, Viewer
from thriftgate.dashboard.pages.call import document, view
from thriftgate.dashboard.recent import latest
from thriftgate.ledger.issuing import Actor


async def test_facts_leave_out_what_is_not_told(sources: Sources) -> None:
    look = asked_of(sources, key="key_ci", span="all").look
    (newest,) = await sources.books.ask(lambda connection: latest(connection, look, limit=1))
    asked = asked_of(sources, rest=newest.id)
    told = view(await document(asked), asked)
    facts = dict(told["facts"])
    assert facts["key"] == "key_ci"
    assert "asked for" not in facts
    assert told["off"] == []


async def test_a_call_of_another_team_is_not_there(sources: Sources) -> None:
    look = asked_of(sources, team="data", span="all").look
    (newest,) = await sources.books.ask(lambda connection: latest(connection, look, limit=1))
    stranger = Viewer(Actor("key_1", "session", "team-admin", True, "search"), "t")
    with pytest.raises(NotThere) as error:
        await document(asked_of(sources, stranger, rest=newest.id))
    assert "there are" not in str(error.value), "nor are others named"
    with pytest.raises(NotThere, match="there are tg_"):
        await document(asked_of(sources, rest="tg_none"))
