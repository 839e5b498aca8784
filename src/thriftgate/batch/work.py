"""What the parts of a worker share: the run it holds, its tools, its batches, and how far it has come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.batch.booking import Desk
from thriftgate.batch.machine import BatchCommand, BatchEvent, batch_after
from thriftgate.batch.planning import Planner
from thriftgate.batch.remote import Remote
from thriftgate.batch.waves import Reads
from thriftgate.clock import Clock
from thriftgate.core.control.whose import Payer
from thriftgate.core.deadline import Completions, Reserve
from thriftgate.core.errors import ThriftgateError
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.jobs import OPEN_BATCHES, Answer, BatchRow, Job, JobBook, Lease
from thriftgate.providers.transport import Headers
from thriftgate.wire.anthropic_batches import BYTES_MAX, REQUESTS_MAX

PAGE = 500  # jobs or results that are handled, and written, together


class Stopped(ThriftgateError):
    """The run cannot go on: what is booked stands, and the same command takes it up again."""

    status_hint = 502
    label = "run_stopped"


class Options(Struct, frozen=True):
    """How a run is worked on. `queue_jobs` is how many may be in the provider's queue at once (its smallest tier takes
    200,000, platform.claude.com/docs/en/api/rate-limits, 2026-10); `max_cost_pico` is the most the run may cost, whatever
    comes; `attempts_max` counts tries of one job; `settle_s` is how long a batch whose POST was lost may take to show in
    the list; `waves` how many waves are under way at once. With `prime` off no shared prefix is marked. Where the provider
    refuses a batch, the run stops and tells, or, with `call_refused`, its jobs are called one by one; so are those that
    batches were tried for often enough, and what people must mend for one batch does not hold up the others."""

    requests_max: int = REQUESTS_MAX
    size_bytes_max: int = BYTES_MAX
    queue_jobs: int = 200_000
    max_cost_pico: int | None = None
    attempts_max: int = 3
    settle_s: float = 30.0
    waves: int = 4
    prime: bool = True
    call_refused: bool = False
    reserve: Reserve = Reserve()
    poll_s: tuple[float, float] = (2.0, 60.0)


class Placed(NamedTuple):
    """Where results were put: places in a spool, or answers to be booked with them."""

    places: Sequence[tuple[int, int]]
    answers: Sequence[Answer]


class Source(Protocol):
    """Where the calls of jobs stand."""

    async def load(self, jobs: Sequence[Job]) -> None:
        """Make ready what `params` and `headers` will be asked for."""

    def params(self, job: Job) -> bytes:
        """The body of the call. Raises InputError where it is not there any more."""

    def headers(self, job: Job) -> Headers:
        """The headers that its batch must be sent with."""

    def payer(self, job: Job) -> Payer:
        """Whom it is booked to."""


class Outlet(Protocol):
    """Where results go."""

    def add(self, results: Sequence[tuple[Job, bytes]], now_us: int) -> Placed:
        """Take results, each the JSON behind `"result":`. They count once they are booked. Raises OutputError."""

    def changes(self) -> dict[str, object]:
        """What of the run changes with what was added."""

    async def told(self, jobs: Sequence[Job]) -> None:
        """These are booked."""


@dataclass
class Progress:
    """How far a run has come, for a progress line: jobs, money (pico-USD), tokens."""

    jobs: int = 0
    done: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    paid_pico: int = 0
    baseline_pico: int = 0
    prompt_tokens: int = 0
    read_tokens: int = 0
    in_batches: int = 0
    direct: int = 0
    changed: Callable[[Progress], None] = lambda _: None

    @property
    def settled(self) -> int:
        return self.done + sum(self.failed.values())

    def count(self, entries: Sequence[Entry]) -> None:
        """Add settled entries."""
        for entry in entries:
            tokens = entry.usage.total
            self.paid_pico -= entry.posted("upstream")
            self.baseline_pico += entry.posted("baseline")
            self.prompt_tokens += tokens.prompt
            self.read_tokens += tokens.read


Room = Callable[[], Awaitable[tuple[int | None, str]]]
"""What the budgets of a run leave for its next batch (pico-USD; None: they set no bound), and which of them that is."""


async def _no_budgets() -> tuple[int | None, str]:
    return None, ""


@dataclass
class Work:
    """One run in one worker's hands. `new_id` names entries; `folder` holds bodies of batches on their way; `deadline_s`
    (unix seconds) is there where all jobs share one. No batch is formed before `open_at_s`. Where jobs come while others
    are worked on, `known` is the number of the last one that was noticed, and `looked_at` that of the last one of which
    somebody has looked what it shares: none after it is put into a batch. `begun_by` names the key that the run was begun
    with; `room` tells what budgets leave."""

    book: JobBook
    lease: Lease
    clock: Clock
    remote: Remote
    desk: Desk
    planner: Planner
    source: Source
    outlet: Outlet
    folder: Path
    new_id: Callable[[], str]
    options: Options
    completions: Completions
    reads: Reads
    progress: Progress
    batches: dict[str, BatchRow] = field(default_factory=dict)
    canceling: bool = False
    deadline_s: float | None = None
    open_at_s: float = 0.0
    known: int | None = None
    looked_at: int | None = None
    begun_by: str = ""
    room: Room = _no_budgets

    def now_us(self) -> int:
        return int(self.clock.now_s() * 1e6)

    async def keep(self, batch: BatchRow) -> BatchRow:
        """Write a batch down, and remember it as long as there is anything to do for it."""
        await self.book.set_batch(self.lease, self.now_us(), batch)
        self.remember(batch)
        return batch

    def remember(self, batch: BatchRow) -> None:
        if batch.state in OPEN_BATCHES:
            self.batches[batch.id] = batch
        else:
            self.batches.pop(batch.id, None)
        self.progress.in_batches = sum(one.jobs for one in self.batches.values())

    def desk_of(self, job: Job) -> Desk:
        """Where a job is booked."""
        payer = self.source.payer(job)
        return replace(self.desk, key=payer.key, whose=payer.whose) if payer.key else self.desk

    def held_pico(self) -> int:
        """The most that all open batches can still cost."""
        return sum(batch.worst_pico for batch in self.batches.values())


def moved(batch: BatchRow, event: BatchEvent, **changes: object) -> tuple[BatchRow, tuple[BatchCommand, ...]]:
    """The batch after an event, and what is to be done. Raises Unforeseen."""
    state, commands = batch_after(batch.state, event)
    return replace(batch, state=state, **changes), commands
