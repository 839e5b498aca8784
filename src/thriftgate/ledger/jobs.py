"""The words of work that is done later: runs, batches, jobs, and who may write them.

A run is one file of jobs, or a gateway's queue. One worker at a time holds its lease; every write carries the lease's fence
and renews it, and a worker whose lease was taken over gets `Fenced` and must stop: what it would have written is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.entries import Entry, Hold

# waiting   to be packed into a batch         packed   in a batch
# direct    to be called synchronously        calling  being called
# done      answered                          failed   given up, with a cause
JobState = Literal["waiting", "packed", "direct", "calling", "done", "failed"]

# drafting  jobs are put into it; nothing was sent
# posting   written ahead; its POST may have left          doubtful  the POST may have created it
# running   created, and known                             canceling asked to stop
# ended     its results can be read                        booked    every line of them is in the books
# dropped   surely never created: its jobs wait again      gone      its results cannot be had any more
BatchState = Literal["drafting", "posting", "doubtful", "running", "canceling", "ended", "booked", "dropped", "gone"]
OPEN_BATCHES: tuple[BatchState, ...] = ("drafting", "posting", "doubtful", "running", "canceling", "ended")

# reading   its jobs are being taken in     ready   taken in, not yet agreed to
# running   at work                         done    every job is done or failed
RunState = Literal["reading", "ready", "running", "done"]
RunKind = Literal["file", "queue", "client"]

# plain   nothing shared is marked    lead  writes the shared prefixes of a wave    follow  reads them
Role = Literal["plain", "lead", "follow"]


QUEUE = "queue"  # the id of the gateway's own run


class Fenced(LedgerError):
    """Another worker has taken this run over; nothing was written."""

    label = "fenced"


class Run(Struct, frozen=True):
    """One file of jobs, or a queue. Times in microseconds since 1970. `options` are its worker's own, as JSON. Its results
    are written up to `out_bytes`, in input order up to job `out_seq`; `spool_bytes` are those that came out of order."""

    id: str
    kind: RunKind
    state: RunState
    key: str
    options: bytes
    created_us: int
    worker: str = ""
    lease_until_us: int = 0
    fence: int = 0
    wanted: Literal["", "cancel"] = ""
    jobs: int = 0
    out_bytes: int = 0
    out_seq: int = 0
    spool_bytes: int = 0
    note: str = ""


class Lease(Struct, frozen=True):
    """The right to write a run, until another worker takes it."""

    run: str
    worker: str
    fence: int
    length_us: int = 60_000_000


class BatchRow(Struct, frozen=True):
    """One batch. `made_us` is when it was written ahead, `created_us` when the provider made it, by its own word;
    `rescue_us` is when it must be canceled so that its deadlines hold, 0 for never. As JSON: `suspects` are batches of the
    provider that may be this one, `headers` those of its POST, `plans` the decisions that its jobs were planned by.
    `worst_pico` is the most that its jobs can cost."""

    id: str
    run: str
    role: Role
    state: BatchState
    fingerprint: str
    remote_id: str
    jobs: int
    wave: int = 0
    headers: bytes = b"{}"
    made_us: int = 0
    created_us: int = 0
    ended_us: int = 0
    poll_us: int = 0
    polls: int = 0
    rescue_us: int = 0
    suspects: bytes = b"[]"
    plans: bytes = b"[]"
    worst_pico: int = 0
    note: str = ""


class Job(Struct, frozen=True, gc=False):
    """One call to be made. `name` is the caller's own id; `entry` names the hold and the entry of the present attempt;
    `place` and `size` tell where the call stands in the run's input (bytes), `out_place` and `out_size` where its result
    stands in the spool. `plan` says which of its batch's plans is its own. `deadline_us` is 0 for none."""

    run: str
    seq: int
    name: str
    state: JobState
    cause: str = ""
    grp: int = 0
    batch: str = ""
    attempt: int = 0
    entry: str = ""
    model: str = ""
    forecast_pico: int = 0
    plan: int = 0
    place: int = 0
    size: int = 0
    out_place: int = 0
    out_size: int = 0
    deadline_us: int = 0


