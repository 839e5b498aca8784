"""One engine on an event loop of its own, in a thread of its own: for all clients of this process with the same settings.

A thread, also for asynchronous clients: an engine lives in one loop, and a program may have several, one after the other or
at once. It starts with the first call and ends when the last client is closed, or with the program; either way what is under
way is settled first. A forked child shares nothing with it and starts its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from thriftgate.client.costs import Costs
from thriftgate.client.exchange import Exchange
from thriftgate.core.errors import LedgerError, ThriftgateError
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.asgi import Message, Scope
from thriftgate.gateway.rooms import Within
from thriftgate.ledger.urls import without_password
from thriftgate.logs import log
from thriftgate.settings import Settings

_T = TypeVar("_T")


class EngineThread:
    """Raises, when it starts, what the engine raises: ConfigError and LedgerError."""

    def __init__(self, settings: Settings, credential: str) -> None:
        self.settings = settings
        self._credential = credential
        self.costs = Costs()
        self.users = 0
        self._running: Future[tuple[asyncio.AbstractEventLoop, Engine]] = Future()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="thriftgate", daemon=True)
        self._thread.start()

    def wait_until_ready(self) -> None:
        """Raises ThriftgateError where it could not start."""
        self._running.result()

    def begin(self, scope: Scope, body: bytes) -> Exchange:
        """Put a request to the gateway."""
        loop, engine = self._running.result()
        exchange = Exchange(scope, body)
        loop.call_soon_threadsafe(lambda: engine.tasks.spawn(exchange.run(self._gateway)))
        return exchange

    def ask(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Have something done in the engine's loop. Raises RuntimeError where it has ended."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._running.result()[0])
        except RuntimeError:
            work.close()
            raise

    def tell(self, act: Callable[[], None]) -> None:
        """Have something done there that nobody waits for; in vain where it has ended."""
        try:
            self._running.result()[0].call_soon_threadsafe(act)
        except RuntimeError:
            return

    @property
    def engine(self) -> Engine:
        """What makes the calls; to be used in its loop."""
        return self._running.result()[1]

    def end(self) -> None:
        """Settle what is under way, and end. Waits for it."""
        if not self._running.exception():
            loop, _ = self._running.result()
            stop = self._stop
            if stop is not None and not loop.is_closed():
                self.tell(stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._live())

    async def _live(self) -> None:
        try:
            gateway = await self._opened()
        except BaseException as error:  # noqa: BLE001  whoever waits for it is told
            self._running.set_exception(error)
            return
        self._gateway = gateway
        inbox: asyncio.Queue[Message] = asyncio.Queue()
        told: asyncio.Queue[Message] = asyncio.Queue()
        inbox.put_nowait({"type": "lifespan.startup"})
        life = asyncio.ensure_future(gateway({"type": "lifespan"}, inbox.get, told.put))
        if (await told.get())["type"] != "lifespan.startup.complete":
            await life
            self._running.set_exception(gateway.failure or LedgerError("the engine did not start"))
            return
        gateway.engine.ledger.heard.append(self.costs.heard)
        self._stop = asyncio.Event()
        self._running.set_result((asyncio.get_running_loop(), gateway.engine))
        await self._stop.wait()
        gateway.stopping()
        inbox.put_nowait({"type": "lifespan.shutdown"})
        await life

    async def _opened(self) -> Gateway:
        settings = self.settings
        try:
            return Gateway(settings, await build_engine(settings), Within(self._credential))
        except LedgerError:
            # Another process serves from these books: beside it calls are made and booked, but none is queued.
            engine = await build_engine(settings, beside=True)
            log.info("another process serves from these books", ledger=without_password(settings.ledger.path))
            return Gateway(settings, engine, Within(beside=True))


class Engines:
    """The engines of this process."""

    def __init__(self) -> None:
        self._threads: list[EngineThread] = []
        self._dropped: deque[EngineThread] = deque()
        self._lock = threading.Lock()

    def drop(self, thread: EngineThread) -> None:
        """One who took it is gone without giving it back. It is given back when the next one is taken: this is told in the
        middle of anything, when Python clears up."""
        self._dropped.append(thread)

    def take(self, settings: Settings, credential: str) -> EngineThread:
        """The engine with these settings; if there is none it is started, to send batches with that key. Whoever takes it
        gives it back. Raises ThriftgateError."""
        while self._dropped:
            self.give_back(self._dropped.popleft())
        with self._lock:
            for thread in self._threads:
                if thread.settings == settings:
                    break
            else:
                thread = EngineThread(settings, credential)
                self._threads.append(thread)
            thread.users += 1
        try:
            thread.wait_until_ready()
        except ThriftgateError:
            self.give_back(thread)
            raise
        return thread

    def give_back(self, thread: EngineThread) -> None:
        """It is needed no more here. With the last one it ends, and this waits for it."""
        with self._lock:
            thread.users -= 1
            if thread.users > 0 or thread not in self._threads:
                return
            self._threads.remove(thread)
        thread.end()

    def end(self) -> None:
        """The program ends."""
        with self._lock:
            threads, self._threads = self._threads, []
        for thread in threads:
            thread.end()

    def forget(self) -> None:
        """This is a forked child: none of those threads is here. What they held is left alone, unclosed, since closing it
        could touch the files of the parent."""
        _LEFT_ALONE.extend((*self._threads, *self._dropped))
        self._threads, self._dropped = [], deque()
        self._lock = threading.Lock()


_LEFT_ALONE: list[EngineThread] = []
ENGINES = Engines()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ENGINES.forget)
# Before the threads of executors are told to end, which the ledger needs to close: `atexit` would be too late.
getattr(threading, "_register_atexit", atexit.register)(ENGINES.end)
