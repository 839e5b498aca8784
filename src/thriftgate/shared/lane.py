"""One connection to the server that holds our keys, and the operations on their way there.

What is asked for in one turn of the event loop, and while an answer is on its way, goes out together: one script call, one
reply. A batch whose answer is lost is sent again as it was once the server is there again: by its number the script knows
one that it has done, and answers what it has answered. So nothing is counted twice, and nothing is forgotten while this
process lives and the server keeps what it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec

from thriftgate.clock import Clock
from thriftgate.core.errors import SharedLost
from thriftgate.logs import log
from thriftgate.shared.address import Address
from thriftgate.shared.connection import Connection, RedisError, Value, connect
from thriftgate.shared.scripts import Script

BATCH_MAX = 256  # operations: what a server does in a few milliseconds, while all others wait
QUEUE_MAX = 100_000
PAUSE_S, PAUSE_S_MAX = 0.05, 1.0
GRACE_S = 0.05
LATER_S = 0.005
"""For how long an operation that nobody waits for may wait for one that somebody does."""
LOST: Final = object()
"""What is heard in place of an answer."""

# A script that is not known here, and keys that are elsewhere; all the rest but what a script itself says is wrong passes.
_NO_SCRIPT, _MOVED, _OWN = "NOSCRIPT", "MOVED", ("ERR", "WRONGTYPE")


class Op(NamedTuple):
    """One operation. The keys that it is about, all with the lane's tag, stand in the script's KEYS. `params` are anything
    that MessagePack has, but bytes, which Redis cannot read in it; these stand in `blob`. One operation of a batch may have
    one, and hears with its answer what bytes came with it. `heard` is told the answer, or LOST, and after that the answer if
    it turns up all the same: an operation that was called lost may have been done."""

    code: int
    id: str
    keys: Sequence[bytes]
    params: object
    heard: Callable[[Any], None] | None = None
    blob: bytes | None = None


class LaneView(NamedTuple):
    """Counted since the start: script calls, operations in them, and seconds that they took there and back. `lost` is how
    often the server could not be reached any more."""

    up: bool
    batches: int
    ops: int
    seconds: float
    lost: int


class _Batch(NamedTuple):
    ops: tuple[Op, ...]
    command: list[bytes]
    sent_s: float


class Lane:
    """`tag` is in the name of every key, in braces: a cluster keeps them in one place. `changed` is told when the server is
    lost, and when it is there again."""

    def __init__(self, address: Address, script: Script, *, tag: str, replica: str, timeout_s: float, clock: Clock) -> None:
        self._home = self._node = address
        self._script = script
        self._done = f"{{{tag}}}:done:{replica}".encode()
        self.tag = tag
        self._timeout_s = timeout_s
        self._clock = clock
        self.changed: list[Callable[[bool], None]] = []
        self.up = False
        self.clock_ahead_s = 0.0  # of this machine's clock, as the last answer came
        self.server_us = 0  # the server's, then
        self._connection: Connection | None = None
        self._queue: list[Op] = []
        self._sent: _Batch | None = None
        self._due = False
        self._later: asyncio.TimerHandle | None = None
        self._numbers = int(clock.now_s() * 1e6)  # unlike those of an earlier process of that name
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._moving: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()  # an attempt to connect has come to its end
        self._closed = False
        self._batches = self._ops = self._lost = 0
        self._seconds = 0.0

    async def start(self, patience_s: float) -> None:
        """Connect; where that takes longer, in the background. Must run inside the event loop."""
        self._task = asyncio.ensure_future(self._reconnect())
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._tried.wait()

    def send(self, op: Op) -> None:
        """Have it done, now or when the server is there again."""
        if len(self._queue) >= QUEUE_MAX:  # only where the server is long away; what is oldest matters least
            self._lose([self._queue.pop(0)])
        self._queue.append(op)
        if self._sent is not None or not self.up:
            return  # it goes out behind what is on its way
        if op.heard is not None and not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._flush)
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(LATER_S, self._flush)

    async def ask(self, code: int, keys: Sequence[bytes], params: object, name: str = "") -> Any:
        """Have it done now. Raises SharedLost where nobody answers."""
        if not self.up:
            raise SharedLost(self.lost_words)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.send(Op(code, name, keys, params, lambda answer: None if future.done() else future.set_result(answer)))
        answer = await future
        if answer is LOST:
            raise SharedLost(self.lost_words)
        return answer

    @property
    def lost_words(self) -> str:
        """What a caller is told."""
        return "what the replicas of this gateway share is out of reach (Redis); nothing was sent; try again"

    def view(self) -> LaneView:
        """What is to be seen from outside."""
        return LaneView(self.up, self._batches, self._ops, self._seconds, self._lost)

    async def close(self, patience_s: float = 1.0) -> None:
        """Send what waits, then let go."""
        with suppress(SharedLost, TimeoutError):
            async with asyncio.timeout(patience_s):
                await self.ask(0, (), ())  # behind all the rest
        self._closed = True
        for task in (self._task, self._moving):
            if task is not None:
                task.cancel()
        if self._later is not None:
            self._later.cancel()
        self._drop("closed")
        self._lose(self._queue)

    def _flush(self) -> None:
        """Send what has gathered."""
        self._due = False
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._sent is not None or not self.up or not self._queue:
            return
        ops, self._queue = self._queue[:BATCH_MAX], self._queue[BATCH_MAX:]
        self._write(self._batch(ops))

    def _batch(self, ops: Sequence[Op]) -> _Batch:
        places: dict[bytes, int] = {self._done: 1}
        told = []
        blobs: list[bytes] = []
        for code, name, keys, params, _, blob in ops:
            if blob is not None:
                blobs.append(blob)
            told.append((code, name, [places.setdefault(key, len(places) + 1) for key in keys], params, 2 + len(blobs)))
        self._numbers += 1
        body = msgspec.msgpack.encode(told)
        command = [b"EVALSHA", self._script.sha, b"%d" % len(places), *places, b"%d" % self._numbers, body, *blobs]
        return _Batch(tuple(ops), command, asyncio.get_running_loop().time())

    def _write(self, batch: _Batch) -> None:
        if self._connection is None:
            return
        self._sent = batch
        self._timer = asyncio.get_running_loop().call_later(self._timeout_s, self._late)
        self._connection.send(batch.command, self._heard)

    def _late(self) -> None:
        """Nothing was heard in time: where it was this loop that stood still, the answer is there and was not read yet."""
        self._timer = asyncio.get_running_loop().call_later(GRACE_S, self._drop, "no answer in time")

    def _heard(self, value: Value | RedisError) -> None:
        batch = self._sent
        if self._timer is not None:
            self._timer.cancel()
        if batch is None:
            return
        if isinstance(value, RedisError):
            self._refused(batch, value)
            return
        self._sent = None
        self._batches += 1
        self._ops += len(batch.ops)
        self._seconds += asyncio.get_running_loop().time() - batch.sent_s
        packed, *blobs = value if isinstance(value, list) else [value if isinstance(value, bytes) else b""]
        self.server_us, answers = msgspec.msgpack.decode(packed)
        self.clock_ahead_s = self._clock.now_s() - self.server_us / 1e6
        for op, answer in zip(batch.ops, answers, strict=True):
            if op.heard is not None:
                op.heard(answer if op.blob is None else [*answer, blobs])
        if not self.up:
            self._is_up()
        if any([op.heard is not None for op in self._queue]):  # noqa: C419  twice as fast as a generator
            self._flush()
        elif self._queue and self._later is None:
            self._later = asyncio.get_running_loop().call_later(LATER_S, self._flush)

    def _refused(self, batch: _Batch, error: RedisError) -> None:
        """The batch was not done, and may be sent again, unless our own script is what is wrong."""
        if error.code == _NO_SCRIPT:
            self._write(batch._replace(command=[b"EVAL", self._script.text, *batch.command[2:]]))
        elif error.code in _OWN and not str(error).startswith("ERR max number"):
            log.error("script failed", script=self._script.name, error=str(error)[:200])
            self._sent = None
            self._lose(batch.ops)
            if not self.up:
                self._drop("its script failed")
            self._flush()
        elif error.code == _MOVED and self._connection is not None:
            host, _, port = str(error).split(" ")[-1].rpartition(":")
            self._node = self._home._replace(host=host or self._node.host, port=int(port))
            self._connection.close()
            self._moving = asyncio.ensure_future(self._move(batch))
        else:
            self._node = self._home
            self._drop(error.code)

    async def _move(self, batch: _Batch) -> None:
        """Our keys are at another node of the cluster: so are those who wait for them."""
        try:
            self._connection = await connect(self._node, self._timeout_s, lambda: self._drop("it hung up"))
        except (OSError, RedisError) as error:
            self._node = self._home
            self._drop(str(error) or type(error).__name__)
        else:
            self._write(batch)

    def _drop(self, why: str) -> None:
        """The server is lost. Whoever waits is told; what was sent is kept, to be sent again."""
        if self._timer is not None:
            self._timer.cancel()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        was_up, self.up = self.up, False
        self._tried.set()
        waiting = [op for op in self._queue if op.heard is not None]
        self._queue = [op for op in self._queue if op.heard is None]
        self._lose([*(self._sent.ops if self._sent is not None else ()), *waiting])
        if was_up and not self._closed:
            self._lost += 1
            log.warning("redis lost", server=self._node.name, why=why)
            for one in self.changed:
                one(False)
        if not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.ensure_future(self._reconnect())

    def _lose(self, ops: Sequence[Op]) -> None:
        for op in ops:
            if op.heard is not None:
                op.heard(LOST)

    async def _reconnect(self) -> None:
        """Until there is a connection on which a script was answered."""
        pause_s, told = PAUSE_S, False
        while not self._closed:
            try:
                self._connection = await connect(self._node, max(self._timeout_s, 1.0), lambda: self._drop("it hung up"))
                self._tried.clear()
                self._write(self._sent or self._batch(()))
                await self._tried.wait()
            except (OSError, RedisError) as error:
                if not told:
                    told = True
                    log.warning("redis cannot be reached", server=self._node.name, why=str(error) or type(error).__name__)
                self._node = self._home
            if self.up:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S_MAX)

    def _is_up(self) -> None:
        self.up = True
        self._tried.set()
        log.info("redis reached", server=self._node.name)
        for one in self.changed:
            one(True)
