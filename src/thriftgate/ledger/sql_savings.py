"""Questions about routing and experiments, put to the books through `SqlLedger.ask`.

A call that a client asked for has a baseline. One without is ours: a ping, a try that was not kept, a verifier's, a second
call.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from thriftgate.ledger.connection import Connection
from thriftgate.ledger.queries import SUM, summed
from thriftgate.ledger.rollup_columns import TASK_COLUMNS
from thriftgate.ledger.sql_cells import Source, add_up, chosen

# An entry has at most one posting on each account, found by its key.
_BASE = "left join postings base on base.entry = {0} and base.account = 'baseline'"
_PAID = "left join postings paid on paid.entry = {0} and paid.account = 'upstream'"
_SPAN = "opened_us >= ? and opened_us < ?"
_ASKED = "coalesce(base.pico, 0) <> 0"

_OWN = chosen("calls", "own_calls", "own_paid_high", "own_paid_low")
_ANY_DRAWN = "select 1 from entries indexed by entries_by_conversation where conversation <> '' limit 1"

# Conversations of an experiment. The side is the one that was drawn first; a call of our own counts for the conversation,
# and at the time, of the call that it was made for.
_UNITS = f"""
with drawn as (
  select id, conversation, opened_us, first_value(arm) over first_call as arm,
    first_value(propensity) over first_call as propensity
  from entries where {_SPAN} and conversation <> '' window first_call as (partition by conversation order by opened_us, id)
), mine as (
  select id as entry, conversation, arm, propensity, opened_us from drawn
  union all
  select own.id, drawn.conversation, drawn.arm, drawn.propensity, drawn.opened_us
  from drawn cross join entries own on own.parent = drawn.id and own.parent <> '' and own.conversation = ''
)
select conversation, arm, propensity, min(opened_us) as first_us, sum(cast({_ASKED} as integer)),
  {SUM.format(f"case when {_ASKED} then -coalesce(paid.pico, 0) else 0 end")},
  {SUM.format("coalesce(base.pico, 0)")},
  {SUM.format(f"case when {_ASKED} then 0 else -coalesce(paid.pico, 0) end")}
from mine {_BASE.format("mine.entry")} {_PAID.format("mine.entry")}
group by conversation, arm, propensity order by first_us, conversation
"""

# Calls of clients by task, model sent and model asked for.
_TASKS = Source(
    "rollup_tasks",
    {name: f"c.{name}" for name in TASK_COLUMNS},
    TASK_COLUMNS,
    parts=("case c.asked when '' then d.model else c.asked end",),
    parts_of_entries=("case e.asked_model when '' then e.model else e.asked_model end",),
    may_lack=True,
)


class OwnCost(Struct, frozen=True):
    """What calls of our own cost, by the endpoint that they are listed under (pico-USD)."""

    endpoint: str
    calls: int
    paid_pico: int


class Conversation(Struct, frozen=True):
    """One conversation of an experiment: what its client's calls cost and would have cost, and what calls of our own on its
    behalf cost (pico-USD). `propensity` is the chance with which its arm was drawn."""

    id: str
    arm: str
    propensity: float
    calls: int
    paid_pico: int
    baseline_pico: int
    own_pico: int = 0


class TaskSum(Struct, frozen=True):
    """Calls of one task that named one model and were served by one (pico-USD; means of tokens and milliseconds)."""

    task: str
    asked: str
    served: str
    calls: int
    baseline_pico: int
    paid_pico: int
    output_tokens: int
    latency_ms: int


def own_costs(connection: Connection, span: tuple[int, int]) -> Sequence[OwnCost]:
    """`span` in microseconds since 1970."""
    found = add_up(connection, _OWN, span, ("endpoint",))
    return sorted(
        (OwnCost(name, one["own_calls"], one.money("own_paid")) for (_, (name,)), one in found.items() if one["own_calls"]),
        key=lambda own: own.endpoint,
    )


def conversations(connection: Connection, span: tuple[int, int]) -> Sequence[Conversation]:
    """Those that were drawn into an experiment, in order of time. Of calls of our own those count whose client's call came
    within `span`."""
    if connection.execute(_ANY_DRAWN).fetchone() is None:  # most ledgers know of no experiment, and need not be read
        return []
    return [
        Conversation(name, arm, propensity, calls, summed(*paid), summed(*base), summed(*own))
        for name, arm, propensity, _first, calls, *sums in connection.execute(_UNITS, span)
        for paid, base, own in ((sums[:2], sums[2:4], sums[4:]),)
    ]


def tasks(connection: Connection, span: tuple[int, int]) -> Sequence[TaskSum]:
    """The dearest first."""
    found = [
        TaskSum(
            task,
            asked,
            served,
            one["client_calls"],
            one.money("baseline"),
            one.money("paid"),
            _mean(one["output"], one["client_calls"]),
            _mean(one["latency_ms"], one["client_calls"]),
        )
        for (_, (task, served, asked)), one in add_up(connection, _TASKS, span, ("task", "model")).items()
        if one["client_calls"]
    ]
    return sorted(found, key=lambda one: (-one.paid_pico, one.task, one.asked, one.served))


def _mean(total: int, count: int) -> int:
    """To the nearest whole number; a half goes up."""
    return (2 * total + count) // (2 * count)
