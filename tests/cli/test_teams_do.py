"""What `thriftgate teams` prints: exactly one document with `--json`."""

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
    assert list(desk.json("teams", "add", "x")) == KEYS["teams add"].split(", ")
    assert list(desk.json("teams", "user", "add", "y")) == KEYS["teams user add"].split(", ")
    assert list(desk.json("teams", "org", "add", "z")) == KEYS["teams org add"].split(", ")
    assert list(desk.json("teams", "list")) == ["orgs", "teams", "users"]
