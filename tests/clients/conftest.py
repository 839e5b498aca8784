"""One gateway and one simulator for each module of client tests; the books are checked after every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.stack import Stack


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def stack(running: Stack) -> Iterator[Stack]:
    yield running
    running.faults()
    running.check_books()