class Group(Struct, frozen=True):
    """Jobs of a run that share the prompt up to and including a block: `prefix_tokens` long; `rest_tokens` is the mean of
    what each of them adds, its answer included, as input tokens. `way` and `ttl` say how they are sent (empty: not
    decided yet), `leads` how often it was tried to write the prefix."""

    run: str
    id: int
    digest: bytes
    model: str
    items: int
    prefix_tokens: int
    rest_tokens: int
    state: Literal["cold", "leading", "primed", "sent"] = "cold"
    way: Literal["", "plain", "primed", "calls"] = ""
    ttl: Literal["", "5m", "1h"] = ""
    wave: int = 0
    leads: int = 0


class Bound(Struct, frozen=True, gc=False):
    """A block boundary in a job's prompt: its digest, and how many tokens stand before it and behind it (with the answer, as
    input tokens)."""

    seq: int
    digest: bytes
    model: str
    tokens: int
    rest: int


class Outcome(Struct, frozen=True, gc=False):
    """What became of a job: its next state, where its result stands in the spool, and what to add to its attempts."""

    seq: int
    state: JobState
    cause: str = ""
    entry: str = ""
    out_place: int = 0
    out_size: int = 0
    attempts: int = 0


class Body(Struct, frozen=True):
    """The call of a job in a queue: its key, its own headers and whose it is as JSON, whom to tell of its answer. The body
    is dropped once it is answered. `tell_us` is when to tell next, 0 for no more; `told` how often it was tried. `digest` is
    the same for the same call sent again."""

    seq: int
    key: str
    headers: bytes
    body: bytes
    webhook: str = ""
    tell_us: int = 0
    told: int = 0
    digest: bytes = b""
    whose: bytes = b"{}"


class Answer(Struct, frozen=True):
    """What a job in a queue was answered, until it is forgotten: HTTP status and body."""

    seq: int
    at_us: int
    status: int
    body: bytes


class Tally(Struct, frozen=True):
    """Jobs of a run in one state, for one cause."""

    state: JobState
    cause: str
    jobs: int


class Spent(Struct, frozen=True):
    """Sums over the settled entries of a run's jobs (pico-USD, tokens)."""

    calls: int = 0
    baseline_pico: int = 0
    paid_pico: int = 0
    prompt_tokens: int = 0
    read_tokens: int = 0
    by_lever: Mapping[str, int] = {}


