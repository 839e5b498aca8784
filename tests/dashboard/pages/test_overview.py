"""The overview; `tests/dashboard/test_same_figures.py` holds its figures against the command line's."""

from __future__ import annotations

import pytest

from tests.dashboard.conftest import asked_of
from thriftgate.core.money import pico_from_usd
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.pages.overview import APART_MAX, MOVERS_MAX, document, view
from thriftgate.ledger.rollup_spans import ENTRIES
from thriftgate.ledger.sql_cells import pieces_of


async def test_what_is_apart_adds_up(sources: Sources) -> None:
    for by in ("model", "key", "team", "task", "nonsense"):
        asked = asked_of(sources, span="all", by=by)
        doc = await document(asked)
        assert doc["apart"]["by"] == ("model" if by == "nonsense" else by)
        names = doc["apart"]["names"]
        assert len(names) <= APART_MAX + 1
        paid = sum(pico_from_usd(usd) for one in names for usd in one["paid_usd"])
        assert paid == pico_from_usd(doc["paid_usd"])


async def test_movers_are_those_that_moved_most(sources: Sources) -> None:
    doc = await document(asked_of(sources, span="7d"))
    changes = [abs(pico_from_usd(one["change_usd"])) for one in doc["movers"]]
    assert changes == sorted(changes, reverse=True)
    assert 0 < len(changes) <= MOVERS_MAX
    assert (await document(asked_of(sources, span="all")))["movers"] == [], "there is no span before all of it"


@pytest.mark.parametrize("span", ["24h", "7d", "30d"])
async def test_what_moved_is_told_without_reading_single_calls(sources: Sources, span: str) -> None:
    spans = asked_of(sources, span=span).look.compared()
    assert spans is not None
    for one in spans:
        found = await sources.books.ask(lambda connection, one=one: pieces_of(connection, one, "total", "UTC"))  # type: ignore[misc]
        assert not [piece for piece in found if piece.hours == ENTRIES]


async def test_nothing_to_show_is_no_chart(sources: Sources) -> None:
    asked = asked_of(sources, span="7d", key="nobody")
    told = view(await document(asked), asked)
    assert (told["over_time"], told["apart"]) == (None, None)
