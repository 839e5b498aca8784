"""Make the body of a batch: each job read from its place, planned, and written to a file that is then sent as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from thriftgate.batch.planning import Planner, Plans
from thriftgate.batch.sink import OutputError
from thriftgate.core.control.whose import Payer
from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.core.plan import Plan
from thriftgate.ledger.entries import Hold
from thriftgate.ledger.jobs import Group, Job, Role
from thriftgate.providers.transport import FileBody
from thriftgate.wire.anthropic_batches import BETWEEN, HEAD, TAIL, custom_id, request_line

FLUSH_BYTES = 2**20
FRAME_BYTES = len(HEAD) + len(BETWEEN) + len(TAIL)


class Source(Protocol):
    """Where the calls of jobs stand."""

    def params(self, job: Job) -> bytes:
        """The body of the call. Raises InputError where it is not there any more."""

    def payer(self, job: Job) -> Payer:
        """Whom it is booked to."""


class Bounds(NamedTuple):
    """How large a batch may be, and how much its jobs may cost in the worst case (pico-USD; None: any)."""

    requests: int
    size_bytes: int
    worst_pico: int | None


class Misfit(NamedTuple):
    """A job that cannot be sent, and why."""

    job: Job
    why: str


class Page(NamedTuple):
    """Some jobs that went into a batch, with their holds, and those that cannot be sent. `full`: the batch takes no more;
    `too_dear`: because of what its jobs may cost."""

    jobs: Sequence[Job]
    holds: Sequence[Hold]
    misfits: Sequence[Misfit]
    full: bool
    too_dear: bool


class Packing:
    """One batch in the making: add jobs, page by page, then close it. Not all of its jobs ever stand in memory together.

    Raises OutputError where the file cannot be written. `new_id` names holds and entries.
    """

    def __init__(
        self,
        planner: Planner,
        source: Source,
        new_id: Callable[[], str],
        path: Path,
        *,
        batch: str,
        role: Role,
        bounds: Bounds,
    ) -> None:
        self._planner = planner
        self._source = source
        self._new_id = new_id
        self._batch = batch
        self._role = role
        self._bounds = bounds
        self._mark = fingerprint(batch)
        self._plans = Plans()
        self._file = _Writer(path)
        self.count = 0
        self.worst_pico = 0

    def add(self, jobs: Sequence[Job], groups: Mapping[int, Group], now_s: float) -> Page:
        """Plan these jobs and write them down, as many as fit."""
        packed: list[Job] = []
        holds: list[Hold] = []
        misfits: list[Misfit] = []
        for job in jobs:
            try:
                plan = self._plan(job, groups.get(job.grp), now_s)
            except (InputError, UnknownPrice) as error:
                misfits.append(Misfit(job, str(error)))
                continue
            line = request_line(custom_id(self._mark, job.seq), plan.body)
            if len(line) > self._bounds.size_bytes - FRAME_BYTES:
                misfits.append(Misfit(job, f"the call takes {len(line):,} bytes, more than a batch may have"))
                continue
            worst = plan.forecast.worst_pico
            too_dear = self._bounds.worst_pico is not None and self.worst_pico + worst > self._bounds.worst_pico
            if too_dear or self._is_full(len(line)):
                return Page(packed, holds, misfits, full=True, too_dear=too_dear)
            self._file.add(line)
            self.count += 1
            self.worst_pico += worst
            booked = replace(
                job,
                state="packed",
                batch=self._batch,
                entry=self._new_id(),
                attempt=job.attempt + 1,
                model=plan.terms.model,
                forecast_pico=plan.forecast.pico,
                plan=self._plans.number(plan.decisions),
            )
            packed.append(booked)
            holds.append(self._hold(booked, worst, now_s))
        return Page(packed, holds, misfits, full=self._is_full(0), too_dear=False)

    def within(self, pico: int | None) -> bool:
        """Whether it is that bound which its jobs are held to."""
        return pico is not None and pico == self._bounds.worst_pico

    def close(self) -> tuple[FileBody, bytes]:
        """The body to send, and the plans of its jobs, as JSON."""
        self._file.close()
        return FileBody(self._file.path, self._file.length), self._plans.encoded()

    def drop(self) -> None:
        """Nothing is to be sent after all."""
        self._file.drop()

    def _is_full(self, size_bytes: int) -> bool:
        return self.count >= self._bounds.requests or self._file.length + size_bytes + len(BETWEEN) > self._bounds.size_bytes

    def _plan(self, job: Job, group: Group | None, now_s: float) -> Plan:
        plan = self._planner.plan(self._planner.draft(self._source.params(job), now_s), group, self._role)
        if plan.refusal is not None:
            raise InputError(plan.refusal)
        return plan

    def _hold(self, job: Job, worst_pico: int, now_s: float) -> Hold:
        payer = self._source.payer(job)
        return Hold(
            id=job.entry,
            opened_us=int(now_s * 1e6),
            key=payer.key or self._planner.key,
            model=job.model,
            worst_pico=worst_pico,
            forecast_pico=job.forecast_pico,
            batch=self._batch,
            whose=payer.whose,
        )


def fingerprint(batch: str) -> str:
    """What the custom ids of a batch begin with: the same whenever it is worked out."""
    return sha256(batch.encode()).hexdigest()[:20]


class _Writer:
    """The file, written in pieces: a batch of 256 MB never stands in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = len(HEAD) + len(TAIL)
        self._pieces: list[bytes] = [HEAD]
        self._size = len(HEAD)
        self._count = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from None

    def add(self, line: bytes) -> None:
        pieces = (BETWEEN, line) if self._count else (line,)
        self._count += 1
        self._pieces += pieces
        added = sum(map(len, pieces))
        self._size += added
        self.length += added
        if self._size >= FLUSH_BYTES:
            self._flush()

    def close(self) -> None:
        self._pieces.append(TAIL)
        self._flush()
        self._file.close()

    def drop(self) -> None:
        with suppress(OSError):  # what could not be written then cannot be now
            self._file.close()
        self.path.unlink(missing_ok=True)

    def _flush(self) -> None:
        try:
            self._file.write(b"".join(self._pieces))
            self._file.flush()
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}; run the same command again") from None
        self._pieces, self._size = [], 0
