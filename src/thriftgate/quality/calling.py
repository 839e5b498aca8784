"""Make the calls of an evaluation at once, one by one (`--now`): full price, and latencies that mean something."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from thriftgate.batch import build
from thriftgate.batch.work import Stopped
from thriftgate.core.control.whose import Payer
from thriftgate.core.errors import InputError, LedgerError, PolicyRefusal, ThriftgateError, UnknownPrice
from thriftgate.core.money import usd_from_pico
from thriftgate.engine.engine import Engine
from thriftgate.engine.retry import RETRIED
from thriftgate.quality.sending import Keep, stored, why_refused

TRIES_MAX = 5
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0


class Caller:
    """A sender that calls. `worst_pico` tells the most that a call can cost, `seen` is told how many are through; with a
    `target` they all go there."""

    def __init__(
        self,
        engine: Engine,
        credential: str,
        *,
        parallel: int,
        worst_pico: Callable[[bytes], int],
        seen: Callable[[int, int], None] = lambda _done, _of: None,
        target: str = "",
    ) -> None:
        self._engine = engine
        self._ask = build.asking(engine, credential, target)
        self._parallel = parallel
        self._worst_pico = worst_pico
        self._seen = seen

    async def left_over(self, keep: Keep, limit_pico: int | None) -> Mapping[str, str]:
        del keep, limit_pico  # each answer was kept when it came
        return {}

    async def send(self, bodies: Mapping[str, bytes], keep: Keep, limit_pico: int | None) -> Mapping[str, str]:
        round_ = _Round(deque(bodies.items()), limit_pico, keep)
        workers = min(self._parallel, len(bodies))
        await asyncio.gather(*(self._work(round_, len(bodies)) for _ in range(workers)))
        if round_.trouble is not None:
            raise round_.trouble
        if round_.left or round_.too_dear:
            left = len(round_.left) + len(round_.too_dear)
            raise Stopped(
                f"stopped before more was spent than allowed: {left:,} calls are left, and the next could cost more than "
                f"what is left of ${usd_from_pico(limit_pico or 0)}; answers are kept, a higher --max-cost goes on"
            )
        return round_.failed

    async def _work(self, round_: _Round, count: int) -> None:
        while round_.left:
            key, body = round_.left.popleft()
            worst = self._worst_pico(body) if round_.limit_pico is not None else 0
            if round_.limit_pico is not None and round_.spent_pico + round_.open_pico + worst > round_.limit_pico:
                round_.too_dear.append(key)
                return  # another call that ends may leave room: whoever makes it goes on
            round_.open_pico += worst
            try:
                await self._call(round_, key, body)
            except ThriftgateError as error:  # the others end what they are at
                round_.trouble = error
                round_.left.clear()
                return
            finally:
                round_.open_pico -= worst
            if round_.too_dear:  # there may be room again
                again = round_.too_dear.pop()
                round_.left.append((again, round_.bodies[again]))
            self._seen(round_.done, count)

    async def _call(self, round_: _Round, key: str, body: bytes) -> None:
        reason = ""
        for tried in range(1, TRIES_MAX + 1):
            if tried > 1:
                await self._engine.clock.sleep(min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** (tried - 2)))
            try:
                said = await self._ask(body, (), Payer(), "")
            except LedgerError:
                raise
            except (InputError, PolicyRefusal, UnknownPrice) as error:
                reason = str(error)
                break
            except ThriftgateError as error:
                reason = str(error)
                if error.after_answer:
                    break
                continue
            if said.entry is not None:
                round_.spent_pico -= said.entry.posted("upstream")
            if 200 <= said.status < 300:
                round_.keep([stored(key, said.body, said.entry)])
                round_.done += 1
                return
            reason = why_refused(said.body, f"HTTP {said.status}")
            if said.status not in RETRIED:
                break
        round_.failed[key] = reason
        round_.done += 1


class _Round:
    """What the workers of one round share: calls that are left, money spent and at most to be spent by open ones."""

    def __init__(self, left: deque[tuple[str, bytes]], limit_pico: int | None, keep: Keep) -> None:
        self.left = left
        self.bodies = dict(left)
        self.limit_pico = limit_pico
        self.keep = keep
        self.spent_pico = 0
        self.open_pico = 0
        self.done = 0
        self.failed: dict[str, str] = {}
        self.too_dear: list[str] = []
        self.trouble: ThriftgateError | None = None
