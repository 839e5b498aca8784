"""Calls as they come."""

from __future__ import annotations

from tests.dashboard.conftest import asked_of
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.pages.live import RECENT, document, view


async def test_the_latest_first(sources: Sources) -> None:
    asked = asked_of(sources, team="support")
    doc = await document(asked)
    ids = [one["id"] for one in doc["recent"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == RECENT
    assert {one["team"] for one in doc["recent"]} == {"support"}
    assert view(doc, asked)["stream"] == "live/events?team=support"
    assert not {"body", "text", "answer"} & doc["recent"][0].keys()
