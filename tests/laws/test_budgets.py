"""Whatever is taken, settled, lost and changed, in whatever order: budgets are what a plain sum over the calls says.

The model knows each call and what became of it, and adds up anew at every question. The ledger keeps running sums in one
transaction with its rows.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule
from msgspec.structs import replace

from tests.contracts.check_ledger import entry_of, hold_of
from thriftgate.core.control.budgets import Budget
from thriftgate.core.control.whose import Whose, scopes_of
from thriftgate.core.control.windows import parse_window
from thriftgate.core.errors import BudgetExceeded
from thriftgate.ledger.entries import Hold
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook

T = TypeVar("T")
CONDITIONS = [
    "team=a",
    "team=b",
    "team=*",
    "key=k1",
    "key=*",
    "user=u",
    "model=claude-opus-5-5",
    "tier=opus",
    "tier=haiku",
    "tag=prod",
    "tag=*",
    "task=t",
    "provider=p",
    "org=o",
]
WINDOWS = ("hour", "day", "month", "total", "rolling 1h", "rolling 24h")
MODELS = ("claude-opus-5-5", "claude-haiku-5-5")
START_US = 1_790_000_000_000_000


class Known(NamedTuple):
    """A call of the model: what it holds by budget id, or what it cost, and what of that is in doubt by budget."""

    hold: Hold
    scopes: frozenset[str]
    held: dict[str, int]
    paid: int | None = None
    doubt: dict[str, int] | None = None


class Budgets(RuleBasedStateMachine):
    calls = Bundle("calls")

    @initialize(zone=st.sampled_from(["UTC", "America/St_Johns"]))
    def begin(self, zone: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "books.db"
        self.zone = zone
        self.now_us = START_US
        self.known: dict[str, Known] = {}
        self.budgets: list[Budget] = []
        self.names = 0
        self._open()

    def _open(self) -> None:
        self.ledger = SqlLedger.open(self.path)
        self.book = SqlBudgetBook(self.ledger)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self._run(self.ledger.close())
            self.loop.close()
            self.folder.cleanup()

    @precondition(lambda self: len(self.budgets) < 6)
    @rule(
        scope=st.sets(st.sampled_from(CONDITIONS), max_size=2),
        window=st.sampled_from(WINDOWS),
        limit=st.integers(1, 400),
        hard=st.booleans(),
    )
    def make(self, scope: set[str], window: str, limit: int, hard: bool) -> None:
        self.names += 1
        budget = Budget(
            f"b{self.names}",
            f"budget {self.names}",
            limit,
            tuple(sorted(scope)),
            window,
            self.zone,
            hard,
            created_us=self.now_us,
        )
        self._run(self.book.put(budget))
        self.budgets.append(budget)
        for name, one in self.known.items():
            if one.paid is None and budget.member(one.scopes) is not None:
                takes = budget.takes(one.hold.worst_pico, one.hold.forecast_pico)
                self.known[name] = one._replace(held=one.held | {budget.id: takes})

    @precondition(lambda self: bool(self.budgets))
    @rule(at=st.integers(0, 5), limit=st.integers(1, 400), hard=st.booleans(), ends=st.booleans())
    def change(self, at: int, limit: int, hard: bool, ends: bool) -> None:
        number = at % len(self.budgets)
        changed = replace(self.budgets[number], limit_pico=limit, hard=hard, ended_us=self.now_us if ends else 0)
        self._run(self.book.put(changed))
        if ends:
            del self.budgets[number]
        else:
            self.budgets[number] = changed

    @rule(
        target=calls,
        worst=st.integers(0, 120),
        share=st.integers(0, 100),
        key=st.sampled_from(["k1", "k2"]),
        whose=st.builds(
            Whose,
            st.sampled_from(["", "u"]),
            st.sampled_from(["", "a", "b"]),
            st.sampled_from(["", "o"]),
            st.sets(st.sampled_from(["prod", "eu"])).map(lambda tags: tuple(sorted(tags))),
        ),
        model=st.sampled_from(MODELS),
        task=st.sampled_from(["", "t"]),
    )
    def take(self, *, worst: int, share: int, key: str, whose: Whose, model: str, task: str) -> str:
        name = f"tg_{len(self.known):05}"
        hold = replace(
            hold_of(name, opened_us=self.now_us, key=key, model=model, task=task, provider="p"),
            worst_pico=worst,
            forecast_pico=worst * share // 100,
            whose=whose,
        )
        scopes = scopes_of(key, whose, model=model, provider="p", task=task)
        held = {
            one.id: one.takes(hold.worst_pico, hold.forecast_pico) for one in self.budgets if one.member(scopes) is not None
        }
        full = [
            one
            for one in self.budgets
            if one.id in held and one.hard and sum(self._sums(one, one.member(scopes))) + held[one.id] > one.limit_pico
        ]
        try:
            standings = self._run(self.ledger.hold(hold))
        except BudgetExceeded:
            assert full
            return ""
        assert not full
        assert {one.budget.id for one in standings} == set(held)
        self.known[name] = Known(hold, scopes, held)
        return name

    @rule(name=consumes(calls), share=st.integers(0, 100), how=st.sampled_from(["answered", "free", "cut", "lost"]))
    def settle(self, name: str, share: int, how: str) -> None:
        if not name:
            return
        one = self.known[name]
        paid = 0 if how == "free" else one.hold.worst_pico * share // 100
        entry = replace(
            entry_of(name, paid, opened_us=one.hold.opened_us, key=one.hold.key, model=one.hold.model),
            whose=one.hold.whose,
            task=one.hold.task,
            provider="p",
            usage_source="estimated" if how in ("cut", "lost") else "exact",
            status=0 if how == "lost" else 200,
        )
        self._run(self.ledger.settle(entry))
        doubt = {id_: max(0, held - paid) for id_, held in one.held.items()} if how == "lost" else {}
        self.known[name] = one._replace(paid=paid, doubt=doubt)

    @rule(minutes=st.sampled_from([1, 7, 61, 1441, 50_000]))
    def wait(self, minutes: int) -> None:
        self.now_us += minutes * 60_000_000

    @rule()
    def restart(self) -> None:
        self._run(self.ledger.close())
        self._open()

    def _sums(self, budget: Budget, member: str | None) -> tuple[int, int, int]:
        """Spent, held and in doubt, from the calls themselves."""
        window, zone = parse_window(budget.window), ZoneInfo(budget.zone)
        now = window.span(self.now_us, zone)
        spent = held = doubt = 0
        for one in self.known.values():
            slot_us = window.span(one.hold.opened_us, zone).slot_us
            if budget.member(one.scopes) != member or not now.since_us <= slot_us <= now.slot_us:
                continue
            if one.paid is None:
                held += one.held.get(budget.id, 0)
            else:
                spent += one.paid
                doubt += (one.doubt or {}).get(budget.id, 0)
        return spent, held, doubt

    @invariant()
    def budgets_are_the_sum_of_their_calls(self) -> None:
        if not hasattr(self, "ledger"):
            return
        for one in self._run(self.book.standings(self.now_us)):
            assert (one.spent_pico, one.held_pico, one.doubt_pico) == self._sums(one.budget, one.member)

    @invariant()
    def no_hold_is_left_behind(self) -> None:
        if hasattr(self, "ledger") and not any(one.paid is None for one in self.known.values()):
            assert all(not one.held_pico for one in self._run(self.book.standings(self.now_us)))


TestBudgets = Budgets.TestCase
TestBudgets.settings = settings(max_examples=max(30, settings().max_examples // 2), stateful_step_count=40, deadline=None)
