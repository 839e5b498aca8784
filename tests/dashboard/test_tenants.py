"""What keys and teams are called."""

from __future__ import annotations

import asyncio

from tests.dashboard.conftest import Owned, asked_of
from tests.dashboard.house import key_made
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.tenants import issuer, labels


async def test_labels_name_what_the_books_hold_by_id(sources: Sources, owned: Owned) -> None:
    id_, _ = await asyncio.to_thread(key_made, owned.house.settings, "named", "", "a team")
    told = await labels(sources)
    assert told[id_] == "named"
    assert "a team" in told.values()


async def test_whoever_only_looks_issues_nothing(sources: Sources) -> None:
    import pytest

    from thriftgate.core.errors import NotAllowed

    with pytest.raises(NotAllowed):
        await issuer(asked_of(sources)).add_team("x")