class JobBook(Protocol):
    """Where runs, batches and jobs are kept: beside the entries, so that a result and its entry are written as one. All
    verbs raise LedgerError, and those with a lease Fenced. Each verb is one transaction, durable when it returns."""

    async def open_run(self, run: Run) -> Run:
        """The run of that id, made now if there is none."""

    async def run(self, run_id: str) -> Run | None: ...

    async def runs(self) -> Sequence[Run]: ...

    async def take(self, run_id: str, worker: str, now_us: int, length_us: int, *, dead: str = "") -> Lease | None:
        """The lease of a run that is free, expired, this worker's own or that of a worker known to be `dead`; None while
        another holds it."""

    async def release(self, lease: Lease) -> None: ...

    async def want(self, run_id: str, wanted: Literal["", "cancel"]) -> None:
        """Ask whoever works on the run to do that. Needs no lease."""

    async def set_run(self, lease: Lease, now_us: int, **changes: object) -> None: ...

    async def add_jobs(self, lease: Lease, now_us: int, jobs: Sequence[Job], bounds: Sequence[Bound] = ()) -> None: ...

    async def forget_jobs(self, lease: Lease, now_us: int) -> None:
        """Drop all jobs of a run that was not begun."""

    async def doubles(self, run_id: str, limit: int) -> Sequence[tuple[str, int, int]]:
        """Names that stand more than once, with the first two jobs that bear them."""

    async def group(self, lease: Lease, now_us: int) -> int:
        """Put jobs with a shared boundary into groups, each under the one that saves it most. Uses up the bounds. Returns
        how many groups the run has."""

    async def groups(self, run_id: str, limit: int, *, state: str, way: str) -> Sequence[Group]:
        """Groups in a state that are sent in a way, in order of wave and id."""

    async def wave(self, run_id: str, wave: int) -> Sequence[Group]:
        """The groups of one wave."""

    async def last_wave(self, run_id: str) -> int:
        """The highest wave there is; 0 before the first."""

    async def set_groups(self, lease: Lease, now_us: int, groups: Sequence[Group]) -> None: ...

    async def recall(self, lease: Lease, now_us: int, leads_max: int) -> int:
        """Groups with jobs that wait although their leaders or followers are through begin anew, plain where their prefix
        was tried to be written `leads_max` times. Returns how many those are."""

    async def waiting(self, run_id: str, group: int | None, *, after: int, limit: int) -> Sequence[Job]:
        """Waiting jobs of a group (0: those without one) in order of seq, from just behind `after`; without `group` of
        any, in no order."""

    async def part_ways(self, lease: Lease, now_us: int) -> int:
        """Take the waiting jobs whose groups are sent plain out of them; those whose groups are sent as calls are to be
        called. Returns how many those are."""

    async def jobs(self, run_id: str, seqs: Sequence[int]) -> Sequence[Job]: ...

    async def jobs_of(self, batch: str, after: int, limit: int) -> Sequence[Job]:
        """Jobs that are packed into a batch, in order of seq, from just behind `after`."""

    async def in_order(self, run_id: str, after: int, limit: int) -> Sequence[Job]:
        """Jobs in order of seq, whatever their state."""

    async def direct(self, run_id: str, state: JobState, limit: int) -> Sequence[Job]:
        """Jobs to be called synchronously, the most urgent first."""

    async def post(self, lease: Lease, now_us: int, batch: BatchRow, jobs: Sequence[Job], holds: Sequence[Hold]) -> None:
        """Write a batch ahead with some more jobs and their holds."""

    async def set_batch(self, lease: Lease, now_us: int, batch: BatchRow) -> None: ...

    async def batches(self, run_id: str, states: Sequence[BatchState]) -> Sequence[BatchRow]: ...

    async def known_batches(self, remote_ids: Sequence[str]) -> frozenset[str]:
        """Those of the provider's batches that some run knows."""

    async def book(
        self,
        lease: Lease,
        now_us: int,
        outcomes: Sequence[Outcome],
        entries: Sequence[Entry],
        *,
        batch: BatchRow | None = None,
        answers: Sequence[Answer] = (),
        run_changes: Mapping[str, object] | None = None,
    ) -> None:
        """Settle jobs: their entries, their outcomes, their answers and the batch's new row as one."""

    async def hurry(self, lease: Lease, now_us: int, before_us: int) -> int:
        """Waiting jobs with a deadline before that are to be called synchronously. Returns how many."""

    async def enqueue(self, run_id: str, job: Job, body: Body, bounds: Sequence[Bound] = ()) -> Job:
        """Add a job to a queue, whoever works on it; its seq is the next one, and then `jobs` of the run. Raises LedgerError
        where there is no such queue."""

    async def add_bounds(self, lease: Lease, now_us: int, bounds: Sequence[Bound]) -> None:
        """Boundaries of jobs that were added without: only who groups them knows those that came with their jobs."""

    async def body(self, run_id: str, seq: int) -> Body | None: ...

    async def bodies(self, run_id: str, seqs: Sequence[int]) -> Sequence[Body]: ...

    async def to_tell(self, run_id: str, now_us: int, limit: int) -> Sequence[tuple[Job, Body]]:
        """Answered jobs whose callers are due to be told."""

    async def tell_again(self, lease: Lease, now_us: int, seq: int, told: int, tell_us: int) -> None: ...

    async def named(self, run_id: str, name: str) -> Job | None:
        """The job of a queue by its name."""

    async def alike(self, run_id: str, digest: bytes, since_us: int) -> Sequence[Job]:
        """The jobs of a queue whose call has that digest, in order of seq: the open ones, and those answered since then."""

    async def answer(self, run_id: str, seq: int) -> Answer | None: ...

    async def forget_answers(self, lease: Lease, now_us: int, before_us: int) -> int:
        """Drop answers, with their jobs, that were given before that, and the batches and groups that no job is left of.
        Returns how many answers."""

    async def is_booked(self, entry_id: str) -> bool:
        """Whether there is an entry of that id."""

    async def tally(self, run_id: str, *, up_to: int | None = None) -> Sequence[Tally]:
        """How many jobs are how far; of those with a seq up to that one, where it is given."""

    async def spent(self, run_id: str) -> Spent: ...
