"""One run: what it needs is in its files, and what it writes is in its folder."""

from __future__ import annotations

import gc
from pathlib import Path

from tests.audit.replay.test_partitions import dealt_out
from tests.audit.replay.test_plan import CANDIDATES, records
from tests.audit.tables import BOOK, MODELS, table
from thriftgate.audit.replay.asks import asked
from thriftgate.audit.replay.run import run
from thriftgate.audit.replay.work import Job, Known, work


def test_a_partition_comes_to_what_its_calls_come_to(tmp_path: Path) -> None:
    with table(records(2)) as calls:
        expected = run(asked(calls, BOOK), CANDIDATES, BOOK, MODELS)
        part = dealt_out(calls, 60).sample
        job = Job(part, tuple(CANDIDATES), explain=True, whole=True, part="all")
        moved = tmp_path / "elsewhere.parquet"
        moved.write_bytes(part.files[0].read_bytes())
        found = work(job, [moved], tmp_path, Known(BOOK, MODELS))
    assert found == expected
    assert gc.isenabled()
    assert job.title == f"all (60 calls, {len(CANDIDATES)} policies)"
