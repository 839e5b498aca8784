"""Call jobs synchronously, through the engine: those whose deadline a batch would not meet, and those that cost less so."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from thriftgate.batch.settling import Verdict, settle
from thriftgate.batch.work import Work
from thriftgate.core.control.whose import Payer
from thriftgate.core.errors import BudgetExceeded, InputError, PolicyRefusal, ThriftgateError, UnknownPrice
from thriftgate.engine.retry import RETRIED
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.jobs import Job
from thriftgate.providers.transport import Headers
from thriftgate.wire.anthropic_batches import errored, read_error, rejected, succeeded

TRIES_MAX = 8
PARALLEL_MAX = 256  # calls at once, however near a deadline is
_FIRST_WAIT_S, _LONGEST_WAIT_S = 2.0, 60.0


class Answered(NamedTuple):
    """What a synchronous call came to: HTTP status, body, and the entry it was booked under."""

    status: int
    body: bytes
    entry: Entry | None


# Body, headers of its own, whom it is booked to, and the name of the job.
Ask = Callable[[bytes, Headers, Payer, str], Awaitable[Answered]]


class Direct:
    """Calls as many jobs at once as the reserve says. `ask` makes one call, and books it."""

    def __init__(self, work: Work, ask: Ask) -> None:
        self._work = work
        self._ask = ask
        self._tries: dict[int, int] = {}
        self._rounds_in_vain = 0
        self.again_at_s = 0.0
        self.too_dear = False  # the next call may cost more than the run is allowed
        self.why = ""  # which budget says so; the run's own bound where none is named

    async def taken_over(self) -> None:
        """A process died in the middle of calls: their answers are lost, so they are called again. What it had sent is in
        the books as lost."""
        work = self._work
        while jobs := await work.book.direct(work.lease.run, "calling", 500):
            await settle(work, [Verdict(job, "killed") for job in jobs])

    async def round(self) -> int:
        """Call the most urgent ones. Returns how many were called."""
        work = self._work
        if work.clock.now_s() < self.again_at_s:
            return 0
        jobs = self._at_once(await work.book.direct(work.lease.run, "direct", PARALLEL_MAX))
        if not jobs:
            return 0
        if work.canceling:
            result = errored("canceled", "the run was canceled")
            await settle(work, [Verdict(job, "cancel", result, "canceled") for job in jobs])
            return len(jobs)
        await work.source.load(jobs)
        jobs = self._affordable(jobs)
        if not jobs:
            return 0
        bodies = [self._body(job) for job in jobs]
        await settle(work, [Verdict(job, "call") for job in jobs])
        called = [replace(job, state="calling") for job in jobs]
        answers = await asyncio.gather(*map(self._call, called, bodies))
        await settle(work, answers)
        again = sum(one.event == "again" for one in answers)
        self._rounds_in_vain = self._rounds_in_vain + 1 if again == len(answers) else 0
        if again:
            wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0**self._rounds_in_vain)
            self.again_at_s = work.clock.now_s() + wait_s
        self._booked(answers)
        return len(jobs)

    def _at_once(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """The first of these, as many as are called at once: more than usual where their deadline would be missed else."""
        reserve, now_s = self._work.options.reserve, self._work.clock.now_s()
        urgent = [job for job in jobs if job.deadline_us]
        left_s = max(reserve.call_s, min((job.deadline_us / 1e6 - now_s for job in urgent), default=math.inf))
        return jobs[: max(reserve.parallel, math.ceil(2 * len(urgent) * reserve.call_s / left_s))]

    def _affordable(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """The first of these, as many as what is left of the run's money is enough for whatever they cost."""
        work, limit_pico = self._work, self._work.options.max_cost_pico
        self.too_dear, self.why = False, ""
        if limit_pico is None:
            return jobs
        left_pico = limit_pico - work.progress.paid_pico - work.held_pico()
        for at, job in enumerate(jobs):
            left_pico -= self._worst_pico(job)
            if left_pico < 0:
                self.too_dear = at == 0
                return jobs[:at]
        return jobs

    def _worst_pico(self, job: Job) -> int:
        try:
            return self._work.planner.worst_call_pico(self._work.source.params(job), self._work.clock.now_s())
        except (InputError, UnknownPrice):
            return 0  # it cannot be called at all, and the call will say why

    def _booked(self, answers: Sequence[Verdict]) -> None:
        for one in answers:
            if one.event != "again":
                self._tries.pop(one.job.seq, None)

    def _body(self, job: Job) -> bytes | InputError:
        """The call, or why there is none. Raises Stopped, before any call is made."""
        try:
            return self._work.source.params(job)
        except InputError as error:
            return error

    async def _call(self, job: Job, body: bytes | InputError) -> Verdict:
        work = self._work
        tries = self._tries[job.seq] = self._tries.get(job.seq, 0) + 1
        try:
            if isinstance(body, InputError):
                raise body
            said = await self._ask(body, work.source.headers(job), work.source.payer(job), job.name)
        except BudgetExceeded as error:  # its time may come
            self.too_dear, self.why = self.too_dear or error.status_hint == BudgetExceeded.status_hint, str(error)
            return Verdict(job, "again", errored(error.error_type, str(error)), error.label, entry_id=error.call_id)
        except (InputError, PolicyRefusal, UnknownPrice) as error:
            return Verdict(job, "fail", errored(error.error_type, str(error)), error.label, entry_id=error.call_id)
        except ThriftgateError as error:
            result = errored(error.error_type, str(error))
            again = tries < TRIES_MAX and not error.after_answer
            return Verdict(job, "again" if again else "fail", result, error.label, entry_id=error.call_id)
        entry_id = ""
        if said.entry is not None:
            entry_id = said.entry.id
            work.progress.count([said.entry])
        if 200 <= said.status < 300:
            return Verdict(job, "answered", succeeded(said.body), entry_id=entry_id)
        told = read_error(said.body)
        again = said.status in RETRIED and tries < TRIES_MAX
        result = rejected(said.body) if told.type else errored("api_error", f"HTTP {said.status}")
        return Verdict(job, "again" if again else "fail", result, told.type or str(said.status), entry_id=entry_id)
