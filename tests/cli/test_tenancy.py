"""Open the tenants of a ledger from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures import settings_of
from thriftgate.cli.tenancy import Desk, at_desk, now_us
from thriftgate.core.errors import ConfigError
from thriftgate.ledger.tenants import Team


async def nothing(desk: Desk) -> int:
    assert abs(desk.now_us() - now_us()) < 10_000_000
    return len(await desk.tenants.page(Team))


def test_what_cannot_be_worked_on() -> None:
    with pytest.raises(ConfigError):
        at_desk(settings_of(ledger={"path": ":memory:"}), nothing, makes=True)


def test_only_what_makes_something_makes_the_ledger(tmp_path: Path) -> None:
    settings = settings_of(ledger={"path": str(tmp_path / "books.db")})
    with pytest.raises(ConfigError, match="there is no ledger"):
        at_desk(settings, nothing)
    assert at_desk(settings, nothing, makes=True) == 0
    assert at_desk(settings, nothing) == 0
