"""Whether a call that may wait is better put into a batch: the planner prices both, and its caller's limits are kept."""

from __future__ import annotations

from typing import NamedTuple

from thriftgate.batch.planning import Drafted, Planner
from thriftgate.core.deadline import Choice
from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.core.plan import Plan


class Now(NamedTuple):
    """A call that is better made at once, and why."""

    reason: str


class Worth(NamedTuple):
    """A call that a batch is worth waiting for: its model, what it is expected to cost there, what that saves, and the most
    that it can cost, in a batch or by itself (pico-USD)."""

    model: str
    forecast_pico: int
    saved_pico: int
    worst_pico: int


def judge(
    planner: Planner, body: bytes, key: str, choice: Choice, *, now_s: float, cost_limit_pico: int | None = None
) -> Worth | Now:
    """Whether a call of that key, without `stream`, is worth a batch. `choice` says that there is time for one."""
    try:
        drafted = planner.draft(body, now_s, key, outlook=True)
        batch, alone = _priced(planner, drafted, choice)
    except (InputError, UnknownPrice) as error:
        return Now(str(error))
    except RecursionError:
        return Now("the request body is nested too deeply")
    # Where a deadline is in danger the call is made after all, at twice the price: a limit must allow for that.
    worst_pico = max(batch.forecast.worst_pico, alone.forecast.worst_pico)
    limited = cost_limit_pico is not None and worst_pico > cost_limit_pico
    if limited or batch.refusal is not None or alone.refusal is not None:
        return Now("its cost is limited: it is judged as a call")
    if alone.forecast.pico <= batch.forecast.pico:
        return Now("a call now is cheaper: it reads its prompt from the cache")
    return Worth(drafted.request.model, batch.forecast.pico, alone.forecast.pico - batch.forecast.pico, worst_pico)


def _priced(planner: Planner, drafted: Drafted, choice: Choice) -> tuple[Plan, Plan]:
    """The call in a batch, by itself, and the call now."""
    waiting = Planner(planner.knowledge, planner.policy, planner.key, choice, upstream=planner.upstream)
    return waiting.plan(drafted, None, "plain"), drafted.rewritten.plan(drafted.snapshot.state, planner.policy)
