"""How `thriftgate limits` opens the books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Books
from thriftgate.cli.limits_told import at_the_desk
from thriftgate.core.errors import ConfigError
from thriftgate.ledger.limit_desk import LimitDesk, WantedLimit


async def put(desk: LimitDesk, now_us: int) -> dict[str, Any]:
    assert now_us > 1_700_000_000_000_000
    return await desk.put(WantedLimit("a", "requests", "1"), now_us)


def test_ids_are_drawn(books: Books) -> None:
    assert at_the_desk(str(books.path), put)["id"].startswith("lim_")


def test_no_ledger_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no ledger"):
        at_the_desk(str(tmp_path / "none.db"), put)
    assert not list(tmp_path.iterdir())
