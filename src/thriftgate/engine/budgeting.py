"""Budgets at work: what their stages do to calls, and who is told when one is reached.

Whether a call has room is decided by the ledger, with its hold. What is remembered here is how budgets stood a moment ago:
good enough to send calls to a cheaper model, and to tell the client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.control.budgets import Budget, Stage, Standing
from thriftgate.core.control.limit_words import quoted
from thriftgate.core.control.whose import NOBODY, scopes_of
from thriftgate.core.errors import BudgetExceeded
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import usd_from_pico
from thriftgate.core.routing.rules import Rule
from thriftgate.engine.freshness import Freshness
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.budgets import BudgetBook
from thriftgate.ledger.entries import Entry
from thriftgate.logs import log, where_raised
from thriftgate.providers.transport import Headers

Crossed = Callable[[Standing, Stage], None]


class Squeeze(Struct, frozen=True):
    """What budgets ask of a call; empty words ask for nothing. `rule` sends it to a cheaper model."""

    no_fast: str = ""
    rule: Rule | None = None
    batch: str = ""
    refuse: str = ""
    free_in_s: float = 0.0

    def check(self, *, waits: bool) -> None:
        """Raises BudgetExceeded where the call is not to be made: at all, or now. `waits` where it is part of a batch."""
        if self.refuse:
            raise BudgetExceeded(f"{self.refuse}: no calls are taken any more", free_in_s=self.free_in_s)
        if self.batch and not waits:
            raise BudgetExceeded(
                f"{self.batch}: only calls that can wait are taken; send it with a thriftgate-deadline, such as 24h",
                free_in_s=self.free_in_s,
            )


NOTHING_ASKED = Squeeze()
_OF_A_CALL = ("model", "tier", "task")
"""What differs from call to call of one key."""


def _within(part: str, member: str) -> bool:
    return set(part.split(",")) <= {*member.split(","), ""}


class Budgeting:
    """One per engine. `crossed` is told of each stage that a budget has reached, in its window, once by each process."""

    def __init__(self, book: BudgetBook | None, clock: Clock, tasks: Tasks) -> None:
        self._book = book
        self._clock = clock
        self._budgets: tuple[Budget, ...] = ()
        self._standings: dict[tuple[str, str], Standing] = {}
        self._reached: dict[tuple[str, str], tuple[int, int]] = {}  # the window (microseconds), and the percentage
        self._fresh = Freshness(self._read, "budgets", clock, tasks)
        self.crossed: list[Crossed] = []

    @property
    def on(self) -> bool:
        """Whether there are any."""
        return bool(self._budgets)

    def standings(self) -> Sequence[Standing]:
        """As they were a moment ago."""
        return list(self._standings.values())

    def look(self, scopes: frozenset[str], now_us: int) -> Squeeze:
        """What budgets ask of a call that counts under these scopes."""
        found = NOTHING_ASKED
        for budget in self._budgets:
            member = budget.member(scopes)
            standing = self._standings.get((budget.id, member)) if member is not None else None
            if standing is None or not standing.acts or not standing.since_us <= now_us < standing.until_us:
                continue
            for stage in standing.acts:
                found = _squeezed(found, standing, stage, now_us)
        return found

    async def room(self, key: str, provider: str) -> tuple[int | None, str]:
        """What hard budgets leave for many calls of a key, whatever model and task they are of (pico-USD; None: as much as
        they like), and which of them that is. Raises LedgerError."""
        await self.refresh()
        scopes = scopes_of(key, NOBODY, model="", provider=provider, task="")
        least: int | None = None
        which = ""
        for budget in self._budgets:
            if not budget.hard:
                continue
            known = replace(budget, scope=tuple(one for one in budget.scope if one.partition("=")[0] not in _OF_A_CALL))
            member = known.member(scopes)
            if member is None:
                continue
            lefts = [
                one.left_pico for one in self._standings.values() if one.budget == budget and _within(member, one.member)
            ]
            left = min(lefts, default=budget.limit_pico)
            if least is None or left < least:
                least, which = left, f"budget {budget.name} has ${usd_from_pico(max(0, left))} left for them"
        return least, which

    def held(self, standings: Sequence[Standing]) -> None:
        """A call was held: so its budgets stand with it."""
        for one in standings:
            self._note(one)

    def settled(self, _entry: Entry) -> None:
        """A call was settled: what is remembered is to be brought up to date soon."""
        if self._book is not None:
            self._fresh.soon()

    async def refresh(self) -> None:
        """Read how all budgets stand. Raises LedgerError."""
        if self._book is not None:
            await self._fresh.now()

    async def _read(self) -> None:
        assert self._book is not None
        standings = await self._book.standings(int(self._clock.now_s() * 1e6))
        self._budgets = tuple(one for one in await self._book.all() if not one.ended_us)
        self._standings = {(one.budget.id, one.member): one for one in standings}
        for one in standings:
            self._note(one)

    def _note(self, standing: Standing) -> None:
        place = (standing.budget.id, standing.member)
        self._standings[place] = standing
        stage = standing.stage
        window_us = standing.since_us if not standing.budget.window.startswith("rolling") else 0
        reached_us, reached = self._reached.get(place, (window_us, 0))
        before = reached if reached_us == window_us else 0
        percent = stage.percent if stage is not None else 0
        if percent == before:
            return
        self._reached[place] = (window_us, percent)
        if stage is None or percent < before:
            return
        log.warning("budget stage reached", budget=standing.whose, percent=percent, act=stage.act)
        for listener in self.crossed:
            try:
                listener(standing, stage)
            except Exception as error:  # noqa: BLE001  whoever listens must not hurt the call
                log.error("budget stage not told", error=type(error).__name__, at=where_raised(error))


def budget_headers(standings: Sequence[Standing]) -> Headers:
    """What a client is told of its budgets: how the one that is nearest to its limit stands."""
    if not standings:
        return ()
    one = max(standings, key=lambda standing: standing.percent)
    told = [
        f'name="{quoted(one.whose)}"',
        f"limit={usd_from_pico(one.budget.limit_pico)}",
        f"spent={usd_from_pico(one.used_pico)}",
        f"left={usd_from_pico(max(0, one.left_pico))}",
        f"percent={one.percent:.0f}",
    ]
    if one.stage is not None:
        told.append(f"stage={one.stage.percent}")
    if one.budget.window != "total":
        told.append(f"ends={text_from_micros(one.until_us)}")
    return ((b"thriftgate-budget", "; ".join(told).encode()),)


def _squeezed(found: Squeeze, standing: Standing, stage: Stage, now_us: int) -> Squeeze:
    why = f"budget {standing.whose} is at {standing.percent:.0f} %"
    free_in_s = max(found.free_in_s, (standing.until_us - now_us) / 1e6)
    match stage.act:
        case "no_fast":
            return replace(found, no_fast=why, free_in_s=free_in_s)
        case "cheaper":
            return replace(found, rule=found.rule or Rule(why, stage.model), free_in_s=free_in_s)
        case "batch":
            return replace(found, batch=found.batch or why, free_in_s=free_in_s)
        case "refuse":
            return replace(found, refuse=found.refuse or why, free_in_s=free_in_s)
        case _:
            return found
