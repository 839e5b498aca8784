"""The short form of `python -m tests.sim.kill`: nothing a client received whole is missing after SIGKILL."""

from __future__ import annotations

from pathlib import Path

from tests.sim.kill import run


async def test_what_was_received_whole_is_booked_whatever_is_killed_when(tmp_path: Path) -> None:
    outcome = await run(kills=6, seed=7, folder=tmp_path)
    print(outcome.line())
    assert not outcome.lost, outcome.line()
    assert not outcome.wrong, outcome.line()
    assert outcome.whole > 50, "hardly any load"
    assert outcome.outcomes["lost"] > 0, "no kill struck a call under way"
