"""Background tasks that are not lost: referenced until done, awaited at shutdown, their errors logged."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from thriftgate.logs import log, where_raised

_T = TypeVar("_T")


class Tasks:
    """A set of running tasks."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Start `work`; it runs on even if nobody awaits it."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def finish(self, timeout_s: float) -> None:
        """Wait until all are done, at most `timeout_s`; then cancel the rest and wait for what they still do, as long again.

        One that has not taken its first step is left to run: cancelled there it could not even settle.
        """
        await self._wait(timeout_s)
        for task in set(self._running):
            if inspect.getcoroutinestate(cast("Coroutine[Any, Any, Any]", task.get_coro())) != inspect.CORO_CREATED:
                task.cancel()
        await self._wait(timeout_s)

    async def _wait(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while self._running:  # those that the running ones start count too
                    await asyncio.wait(set(self._running))
        except TimeoutError:
            return

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background task failed", error=type(error).__name__, at=where_raised(error))
