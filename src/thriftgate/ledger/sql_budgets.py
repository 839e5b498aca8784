"""Budgets in the books: taken and given back in the very transaction that writes the hold or the entry.

Every decision is made while nobody else can make one, on rows that have just been read: calls of this process and of others
beside it cannot pass a limit together. No question here reads the entries but one, when a budget is made: what was spent in
its window before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from thriftgate.core.control.budgets import ANY, Budget, Stage, Standing, may_fit_later, room_for
from thriftgate.core.control.whose import Whose, scopes_of
from thriftgate.core.control.windows import NEVER_US, Span, Window, parse_window
from thriftgate.core.errors import BudgetExceeded, InputError
from thriftgate.ledger import queries
from thriftgate.ledger.budgets import PastSlot
from thriftgate.ledger.connection import Connection, listed, upsert
from thriftgate.ledger.entries import UPSTREAM, Entry, Hold
from thriftgate.ledger.rows import hold_from_row, tags_from

KEPT_WINDOWS = 100
"""How many windows back it is known what was spent in each."""

_STAGES = msgspec.json.Decoder(tuple[Stage, ...])
_SCOPE = msgspec.json.Decoder(tuple[str, ...])
_COLUMNS = 'id, name, limit_pico, scope, "window", zone, hard, stages, created_us, ended_us'
_ALL = f"select {_COLUMNS} from budgets order by created_us, id"
_PUT = upsert("budgets", _COLUMNS.split(", "), ("id",))
_SLOTS = (
    "select slot_us, spent_pico, held_pico, doubt_pico from budget_slots where budget = ? and member = ? and slot_us >= ?"
)
_SLOT = "select spent_pico, held_pico, doubt_pico from budget_slots where budget = ? and member = ? and slot_us = ?"
_PUT_SLOT = upsert(
    "budget_slots",
    ("budget", "member", "slot_us", "spent_pico", "held_pico", "doubt_pico"),
    ("budget", "member", "slot_us"),
)
_OLD_SLOTS = "delete from budget_slots where budget = ? and member = ? and slot_us < ? and held_pico = '0'"
_MEMBERS = "select distinct member from budget_slots where budget = ? and slot_us >= ? order by member"
_CLAIMED = ("hold", "budget", "member", "slot_us", "held_pico")
_CLAIMS = f"select {', '.join(_CLAIMED)} from claims where hold in (select one.value from json_each(?) one)"
_UNCLAIM = "delete from claims where hold in (select one.value from json_each(?) one)"
_SPENT_SO_FAR = """
select opened_us, key, user_id, team, org, tags, model, provider, task, -pico from entries
join postings on postings.entry = entries.id and postings.account = 'upstream'
where opened_us >= ? and pico <> 0
"""


_VERSION = "select value from meta where name = 'budgets'"
_CHANGED = """
insert into meta (name, value) values ('budgets', '1')
on conflict (name) do update set value = cast(cast(meta.value as bigint) + 1 as text)
"""


class Amounts:
    """What stands in one slot (pico-USD)."""

    __slots__ = ("doubt", "held", "spent")

    def __init__(self, spent: int = 0, held: int = 0, doubt: int = 0) -> None:
        self.spent = spent
        self.held = held
        self.doubt = doubt


class BudgetShelf:
    """The budgets as the writing connection last read them. One per ledger; read again where another process has written."""

    def __init__(self) -> None:
        self._version = ""
        self._budgets: tuple[Budget, ...] = ()

    def read(self, connection: Connection) -> tuple[Budget, ...]:
        """Those that stand; where there are any, nobody else decides about one until the transaction ends. To be called
        within a writing transaction."""
        row = connection.execute(_VERSION).fetchone()
        if row is None:
            return ()
        if row[0] != self._version:
            self._budgets = tuple(one for one in all_budgets(connection) if not one.ended_us)
            self._version = row[0]
        if self._budgets:
            connection.lock_named("budgets")
        return self._budgets


class Till:
    """The budgets within one writing transaction: what is taken and settled is put down by `write`."""

    def __init__(self, connection: Connection, budgets: Sequence[Budget]) -> None:
        self._connection = connection
        self._budgets = budgets
        self._slots: dict[tuple[str, str], dict[int, Amounts]] = {}
        self._known_from: dict[tuple[str, str], int] = {}
        self._touched: set[tuple[str, str, int]] = set()
        self._claims: dict[str, list[tuple[str, str, int, int]]] = {}  # taken in this transaction
        self._claims_there: dict[str, list[tuple[str, str, int, int]]] = {}
        self._settled: list[str] = []
        self._known_of: set[str] = set()

    def expect(self, settled: Sequence[str]) -> None:
        """Read what these calls have taken, together: they are to be settled or released."""
        if not settled:
            return
        self._known_of.update(settled)
        for hold, budget, member, slot_us, pico in self._connection.execute(_CLAIMS, (listed(settled),)):
            self._claims_there.setdefault(hold, []).append((budget, member, slot_us, int(pico)))

    def take(self, hold: Hold) -> tuple[Standing, ...]:
        """Take what the call may cost from every budget that it counts under, or from none. Returns how these stand with
        it. Raises BudgetExceeded."""
        if not self._budgets:
            return ()
        scopes = scopes_of(hold.key, hold.whose, model=hold.model, provider=hold.provider, task=hold.task)
        found = [(one, member) for one in self._budgets if (member := one.member(scopes)) is not None]
        for one, member in found:
            standing = self.standing(one, member, hold.opened_us)
            refuse_where_full(standing, one.takes(hold.worst_pico, hold.forecast_pico), hold.opened_us)
        for one, member in found:
            self._hold(hold, one, member)
        return tuple(self.standing(one, member, hold.opened_us) for one, member in found)

    def adopt(self, hold: Hold) -> None:
        """Count a call that is under way already, whether it fits or not."""
        scopes = scopes_of(hold.key, hold.whose, model=hold.model, provider=hold.provider, task=hold.task)
        for one in self._budgets:
            member = one.member(scopes)
            if member is not None:
                self._hold(hold, one, member)

    def settle(self, entry: Entry) -> None:
        """Give back what the call had taken, and charge what it cost; what nobody knows of its cost stays in doubt."""
        paid = -entry.posted(UPSTREAM)
        claims = self._taken_by(entry.id)
        if not claims and not (paid and self._budgets):
            return
        in_doubt = entry.usage_source == "estimated" and not entry.status  # no head of an answer ever came
        for budget, member, slot_us, pico in claims:
            slot = self._slot(budget, member, slot_us)
            slot.held -= pico
            slot.doubt += max(0, pico - paid) if in_doubt else 0
            self._touched.add((budget, member, slot_us))
        if paid:
            self.charge(
                scopes_of(entry.key, entry.whose, model=entry.model, provider=entry.provider, task=entry.task),
                paid,
                entry.opened_us,
            )
        if claims:
            self._settled.append(entry.id)

    def release(self, hold: str) -> None:
        """Give back what a call had taken that was never sent."""
        claims = self._taken_by(hold)
        for budget, member, slot_us, pico in claims:
            self._slot(budget, member, slot_us).held -= pico
            self._touched.add((budget, member, slot_us))
        if claims:
            self._settled.append(hold)

    def standing(self, budget: Budget, member: str, at_us: int) -> Standing:
        """How a budget stands at a moment."""
        span = _span(budget, at_us)
        slots = self._in_window(budget.id, member, span)
        return Standing(
            budget,
            member,
            sum(one.spent for one in slots),
            sum(one.held for one in slots),
            sum(one.doubt for one in slots),
            span.since_us,
            span.until_us,
        )

    def write(self) -> None:
        """Put down what has changed."""
        connection = self._connection
        for budget, member, slot_us in self._touched:
            one = self._slots[budget, member][slot_us]
            row = (budget, member, slot_us, str(one.spent), str(one.held), str(one.doubt))
            connection.execute(_PUT_SLOT, row)
        gone = [hold for hold in self._settled if hold not in self._claims]
        if gone:
            connection.execute(_UNCLAIM, (listed(gone),))
        settled = set(self._settled)
        rows = [
            (hold, budget, member, slot_us, str(pico))
            for hold, claims in self._claims.items()
            if hold not in settled
            for budget, member, slot_us, pico in claims
        ]
        connection.insert("claims", _CLAIMED, rows)

    def _hold(self, hold: Hold, budget: Budget, member: str) -> None:
        pico, slot_us = budget.takes(hold.worst_pico, hold.forecast_pico), _span(budget, hold.opened_us).slot_us
        self._slot(budget.id, member, slot_us).held += pico
        self._touched.add((budget.id, member, slot_us))
        self._claims.setdefault(hold.id, []).append((budget.id, member, slot_us, pico))

    def charge(self, scopes: frozenset[str], paid: int, at_us: int) -> None:
        """A call with these scopes, that came at that time, has cost so much."""
        for budget in self._budgets:
            member = budget.member(scopes)
            if member is None:
                continue
            span = _span(budget, at_us)
            slot = self._slot(budget.id, member, span.slot_us)
            if not (slot.spent or slot.held or slot.doubt):  # a new one begins
                self._forget_old(budget, member, span)
            slot.spent += paid
            self._touched.add((budget.id, member, span.slot_us))

    def _taken_by(self, hold: str) -> Sequence[tuple[str, str, int, int]]:
        if hold in self._claims:
            return self._claims[hold]
        if hold not in self._known_of:
            self.expect((hold,))
        return self._claims_there.get(hold, ())

    def _in_window(self, budget: str, member: str, span: Span) -> Iterable[Amounts]:
        known = self._slots.setdefault((budget, member), {})
        if self._known_from.get((budget, member), span.since_us + 1) > span.since_us:
            for slot_us, *amounts in self._connection.execute(_SLOTS, (budget, member, span.since_us)):
                known.setdefault(slot_us, Amounts(*map(int, amounts)))
            self._known_from[budget, member] = span.since_us
        return [one for slot_us, one in known.items() if span.since_us <= slot_us <= span.slot_us]

    def _slot(self, budget: str, member: str, slot_us: int) -> Amounts:
        known = self._slots.setdefault((budget, member), {})
        found = known.get(slot_us)
        if found is None:
            row = self._connection.execute(_SLOT, (budget, member, slot_us)).fetchone()
            found = known[slot_us] = Amounts(*map(int, row)) if row is not None else Amounts()
        return found

    def _forget_old(self, budget: Budget, member: str, span: Span) -> None:
        if span.until_us == NEVER_US:
            return
        windows = 1 if _window(budget.window).rolling_us else KEPT_WINDOWS
        before_us = span.since_us - windows * (span.until_us - span.since_us)
        self._connection.execute(_OLD_SLOTS, (budget.id, member, before_us))


def refuse_where_full(standing: Standing, pico: int, now_us: int) -> None:
    """Raises BudgetExceeded where a call that takes so much does not fit. One that would fit once others have settled may be
    tried again."""
    why = room_for(standing, pico)
    if not why:
        return
    if may_fit_later(standing, pico):
        raise BudgetExceeded(f"{why}; try again when these are through", held=True)
    ends_s = max(0.0, (standing.until_us - now_us) / 1e6)
    raise BudgetExceeded(f"{why}; raise its limit, or wait until its window ends", free_in_s=ends_s)


def all_budgets(connection: Connection) -> list[Budget]:
    """Every budget there ever was, in order of making."""
    return [
        Budget(
            id=id_,
            name=name,
            limit_pico=int(limit),
            scope=_SCOPE.decode(scope),
            window=window,
            zone=zone,
            hard=bool(hard),
            stages=_STAGES.decode(stages),
            created_us=created_us,
            ended_us=ended_us,
        )
        for id_, name, limit, scope, window, zone, hard, stages, created_us, ended_us in connection.execute(_ALL)
    ]


def put_budget(connection: Connection, budget: Budget) -> None:
    """Make a budget, or change one: its name, limit, kind and stages; or end it. What was spent in the window of a new one
    so far is added up from the books, and calls under way count with what they may cost. Raises InputError for a name that
    another one has, for other changes, and for one that was ended."""
    connection.lock_named("budgets")
    connection.execute(_CHANGED)
    rows = {one.id: one for one in all_budgets(connection)}
    before = rows.get(budget.id)
    if before is not None and before.ended_us:
        raise InputError(f"budget {before.name!r} was ended; make a new one")
    if before is not None and (before.scope, before.window, before.zone) != (budget.scope, budget.window, budget.zone):
        raise InputError(f"budget {before.name!r}: its scope and window stay as they are; end it and make a new one")
    if any(one.name == budget.name and one.id != budget.id and not one.ended_us for one in rows.values()):
        raise InputError(f"there is a budget {budget.name!r} already; change that one, or choose another name")
    encode = msgspec.json.encode
    connection.execute(
        _PUT,
        (
            budget.id,
            budget.name,
            str(budget.limit_pico),
            encode(budget.scope).decode(),
            budget.window,
            budget.zone,
            int(budget.hard),
            encode(budget.stages).decode(),
            budget.created_us,
            budget.ended_us,
        ),
    )
    if before is None:
        _count_so_far(connection, budget)


def standings(connection: Connection, now_us: int) -> list[Standing]:
    """How every budget that stands stands now, with each member that has spent or holds anything in its window."""
    budgets = [one for one in all_budgets(connection) if not one.ended_us]
    till = Till(connection, budgets)
    found = []
    for budget in budgets:
        since_us = _span(budget, now_us).since_us
        members = [member for (member,) in connection.execute(_MEMBERS, (budget.id, since_us))]
        if not any(condition.endswith("=" + ANY) for condition in budget.scope):
            members = members or [""]
        found += [till.standing(budget, member, now_us) for member in members]
    return found


def past_slots(connection: Connection, budget_id: str) -> list[PastSlot]:
    """What is kept of its windows, the newest first."""
    question = (
        "select member, slot_us, spent_pico, doubt_pico from budget_slots where budget = ? order by slot_us desc, member"
    )
    return [
        PastSlot(member, slot_us, int(spent), int(doubt))
        for member, slot_us, spent, doubt in connection.execute(question, (budget_id,))
    ]


def clear_doubt(connection: Connection, budget_id: str, member: str) -> int:
    """What was in doubt is known by now not to be billed: it may be spent. Returns how much that was (pico-USD)."""
    connection.lock_named("budgets")
    question = "select doubt_pico from budget_slots where budget = ? and member = ?"
    freed = sum(int(doubt) for (doubt,) in connection.execute(question, (budget_id, member)))
    connection.execute("update budget_slots set doubt_pico = '0' where budget = ? and member = ?", (budget_id, member))
    return freed


def _count_so_far(connection: Connection, budget: Budget) -> None:
    """What a new budget would show had it stood since its window began."""
    since_us = _span(budget, budget.created_us).since_us
    till = Till(connection, (budget,))
    for opened_us, key, user_id, team, org, tags, model, provider, task, paid in connection.execute(
        _SPENT_SO_FAR, (since_us,)
    ):
        whose = Whose(user_id, team, org, tags_from(tags))
        till.charge(scopes_of(key, whose, model=model, provider=provider, task=task), paid, opened_us)
    for row in connection.execute(queries.OPEN_HOLDS, (queries.NOBODY,)):
        till.adopt(hold_from_row(row))
    till.write()


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=512)
def _window(text: str) -> Window:
    return parse_window(text)


def _span(budget: Budget, at_us: int) -> Span:
    return _window(budget.window).span(at_us, _zone(budget.zone))
