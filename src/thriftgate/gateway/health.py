"""Whether the gateway lives, and whether calls should be sent to it.

    GET /healthz            200 while the process and its event loop work; asks nobody
    GET /readyz             200 where a call that comes now has a chance, else 503 with the reasons
    GET /readyz?only=local  the same without the provider's state: for balancers whose gateways all have the same provider

No key is asked for: the documents hold states and names of targets, nothing of a call.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from msgspec import Struct

from thriftgate import __version__
from thriftgate.core.errors import LedgerError
from thriftgate.engine.engine import Engine
from thriftgate.engine.health import ALL
from thriftgate.ledger.sql import SqlLedger

LEDGER_S = 3.0  # books that take longer to say anything cannot be reached, for whoever waits for an answer
AGAIN_S = 1.0  # anybody may ask; the books are asked this often at most


class Readiness(Struct, frozen=True):
    """What `/readyz` answers. `reasons` are why not; `left_alone` are targets that calls do not go to now, and why."""

    status: Literal["ready", "not ready"]
    reasons: tuple[str, ...]
    version: str
    upstream: str
    price_book: str
    ledger: str
    draining: bool
    left_alone: dict[str, str]


class Health:
    """One per gateway."""

    def __init__(self) -> None:
        self._asked_s = float("-inf")
        self._trouble = ""
        self._asking = asyncio.Lock()

    async def readiness(self, engine: Engine, *, draining: bool = False, upstream: bool = True) -> Readiness:
        """How things stand. Without `upstream` a provider that is known to be dead is told, and does not count."""
        trouble = await self._books(engine)
        left = _left_alone(engine)
        names = {target.name for target in engine.upstreams.pool.targets}
        reasons = [
            *(["the gateway is stopping"] if draining else []),
            *([f"the books cannot be read: {trouble}"] if trouble and not _goes_on_without_books(engine) else []),
            *(["no target can be used now"] if upstream and names and names <= left.keys() else []),
        ]
        return Readiness(
            status="not ready" if reasons else "ready",
            reasons=tuple(reasons),
            version=__version__,
            upstream=engine.provider.name,
            price_book=engine.knowledge.book.id,
            ledger=trouble or "ok",
            draining=draining,
            left_alone=left,
        )

    async def _books(self, engine: Engine) -> str:
        """Why the books cannot be read; "" where they can."""
        async with self._asking:
            now_s = engine.clock.monotonic_s()
            if now_s - self._asked_s >= AGAIN_S:
                self._trouble = await _trouble(engine)
                self._asked_s = now_s
            return self._trouble


async def _trouble(engine: Engine) -> str:
    try:
        async with asyncio.timeout(LEDGER_S):
            await engine.ledger.entry("")  # there is none of that name; a closed or broken ledger raises
    except LedgerError as error:
        return str(error)
    except TimeoutError:
        return f"no answer within {LEDGER_S:g} s"
    return ""


def _goes_on_without_books(engine: Engine) -> bool:
    """As `[ledger] on_loss` says."""
    return isinstance(engine.ledger, SqlLedger) and engine.ledger.journals


def _left_alone(engine: Engine) -> dict[str, str]:
    """Targets left alone altogether, for as long as that is known to last. Behind that time a call must find out, and none
    would come to a gateway that is not ready."""
    now_s = engine.clock.now_s()
    return {one.target: one.kind for one in engine.upstreams.left_alone() if one.model == ALL and now_s < one.until_s}
