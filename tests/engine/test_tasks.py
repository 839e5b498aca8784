"""Background tasks: referenced, awaited at the end, cancelled only when they had their chance."""

from __future__ import annotations

import asyncio
import gc

import pytest

from thriftgate.engine.tasks import Tasks


async def test_a_task_nobody_holds_runs_to_its_end() -> None:
    tasks, done = Tasks(), asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0)
        gc.collect()
        done.set()

    tasks.spawn(work())
    gc.collect()
    await asyncio.wait_for(done.wait(), 5)


async def test_the_end_waits_for_what_runs_and_for_what_that_starts() -> None:
    tasks = Tasks()
    ended = []

    async def inner() -> None:
        await asyncio.sleep(0.01)
        ended.append("inner")

    async def outer() -> None:
        await asyncio.sleep(0.01)
        tasks.spawn(inner())
        ended.append("outer")

    tasks.spawn(outer())
    await tasks.finish(5)
    assert ended == ["outer", "inner"]


async def test_what_does_not_end_is_cancelled_and_may_clean_up() -> None:
    tasks = Tasks()
    ended = []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.shield(tasks.spawn(settle()))

    async def settle() -> None:
        await asyncio.sleep(0.01)
        ended.append("settled")

    tasks.spawn(stubborn())
    await tasks.finish(0.05)
    assert ended == ["settled"]
    assert not tasks._running


async def test_a_task_that_has_not_taken_its_first_step_is_not_cancelled() -> None:
    """Cancelled there, it could not even settle."""
    ended = []

    async def work() -> None:
        ended.append("done")

    class Late(Tasks):
        """Something is started in the very moment between waiting and cancelling."""

        async def _wait(self, timeout_s: float) -> None:
            await super()._wait(timeout_s)
            if not ended:
                self.spawn(work())

    await Late().finish(0.01)
    assert ended == ["done"]


async def test_an_error_is_logged_and_not_raised(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = Tasks()

    async def work() -> None:
        raise ValueError("a secret prompt")

    task = tasks.spawn(work())
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0)
    told = "".join(capsys.readouterr())
    assert "background task failed" in told
    assert "ValueError" in told
    assert "secret" not in told
