"""One run: a partition replayed under some policies. It depends on nothing but what it is given, so it comes out the same in
any process and on any machine, and runs of different partitions add up."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from thriftgate.audit.replay.asks import asked
from thriftgate.audit.replay.partitions import Partition, opened
from thriftgate.audit.replay.policies import Candidate
from thriftgate.audit.replay.run import Done, run
from thriftgate.core.models import ModelTable
from thriftgate.core.prices import PriceBook


class Job(Struct, frozen=True):
    """What to run over a partition. `whole` tells runs over all calls from those over the sample. `share` is about what the
    partition holds of all calls. `part` names the run for people."""

    partition: Partition
    candidates: tuple[Candidate, ...]
    explain: bool
    whole: bool
    part: str
    share: float = 1.0

    def candidate(self, one: Candidate) -> Candidate:
        """The candidate over this part alone."""
        return one.over(self.share, every_key=not self.whole)

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.part} ({self.partition.calls:,} calls, {len(self.candidates)} policies)"


class Known(Struct, frozen=True):
    """What every run is done with."""

    book: PriceBook
    models: ModelTable


def work(job: Job, files: Sequence[Path], folder: Path, known: Known) -> Done:
    """Replay the partition in these files. `folder` is a scratch folder of this run alone. Raises duckdb.Error where
    there is no room in it."""
    collecting = gc.isenabled()
    gc.disable()  # a replay makes no cycles, and looking for some takes a seventh of its time
    try:
        candidates = [job.candidate(one) for one in job.candidates]
        with opened(files, folder) as calls:
            stream = asked(calls, known.book, rewritten=any(one.rewrites for one in candidates))
            return run(stream, candidates, known.book, known.models, explain=job.explain)
    finally:
        if collecting:
            gc.enable()
