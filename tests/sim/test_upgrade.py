"""The short form of `python -m tests.sim.upgrade`: no call fails when a new process takes over from an old one."""

from __future__ import annotations

from pathlib import Path

from tests.ledger.filled import NEWEST
from tests.sim.upgrade import run


async def test_no_call_fails_while_one_process_takes_over_from_another(tmp_path: Path) -> None:
    outcome = await run(1.5, seed=3, folder=tmp_path)
    print(outcome.line())
    assert not outcome.failed, outcome.line()
    assert not outcome.wrong, outcome.line()
    assert outcome.after > 0, "the new process answered nobody"
    assert outcome.answered > outcome.after, "the old process answered nobody"
    assert outcome.refused + outcome.cut > 0, "nobody asked while there was no process"
    assert outcome.schema[1] == NEWEST
