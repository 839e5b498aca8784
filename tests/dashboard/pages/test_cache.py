"""The cache page; `tests/dashboard/test_same_figures.py` holds its figures against the command line's."""

from __future__ import annotations

from tests.dashboard.conftest import asked_of
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.pages.cache import document, view


async def test_what_to_do_is_what_could_have_been_avoided(sources: Sources) -> None:
    asked = asked_of(sources, span="all")
    doc = await document(asked)
    told = view(doc, asked)
    assert [one["cause"] for one in told["todo"]] == [one["cause"] for one in doc["report"]["misses"] if one["avoidable"]]
    assert told["misses"]["columns"][-1] == "what to do"
    assert told["over_time"]["rows"]


async def test_no_call_no_chart(sources: Sources) -> None:
    asked = asked_of(sources, task="nothing")
    told = view(await document(asked), asked)
    assert (told["over_time"], told["misses"], told["todo"]) == (None, None, [])
