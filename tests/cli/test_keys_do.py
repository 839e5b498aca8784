"""What `thriftgate keys` prints: exactly one document with `--json`."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs.meanings import KEYS

from tests.cli.conftest import Run
from tests.cli.test_keys import Desk


@pytest.fixture
def desk(run: Run, tmp_path: Path) -> Desk:
    return Desk(run, tmp_path)


def test_each_document_has_the_keys_that_the_reference_names(desk: Desk) -> None:
    made = desk.json("keys", "create", "ci")
    told = KEYS["keys create"].split(", ")
    assert list(made) == [name.removesuffix("[]") for name in told]
    assert list(desk.json("keys", "provider", "add", "p", stdin=b"sk-1")) == KEYS["keys provider add"].split(", ")
    assert list(desk.json("keys", "audit")) == ["audit"]


def test_a_table_shows_no_markup_and_no_secret(desk: Desk) -> None:
    desk.json("keys", "create", "[red]x[/red]")
    out = desk("keys", "list").out
    assert "[red]x[/red]" in out
    assert "tg-" not in out
