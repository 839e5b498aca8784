"""The short form of `python -m benchmarks.batch kill`: the real command, killed and started again, loses nothing and has
nothing billed twice."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.batch import kill


def test_nothing_is_lost_and_nothing_billed_twice(tmp_path: Path) -> None:
    asked = kill.Asked(
        600,
        4,
        seed=5,
        duration_s=(0.5, 2.0),
        requests_max=60,
        queue_jobs=240,
        jitter_s=0.1,
        struck=("booking", ""),  # a POST that is in doubt is searched for over half a minute
    )
    outcome = kill.run(asked, tmp_path)
    print(kill.table(outcome))
    assert not outcome.wrong, kill.table(outcome)
    assert outcome.kills == 4
    assert outcome.succeeded == outcome.billed == 600
    assert outcome.paid_pico == outcome.bill_pico > 0


def test_kills_are_spread_over_the_life_of_a_run() -> None:
    moments = kill.moments(30, kill.Asked().struck, random.Random(1))
    assert [one.phase for one in moments[:3]] == ["reading"] * 3
    assert {one.phase for one in moments[3:]} == {"posting", "booking", ""}
    shares = [one.share for one in moments]
    assert shares == sorted(shares)
    assert shares[-1] - shares[3] > 0.5
    assert kill.moments(30, kill.Asked().struck, random.Random(1)) == moments
