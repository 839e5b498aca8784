"""What the line of progress says, and where there is one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.batches import Provider, provider, server, write_jobs
from tests.fixtures import TestClock
from thriftgate.batch.work import Progress
from thriftgate.cli import batch_progress
from thriftgate.cli.batch_progress import left_s, told
from thriftgate.core.deadline import Completions
from thriftgate.ledger.jobs import BatchRow, BatchState

__all__ = ["provider", "server"]  # fixtures


def work_of(
    jobs: int, done: int, *, ages_s: Sequence[float] = (), state: BatchState = "running", durations_s: Sequence[float] = ()
) -> Any:
    """As much of a worker as the line looks at: batches of ten jobs, and how long earlier ones took."""
    clock, completions = TestClock(), Completions()
    for duration_s in durations_s:
        completions.observe(duration_s)
    now_us = int(clock.now_s() * 1e6)
    batches = {
        str(at): BatchRow(str(at), "run", "plain", state, "", "", 10, made_us=now_us - int(age_s * 1e6))
        for at, age_s in enumerate(ages_s)
    }
    reached = Progress(jobs, done, paid_pico=1_500_000_000_000, baseline_pico=4 * 10**12, in_batches=10 * len(batches))
    return SimpleNamespace(clock=clock, completions=completions, batches=batches, progress=reached)


@pytest.mark.parametrize(
    ("work", "low_s", "high_s"),
    [
        (work_of(10, 0, ages_s=[0], durations_s=[100] * 40), 60, 300),
        (work_of(20, 0, ages_s=[0], durations_s=[100] * 40), 120, 600),  # others are in no batch yet
        (work_of(10, 0, ages_s=[0]), 300, 3600),  # nothing seen: what the provider promises
        (work_of(10, 0, ages_s=[40_000], durations_s=[100] * 40), 600, 86_400),  # late already, and nobody knows
        (work_of(20, 0, ages_s=[0, 80], durations_s=[100] * 40), 60, 300),  # the youngest counts
        (work_of(10, 0, ages_s=[50], state="ended"), 0, 0),
        (work_of(10, 10), 0, 0),
    ],
)
def test_how_long_it_will_take(work: Any, low_s: float, high_s: float) -> None:
    assert low_s <= left_s(work) <= high_s


def test_what_is_wanted_most_comes_first() -> None:
    line = told(work_of(1_020, 1_000, ages_s=[0, 0], durations_s=[100] * 40))
    assert re.fullmatch(r"1,000/1,020  about \d+ \w+ left  \$1\.50 paid, \$2\.50 saved  20 in batches", line)
    assert len(line) < 70  # which leaves the bar some of 80 columns
    assert told(work_of(10, 10, ages_s=[0])) == "10/10  $1.50 paid, $2.50 saved"


def test_no_line_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with batch_progress.reading() as seen, batch_progress.working(work_of(3, 1)) as changed:
        seen(5)
        changed()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_at_a_terminal(provider: Provider) -> None:
    """The document on stdout stays whole; the line goes to the terminal, fits into it, and is gone at the end."""
    import pty

    provider.batches({"duration_s": [0.3, 0.31]})
    command = [sys.executable, "-m", "thriftgate", "batch", "run", write_jobs(4), "--out", "o.jsonl", "--yes", "--json"]
    reads, writes = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=writes, env=environ) as process:
        os.close(writes)
        shown = b""
        try:
            while piece := os.read(reads, 65_536):
                shown += piece
        except OSError:  # how the end looks on Linux
            pass
        assert process.stdout is not None
        assert process.stdout.read().startswith(b'{\n  "run": "run_')
    os.close(reads)
    lines = [line.strip() for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()))]
    assert any(re.search(r"0/4 +about 15 min left +\$0\.0000 paid, \$0\.0000 saved +4 in batches", line) for line in lines)
    assert any(re.search(r"4/4 +\$0\.0\d+ paid", line) for line in lines)
    assert max(len(line) for line in lines if line.startswith("jobs ")) <= 80
    assert not any("batch created" in line for line in lines)
