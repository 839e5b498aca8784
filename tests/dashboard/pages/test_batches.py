"""Batches in flight."""

from __future__ import annotations

from tests.dashboard.conftest import asked_of
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.pages.batches import document, view

BATCH = {"batch": "b", "remote": "", "role": "", "jobs": 1, "created": "", "note": ""}


async def test_what_is_open_stands_apart(sources: Sources) -> None:
    asked = asked_of(sources)
    assert (await document(asked))["runs"] == []
    doc = {
        "batches": [BATCH | {"state": "running", "ended": ""}, BATCH | {"state": "booked", "ended": "1"},
                    BATCH | {"state": "booked", "ended": "2"}],
        "runs": [{"left": {"packed": 3, "waiting": 2}}],
    }  # fmt: skip
    told = view(doc, asked)
    assert [one["state"] for one in told["flying"]] == ["running"]
    assert ([one["ended"] for one in told["ended"]], told["left"], told["more"]) == (["2", "1"], 5, 0)
