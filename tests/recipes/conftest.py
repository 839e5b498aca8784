"""A gateway and a simulator for each module, as for the other clients, and a desk for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.conftest import running, stack
from tests.clients.stack import Stack
from tests.recipes.clients import Desk, installed

__all__ = ["running", "stack"]  # fixtures


@pytest.fixture(scope="session")
def clients() -> Path:
    """Asked for before any server is started: without clients none is needed."""
    return installed()


@pytest.fixture
def desk(clients: Path, stack: Stack, tmp_path: Path) -> Desk:
    return Desk(tmp_path, stack)
