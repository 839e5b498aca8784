"""The process that replays: begun when somebody looks at pages, or when it is first asked; ended when it takes too long, or
nobody asks for a while. It keeps the traffic it has read, so that the next wish about the same calls only takes a replay."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor, wait
from multiprocessing.connection import Connection
from typing import Any

from msgspec import Struct

from thriftgate.audit.replay.run import Done
from thriftgate.core.errors import ThriftgateError
from thriftgate.dashboard.whatif.replayed import Answer, Known, answered, as_it_was
from thriftgate.dashboard.whatif.traffic import Traffic, Which, traffic_of
from thriftgate.dashboard.whatif.wish import Wish

ANSWER_S = 30.0
IDLE_S = 300.0
BEGIN_S = 0.5
"""How long after a page: its browser asks for more, and the process takes a second of the processor to begin."""
WAITING_MAX = 4
KEPT = 2
"""Sets of calls that are kept read."""


class TooSlow(ThriftgateError):
    """A replay took too long, or too many are waited for."""

    status_hint = 503
    label = "what_if"


class _Ask(Struct, frozen=True):
    which: Which
    wish: Wish


class Replayer:
    """One per dashboard; answers one wish after the other."""

    def __init__(self, known: Known, *, answer_s: float = ANSWER_S, idle_s: float = IDLE_S) -> None:
        self._known = known
        self._answer_s = answer_s
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._process: Any = None
        self._pipe: Connection | None = None
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="what-if")
        self._beginning: Future[None] | None = None
        self._rest: asyncio.TimerHandle | None = None  # until the process ends, or until it begins

    def begin_soon(self) -> None:
        """Begin the process in a moment, where there is none, so that who asks then does not wait for it."""
        if self._rest is None and not self._waiting:
            self._rest = asyncio.get_running_loop().call_later(BEGIN_S, self._begin_now)

    async def answer(self, which: Which, wish: Wish) -> Answer:
        """Raises TooSlow, and ThriftgateError for books that cannot be read or replayed."""
        if self._waiting >= WAITING_MAX:
            raise TooSlow("too many what-ifs are being worked out; ask again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._asked(_Ask(which, wish))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the process."""
        if self._beginning is not None:
            wait([self._beginning])
            self._beginning = None
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._process = None

    def _begin_now(self) -> None:
        self._rest = asyncio.get_running_loop().call_later(self._idle_s, self.close)
        self._beginning = self._threads.submit(self._begin)

    def _begin(self) -> None:
        """In a thread: begin the process where there is none."""
        if self._process is None or not self._process.is_alive():
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, self._known), daemon=True, name="what-if")
            self._process.start()
            theirs.close()

    async def _asked(self, ask: _Ask) -> Answer:
        if self._rest is not None:
            self._rest.cancel()
        loop = asyncio.get_running_loop()
        try:
            told = await loop.run_in_executor(self._threads, self._exchange, ask)
        except (EOFError, OSError):
            self.close()
            raise TooSlow("the process that replays was killed, maybe for want of memory; ask for fewer calls") from None
        if told is None:
            self.close()
            raise TooSlow(f"replaying took longer than {self._answer_s:g} s; ask for fewer calls")
        self._rest = loop.call_later(self._idle_s, self.close)
        if isinstance(told, str):
            raise ThriftgateError(told)
        answer: Answer = told
        return answer

    def _exchange(self, ask: _Ask) -> Answer | str | None:
        """In a thread: send, wait. None: no answer came in time."""
        self._begin()
        pipe = self._pipe
        assert pipe is not None
        pipe.send(ask)
        if not pipe.poll(self._answer_s):
            return None
        told: Answer | str = pipe.recv()
        return told


def _serve(pipe: Connection, known: Known) -> None:
    """The process: answer until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    kept: dict[Which, tuple[Traffic, Done]] = {}
    while True:
        try:
            ask: _Ask = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(reply(ask.which, ask.wish, known, kept))


def reply(which: Which, wish: Wish, known: Known, kept: dict[Which, tuple[Traffic, Done]]) -> Answer | str:
    """The answer, or why there is none, in words without anything of a prompt."""
    try:
        if which not in kept:
            traffic = traffic_of(which, known.book)
            while len(kept) >= KEPT:
                del kept[next(iter(kept))]
            kept[which] = traffic, as_it_was(traffic, known)
        traffic, was = kept[which]
        return answered(wish, traffic, was, known)
    except ThriftgateError as error:
        return str(error)
    except sqlite3.Error as error:
        return f"the ledger cannot be read: {error}"
    except Exception as error:  # noqa: BLE001  the process must outlive a question that goes wrong
        return f"the replay failed ({type(error).__name__})"
