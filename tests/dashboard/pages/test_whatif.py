"""The what-if page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dashboard.conftest import asked_of
from tests.fixtures import settings_of
from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.beside import Beside
from thriftgate.dashboard.pages.whatif import NOT_JUDGED, document, view


async def test_a_wish_and_its_answer(sources: Sources) -> None:
    asked = asked_of(sources, span="all", batch="100", discount="10", calls="250")
    doc = await document(asked)
    paid, would = pico_from_usd(doc["paid_usd"]), pico_from_usd(doc["would_usd"])
    assert pico_from_usd(doc["low_usd"]) <= would <= pico_from_usd(doc["high_usd"])
    assert pico_from_usd(doc["saved_usd"]) == paid - would > 0
    assert doc["batched_calls"] > 0
    told = view(doc, asked)
    assert told["bars"]["rows"][0][0] == "as it was"
    assert told["month"] is not None
    assert "route.learned" in NOT_JUDGED


async def test_what_cannot_be_asked(sources: Sources) -> None:
    with pytest.raises(InputError, match="no model"):
        await document(asked_of(sources, to="claude-nobody"))
    alone = Beside(settings_of())
    with pytest.raises(InputError, match="in memory"):
        await document(asked_of(await alone.sources()))
    await alone.close()


async def test_nothing_to_replay(tmp_path: Path) -> None:
    alone = Beside(settings_of(ledger={"path": str(tmp_path / "books.db")}))
    asked = asked_of(await alone.sources())
    doc = await document(asked)
    assert (doc["calls"], doc["first"]) == (0, None)
    assert view(doc, asked)["bars"] is None
    await alone.close()
