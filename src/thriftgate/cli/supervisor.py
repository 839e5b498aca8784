"""Several workers behind one port: begun, watched, replaced and ended in order. It makes no calls and reads no request.

A worker is a process of its own, started anew (not forked), so that a reload also brings a new version of the program. One
that dies is replaced; one that dies at once, again and again, is replaced more and more slowly, and when no worker is left
that serves, the supervisor ends and says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import thriftgate
from thriftgate.cli.control import Down, Order, Retire, Said, Up, frame, hear
from thriftgate.cli.serve_one import notify
from thriftgate.cli.sockets import Sockets
from thriftgate.core.errors import ConfigError, ThriftgateError
from thriftgate.logs import log
from thriftgate.settings import Settings, settings_of

START_S = 120.0  # for a worker to be up: the first one may have a schema to bring up to date
EARLY_S = 10.0  # one that lives no longer died at its start
DEATHS_MAX = 5  # in a row, at the start
BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
END_S = 15.0  # beyond the patience of the settings; then they are killed
FIXED = ("server.host", "server.port", "server.workers", "ledger.path")  # taken up by a restart only


class NotServing(ThriftgateError):
    """No worker serves, and none can be started."""

    label = "not_serving"


@dataclass(eq=False)
class Worker:
    """A process that serves, or did."""

    process: asyncio.subprocess.Process
    writer: asyncio.StreamWriter
    up: Up
    since_s: float

    def retire(self) -> None:
        """Another one serves in its place."""
        self.writer.write(frame(Retire()))

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


@dataclass(eq=False)
class Slot:
    """A place for a worker: its socket outlives it."""

    number: int
    worker: Worker | None = None
    deaths: int = 0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    keeper: asyncio.Task[None] | None = field(default=None, repr=False)


class Supervisor:
    """One per `thriftgate serve`. `read` reads the settings anew: a document that is not checked yet."""

    def __init__(
        self, settings: Settings, document: dict[str, Any], sockets: Sockets, read: Callable[[], dict[str, Any]]
    ) -> None:
        self._settings, self._document, self._read = settings, document, read
        self._sockets = sockets
        self._slots = [Slot(number) for number in range(settings.server.workers)]
        self._retired: set[asyncio.Task[None]] = set()
        self._old: set[Worker] = set()
        self._stop, self._reload = asyncio.Event(), asyncio.Event()
        self._failure = ""

    async def run(self, ready: Callable[[tuple[str, ...]], None]) -> int:
        """Serve until SIGTERM or SIGINT. `ready` is told what people shall know once all workers are up. Returns the exit
        code. Raises NotServing."""
        with self._signals():
            try:
                await self._fill(self._slots[:1])  # alone: it brings the books up to date
                await self._fill(self._slots[1:])
                ready(self._workers()[0].up.notes)
                notify(f"READY=1\nMAINPID={os.getpid()}")
                for slot in self._slots:
                    slot.keeper = asyncio.ensure_future(self._keep(slot))
                await self._until_stopped()
            finally:
                self._stop.set()
                notify("STOPPING=1")
                await self._end()
        if self._failure:
            raise NotServing(self._failure)
        return 0

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self._stop_now, signal.SIGINT: self._stop_now, signal.SIGHUP: self._reload.set}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _stop_now(self) -> None:
        if self._stop.is_set():  # the second time: whoever asks is not willing to wait
            for worker in self._workers():
                worker.signal(signal.SIGINT)
        self._stop.set()

    def _workers(self) -> list[Worker]:
        return [slot.worker for slot in self._slots if slot.worker is not None] + list(self._old)

    async def _until_stopped(self) -> None:
        while not self._stop.is_set():
            if self._reload.is_set():
                self._reload.clear()
                await self._take_up_settings()
            await self._stopped_within(None)

    async def _stopped_within(self, seconds: float | None) -> bool:
        """Wait for the end, or (without a time) for a reload; whether it is the end."""
        waits = [asyncio.ensure_future(self._stop.wait())]
        if seconds is None:
            waits.append(asyncio.ensure_future(self._reload.wait()))
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
        return self._stop.is_set()

    async def _fill(self, slots: Sequence[Slot]) -> None:
        for slot, worker in zip(slots, await asyncio.gather(*map(self._start, slots)), strict=True):
            slot.worker = worker

    async def _start(self, slot: Slot, document: dict[str, Any] | None = None) -> Worker:
        """A worker for that place, up. Raises NotServing."""
        ours, theirs = socket.socketpair()
        listening = self._sockets.of(slot.number)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "thriftgate.cli.worker", str(theirs.fileno())),
                pass_fds=(theirs.fileno(), listening.fileno()),
                env=os.environ | {"PYTHONPATH": _paths()},
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            writer.write(frame(Order(document or self._document, listening.fileno())))
            up = _up(await asyncio.wait_for(hear(reader), START_S))
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            writer.close()
            if isinstance(error, TimeoutError):
                raise NotServing(f"a worker was not up after {START_S:g} s") from None
            raise
        log.info("worker up", worker=slot.number, pid=process.pid)
        return Worker(process, writer, up, asyncio.get_running_loop().time())

    async def _keep(self, slot: Slot) -> None:
        """See to it that somebody serves in that place, until it is given to another or all ends."""
        while (worker := slot.worker) is not None:
            code = await worker.process.wait()
            if self._stop.is_set() or slot.worker is not worker:
                return
            slot.worker = None
            worker.writer.close()
            lived_s = asyncio.get_running_loop().time() - worker.since_s
            slot.deaths = slot.deaths + 1 if lived_s < EARLY_S else 1
            log.error("worker died", worker=slot.number, pid=worker.process.pid, code=code, lived_s=round(lived_s, 1))
            async with slot.changing:
                await self._replace(slot)

    async def _replace(self, slot: Slot) -> None:
        while slot.worker is None and not self._stop.is_set():
            wait_s = BACK_OFF_S[min(slot.deaths - 1, len(BACK_OFF_S) - 1)]
            if wait_s > 1:
                self._sockets.leave(slot.number)  # connections that nobody takes here go to the others
            if slot.deaths > DEATHS_MAX and not any(other.worker for other in self._slots):
                self._failure = f"the workers die at their start, {slot.deaths} times in a row: their log says why"
                self._stop.set()
                return
            if wait_s and await self._stopped_within(wait_s):
                return
            try:
                slot.worker = await self._start(slot)
            except ThriftgateError as error:
                slot.deaths += 1
                log.error("worker cannot start", worker=slot.number, why=str(error), tries=slot.deaths)

    async def _take_up_settings(self) -> None:
        """New settings, if they are good: each worker is replaced by one that has them, which is up before the old one goes.
        Where they are not, nothing changes."""
        notify("RELOADING=1")
        try:
            document = self._read()
            settings = settings_of(document)
            self._check_fixed(settings)
            for slot in self._slots:
                await self._renew(slot, document)
        except ThriftgateError as error:
            log.error("settings not taken up", why=str(error))
        else:
            self._settings, self._document = settings, document
            log.info("settings taken up", workers=len(self._slots))
        notify("READY=1")

    def _check_fixed(self, settings: Settings) -> None:
        for name in FIXED:
            table, _, key = name.partition(".")
            if getattr(getattr(settings, table), key) != getattr(getattr(self._settings, table), key):
                raise ConfigError(f"{name} is taken up by a restart only; nothing was changed")

    async def _renew(self, slot: Slot, document: dict[str, Any]) -> None:
        async with slot.changing:
            new = await self._start(slot, document)
            old, slot.worker = slot.worker, new
        log.info("worker replaced", worker=slot.number, pid=new.process.pid)
        if old is not None:
            self._old.add(old)
            old.retire()
            task = asyncio.ensure_future(self._outlive(old))
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)
            slot.keeper = asyncio.ensure_future(self._keep(slot))  # the old one ends; where it died, its keeper goes on

    async def _outlive(self, old: Worker) -> None:
        await old.process.wait()
        old.writer.close()
        self._old.discard(old)

    async def _end(self) -> None:
        keepers = [slot.keeper for slot in self._slots if slot.keeper is not None]
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        workers = self._workers()
        for worker in workers:
            worker.signal(signal.SIGTERM)
        server = self._settings.server
        try:
            async with asyncio.timeout(server.drain_wait_s + 2 * server.shutdown_s + END_S):
                await asyncio.gather(*(worker.process.wait() for worker in workers))
        except TimeoutError:
            for worker in workers:
                worker.signal(signal.SIGKILL)
        for worker in workers:
            worker.writer.close()
        self._sockets.close()


def _up(said: Said | None) -> Up:
    """Raises NotServing for anything but that."""
    if isinstance(said, Up):
        return said
    raise NotServing(f"a worker did not start: {said.why if isinstance(said, Down) else 'its log says why'}")


def _paths() -> str:
    """Where a worker finds this program, however this process has."""
    home = str(Path(thriftgate.__file__).parents[1])
    return os.pathsep.join(one for one in (home, os.environ.get("PYTHONPATH", "")) if one)
