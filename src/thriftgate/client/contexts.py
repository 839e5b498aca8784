"""What a block of a program says of the calls in it.

    with task("triage"), cost_limit(0.50), deadline("6h"):
        ...

Blocks nest, and hold in tasks and threads that take their context over: `asyncio` tasks do, a bare thread does not
(`contextvars.copy_context().run`, or `asyncio.to_thread`). Of nested tasks and deadlines the innermost counts; nested cost
limits all hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from decimal import Decimal

from thriftgate.core.deadline import parse_duration
from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.engine.purse import Purse
from thriftgate.providers.transport import Headers

_TASK: ContextVar[str] = ContextVar("thriftgate_task", default="")
_DEADLINE: ContextVar[str] = ContextVar("thriftgate_deadline", default="")
_PURSES: ContextVar[tuple[Purse, ...]] = ContextVar("thriftgate_purses", default=())


class Spending:
    """What a block has spent so far, in dollars."""

    def __init__(self, purse: Purse) -> None:
        self._purse = purse

    @property
    def limit_usd(self) -> Decimal:
        """The most that it may spend."""
        return _usd(self._purse.limit_pico)

    @property
    def spent_usd(self) -> Decimal:
        """What its calls have cost that are over."""
        return _usd(self._purse.spent_pico)

    @property
    def held_usd(self) -> Decimal:
        """The most that its calls under way, and batches whose results are not known to it, can cost."""
        return _usd(self._purse.held_pico)

    @property
    def left_usd(self) -> Decimal:
        """What a further call may cost at most."""
        return max(Decimal(0), self.limit_usd - self.spent_usd - self.held_usd)


@contextmanager
def cost_limit(usd: float | str | Decimal) -> Iterator[Spending]:
    """All calls of the block together cost at most so many dollars. The most that a call can cost is taken before it is sent
    and put right when it is over: one that has no room is refused, with nothing sent. Raises InputError for what is no
    amount."""
    limit_pico = pico_from_usd(str(usd))
    if limit_pico <= 0:
        raise InputError(f"cost_limit: {usd} is not above 0")
    purse = Purse(limit_pico)
    token = _PURSES.set((*_PURSES.get(), purse))
    try:
        yield Spending(purse)
    finally:
        _PURSES.reset(token)


@contextmanager
def task(name: str) -> Iterator[None]:
    """What the calls of the block are for: reports, rules and budgets know them by it. Raises InputError for a name that no
    header can carry."""
    if not name or not name.isascii() or not name.isprintable() or len(name) > 100:
        raise InputError(f"task: {name[:100]!r} must be 1 to 100 printable ASCII characters")
    token = _TASK.set(name)
    try:
        yield
    finally:
        _TASK.reset(token)


@contextmanager
def deadline(until: str | timedelta | datetime) -> Iterator[None]:
    """The calls of the block may wait: `6h`, or a `timedelta`, from each call on, or a moment with its time zone. They are
    gathered into batches at half the price where that is cheaper and ends in time. Raises InputError."""
    if isinstance(until, timedelta):
        text = f"{max(1, round(until.total_seconds()))}s"
    elif isinstance(until, datetime):
        if until.tzinfo is None:
            raise InputError("deadline: the moment names no time zone")
        text = until.isoformat()
    else:
        text = until
        parse_duration(text)
    token = _DEADLINE.set(text)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def purses() -> tuple[Purse, ...]:
    """What the blocks around this call may spend."""
    return _PURSES.get()


def with_wishes(headers: Headers) -> Headers:
    """The headers of a call, and what its blocks say where they do not. A call that may wait is waited for."""
    names = {name for name, _ in headers}
    added: list[tuple[bytes, bytes]] = []
    if (name := _TASK.get()) and b"thriftgate-task" not in names:
        added.append((b"thriftgate-task", name.encode()))
    if (until := _DEADLINE.get()) and b"thriftgate-deadline" not in names:
        added.append((b"thriftgate-deadline", until.encode()))
    if b"thriftgate-wait" not in names:  # a rule of the settings may defer calls, too
        added.append((b"thriftgate-wait", b"true"))
    return (*headers, *added)


def _usd(pico: int) -> Decimal:
    return Decimal(usd_from_pico(pico))
