"""Budgets: what may be spent, by whom, in which window, and what happens on the way there.

A hard budget is never overspent: a call takes the most it can cost before it is sent, and gives back what it did not use. A
soft one warns, and takes what a call is expected to cost. Money of calls of which nobody knows what they cost, because their
process died or no answer came, stays in doubt for the rest of the window, at the most they can have cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from thriftgate.core.control.whose import check_scope, member_of
from thriftgate.core.control.windows import parse_window
from thriftgate.core.errors import InputError
from thriftgate.core.money import usd_from_pico

ANY = "*"
PERCENT_MAX = 1_000
STAGES_USUAL = (50, 80, 95, 100)

# What happens from a stage on, besides an alert and a header for the client:
#   warn       nothing else
#   no_fast    fast mode is taken out of calls
#   cheaper    calls go to `model`, where they may
#   batch      only calls that may wait are taken
#   refuse     no call is taken
Act = Literal["warn", "no_fast", "cheaper", "batch", "refuse"]


class Stage(Struct, frozen=True):
    """From `percent` of the limit on, this happens. `model` is where calls go for `cheaper`."""

    percent: int
    act: Act = "warn"
    model: str = ""


class Budget(Struct, frozen=True):
    """What may be spent. `scope` are conditions such as `team=search`, all of which must hold; none is every call. One of
    the form `key=*` makes a budget of its own for each key. `zone` names the time zone of a calendar window. `ended_us` is
    when it was ended (0: it stands)."""

    id: str
    name: str
    limit_pico: int
    scope: tuple[str, ...] = ()
    window: str = "month"
    zone: str = "UTC"
    hard: bool = True
    stages: tuple[Stage, ...] = tuple(Stage(percent) for percent in STAGES_USUAL)
    created_us: int = 0
    ended_us: int = 0

    def member(self, scopes: frozenset[str]) -> str | None:
        """Which of its budgets a call counts under: see `whose.member_of`."""
        return member_of(self.scope, scopes)

    def takes(self, worst_pico: int, forecast_pico: int) -> int:
        """What a call takes while it is under way (pico-USD)."""
        return worst_pico if self.hard else forecast_pico


class Standing(Struct, frozen=True):
    """How a budget stands in its window (pico-USD): spent, held by calls under way, and in doubt. `since_us` and `until_us`
    bound the window (microseconds)."""

    budget: Budget
    member: str
    spent_pico: int
    held_pico: int
    doubt_pico: int
    since_us: int
    until_us: int

    @property
    def used_pico(self) -> int:
        """Spent for sure, or perhaps."""
        return self.spent_pico + self.doubt_pico

    @property
    def left_pico(self) -> int:
        """What the next call may take; below zero where a soft budget is overspent."""
        return self.budget.limit_pico - self.used_pico - self.held_pico

    @property
    def percent(self) -> float:
        return 100.0 * self.used_pico / self.budget.limit_pico

    @property
    def stage(self) -> Stage | None:
        """The highest stage that is reached."""
        reached = [one for one in self.budget.stages if self.used_pico * 100 >= one.percent * self.budget.limit_pico]
        return max(reached, key=lambda one: one.percent, default=None)

    @property
    def acts(self) -> tuple[Stage, ...]:
        """What happens to calls now: each act that is reached, once, of its highest stage."""
        found: dict[Act, Stage] = {}
        for one in sorted(self.budget.stages, key=lambda stage: stage.percent):
            if self.used_pico * 100 >= one.percent * self.budget.limit_pico:
                found[one.act] = one
        found.pop("warn", None)
        return tuple(found.values())

    @property
    def whose(self) -> str:
        """The budget in words, such as `agents (key=key_1)`."""
        return f"{self.budget.name} ({self.member})" if self.member else self.budget.name


def room_for(standing: Standing, pico: int) -> str:
    """Why a call that takes so much does not fit; "" where it does. A soft budget has room for anything."""
    budget = standing.budget
    if not budget.hard or pico <= standing.left_pico:
        return ""
    spent = f"${usd_from_pico(standing.spent_pico)} of ${usd_from_pico(budget.limit_pico)} is spent"
    if standing.held_pico:
        spent += f", ${usd_from_pico(standing.held_pico)} is held by calls under way"
    if standing.doubt_pico:
        spent += f", ${usd_from_pico(standing.doubt_pico)} is in doubt"
    return f"budget {standing.whose}: {spent}; this call could cost up to ${usd_from_pico(pico)}"


def may_fit_later(standing: Standing, pico: int) -> bool:
    """Whether it would fit once the calls under way are settled, if these cost nothing."""
    return pico <= standing.left_pico + standing.held_pico


def checked(budget: Budget, *, zones: Iterable[str], models: Sequence[str]) -> Budget:
    """The budget, its scope in order. Raises InputError naming what is wrong. `zones` are the time zones that are known,
    `models` the models that calls may be sent to."""
    where = f"budget {budget.name!r}"
    if not budget.name.strip() or not budget.name.isprintable() or len(budget.name) > 100:
        raise InputError(f"{where}: a name of one to a hundred printable characters is needed")
    if budget.limit_pico <= 0:
        raise InputError(f"{where}: the limit must be above zero")
    window = parse_window(budget.window)
    if budget.zone not in zones:
        raise InputError(f"{where}: there is no time zone {budget.zone!r}; use a name such as Europe/Zurich")
    check_scope(where, budget.scope)
    for stage in budget.stages:
        if not 1 <= stage.percent <= PERCENT_MAX:
            raise InputError(f"{where}: a stage is at 1 to {PERCENT_MAX} percent, not {stage.percent}")
        if (stage.act == "cheaper") != bool(stage.model):
            raise InputError(f"{where}: stage {stage.percent}: 'cheaper' names a model, and nothing else does")
        if stage.model and stage.model not in models:
            raise InputError(f"{where}: stage {stage.percent}: {stage.model} is not in the capability table")
    stages = tuple(sorted(set(budget.stages), key=lambda one: (one.percent, one.act)))
    return Budget(
        id=budget.id,
        name=budget.name.strip(),
        limit_pico=budget.limit_pico,
        scope=tuple(sorted(set(budget.scope))),
        window=window.name,
        zone=budget.zone,
        hard=budget.hard,
        stages=stages,
        created_us=budget.created_us,
        ended_us=budget.ended_us,
    )
