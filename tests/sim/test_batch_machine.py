"""Law 9 over the whole batch worker: a batch job is never lost and never billed twice.

Hypothesis plays a worker against the simulator: it steps, lets time pass, kills the worker anywhere (between steps, at any
call, at any transaction) and takes the run up again, switches faults on and off, cancels batches from outside and lets
batches of others appear. In the end the faults cease, the run goes to its end, and the books are held against the bill.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from tests.batch.stage import BATCHES, Killed, Stage, call, foreign_batch, params
from thriftgate.batch.work import Options, Stopped
from thriftgate.core.deadline import Reserve
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults

_T = TypeVar("_T")

PREFIX = "You are a careful reader of reviews, and you say what you think of each in one word. " * 70
MODEL = "claude-opus-4-8"
EXAMPLES = max(40, settings().max_examples // 3)
STEPS = 20 if settings().max_examples <= 100 else 50  # a deep run takes minutes
SHAPES = ("alone", "shared", "two prefixes", "mixed")
FAULTS = (
    "batch_post_lost", "batch_error_late", "batch_error", "batch_results_cut", "batch_poll_limited", "batch_item_error",
)  # fmt: skip
SHARE = st.sampled_from((0.0, 0.3, 0.6))


def bodies_of(shape: str, count: int) -> list[dict[str, Any]]:
    """Jobs that share a prompt prefix, or do not."""

    def prefix(number: int) -> str:
        if shape == "alone" or (shape == "mixed" and number % 3 == 0):
            return ""
        return f"{number % 2}: {PREFIX}" if shape == "two prefixes" else PREFIX

    return [params(number, prefix(number), model=MODEL) for number in range(count)]


class BatchMachine(RuleBasedStateMachine):
    """One run, in as many lives as Hypothesis takes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.stage: Stage
        self.alive = False
        self.special = ""
        self.strangers: list[str] = []

    def do(self, work: Awaitable[_T]) -> _T:
        async def run() -> _T:
            return await work

        return self.loop.run(run())

    @initialize(
        shape=st.sampled_from(SHAPES),
        count=st.integers(1, 9),
        seed=st.integers(0, 2**16),
        order=st.sampled_from(("input", "arrival")),
        requests_max=st.sampled_from((2, 4, 100)),
        queue_jobs=st.sampled_from((3, 100)),
        job_pico=st.sampled_from((None, None, 2 * 10**9, 8 * 10**9)),
        workers=st.sampled_from((0, 2)),
        special=st.sampled_from(("", "", "", "twice", "cancel", "deadline")),
    )
    def begin(self, **drawn: Any) -> None:
        count, self.special = drawn["count"], drawn["special"]
        job_pico = None if self.special in ("twice", "deadline") else drawn["job_pico"]
        members = {"order": drawn["order"]}
        self.stage = Stage(
            Path(self.folder.name),
            bodies_of(drawn["shape"], count),
            options=Options(
                requests_max=drawn["requests_max"],
                queue_jobs=drawn["queue_jobs"],
                max_cost_pico=None if job_pico is None else job_pico * count,
                reserve=Reserve(call_s=20.0, parallel=2),
            ),
            rules=BatchRules(workers=drawn["workers"], service_s=20.0, duration_s=(20.0, 400.0)),
            seed=drawn["seed"],
            members=members,
        )
        if self.special == "deadline":
            members["deadline_us"] = int((self.stage.time() + 40.0 * count + 3000.0) * 1e6)

    # --- the worker ----------------------------------------------------------------------------------------------------

    def live(self, work: Awaitable[None]) -> None:
        """Part of a life; where it ends by a kill, so does the process."""
        try:
            self.do(work)
        except Killed:
            self.die()
        except Stopped:
            self.do(self.stage.close())
            self.alive = False
            self.stage.options = replace(self.stage.options, max_cost_pico=None)

    def die(self) -> None:
        self.do(self.stage.kill())
        self.alive = False

    async def steps(self, number: int) -> None:
        if not self.alive:
            self.alive = True
            await self.stage.open()
        for _ in range(number):
            if not await self.stage.step():
                return

    @rule(number=st.integers(1, 12))
    def step(self, number: int) -> None:
        self.live(self.steps(number))

    @rule(seconds=st.sampled_from((1.0, 40.0, 400.0, 4000.0)))
    def wait(self, seconds: float) -> None:
        self.stage.clock.advance(seconds)

    @precondition(lambda self: self.alive)
    @rule()
    def kill(self) -> None:
        self.die()

    @rule(where=st.sampled_from(("call", "write")), number=st.integers(1, 25), after=st.booleans())
    def doom(self, where: str, number: int, after: bool) -> None:
        if not self.alive:
            self.stage.doom = (where, number, after)
        elif where == "call":
            self.stage.kill_at_call(number, after=after)
        else:
            self.stage.kill_at_write(number, after=after)
        self.live(self.steps(8))

    # --- the provider and others -----------------------------------------------------------------------------------------

    @rule(shares=st.fixed_dictionaries(dict.fromkeys(FAULTS, SHARE)), storm_s=st.sampled_from((0.0, 90.0)))
    def faults(self, shares: dict[str, Any], storm_s: float) -> None:
        twice = 0.5 if self.special == "twice" else 0.0
        self.stage.simulator.faults = Faults(
            seed=self.stage.seed, storm_every_s=600.0, storm_s=storm_s, batch_post_twice=twice, **shares
        )

    @rule()
    def calm(self) -> None:
        self.stage.simulator.faults = Faults()

    @rule(at=st.integers(0, 20))
    def cancel_outside(self, at: int) -> None:
        self.calm()
        known = [name for name in self.stage.simulator.batches.known() if name not in self.strangers]
        if known:
            self.do(call(self.stage.simulator, "POST", f"{BATCHES}/{known[at % len(known)]}/cancel"))

    @precondition(lambda self: self.special == "cancel" and self.alive)
    @rule()
    def cancel(self) -> None:
        self.live(self.stage.work.book.want(self.stage.work.lease.run, "cancel"))

    @rule(size=st.integers(1, 4))
    def foreign(self, size: int) -> None:
        self.calm()
        name = "theirs-{}" if size % 2 else "tg_00000000000000000000_{}"
        self.strangers.append(self.do(foreign_batch(self.stage.simulator, size, name)))

    # --- what must hold --------------------------------------------------------------------------------------------------

    @invariant()
    def never_dearer_than_allowed(self) -> None:
        limit = self.stage.options.max_cost_pico if hasattr(self, "stage") else None
        if limit is not None:
            assert self.stage.bill_pico(self.strangers) <= limit
            if self.alive:
                work = self.stage.work
                assert work.progress.paid_pico + work.held_pico() <= limit

    def teardown(self) -> None:
        if hasattr(self, "stage"):
            self.stage.simulator.faults = Faults()
            self.stage.doom = None
            self.do(self.end())
        self.loop.close()
        self.folder.cleanup()

    async def end(self) -> None:
        if self.alive:
            await self.stage.kill()
        self.stage.options = replace(self.stage.options, max_cost_pico=None)
        if self.special == "twice":
            self.stage.clock.advance(2000.0)  # second copies are found once they have ended
        await self.stage.open()
        await self.stage.run()
        # Of a call that was made while the process died nobody knows what it cost, and it is made again.
        await self.stage.check(foreign=self.strangers, exact=self.special != "deadline", doubled=self.special == "twice")


def test_no_job_is_lost_and_none_billed_twice() -> None:
    run_state_machine_as_test(BatchMachine, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS))
