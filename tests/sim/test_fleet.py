"""The short form of `python -m tests.sim.fleet`."""

from __future__ import annotations

from pathlib import Path

from tests.sim.fleet import run


async def test_no_reload_fails_a_call_and_a_killed_worker_leaves_books_that_are_right(tmp_path: Path) -> None:
    found = await run(tmp_path, times=1, seconds=0.0, streams=24)
    assert not found.wrong, found.line()
    assert found.seen["whole"] > 30, "hardly any load"
    assert found.seen["broken"] > 0, "the kill struck nobody"
    assert found.resolved_s < 15, found.line()
