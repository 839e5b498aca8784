"""`make_plan`: the one planner behind gateway, client, batch runner and auditor.

It folds the levers over a draft of the call, forecasts before and after each one that acts, and splices their edits
into the client's bytes once at the end. Pure and deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from thriftgate.core.cache import client_breakpoints
from thriftgate.core.cost import day_of
from thriftgate.core.errors import InputError
from thriftgate.core.forecast import forecast
from thriftgate.core.levers import LEVERS
from thriftgate.core.models import NEVER_CACHED
from thriftgate.core.plan import Decision, Draft, Forecast, Lever, Plan, Policy, Proposal, Refuse, Skip
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request
from thriftgate.core.splice import Edit, Known, apply
from thriftgate.core.state import State

OFF = "off in the policy"
_OFF = {lever.id: Decision(lever.id, "skipped", OFF) for lever in LEVERS}


def make_plan(request: Request, state: State, policy: Policy, levers: Sequence[Lever] = LEVERS) -> Plan:
    """Plan one call. A request that is known only by its prefix, from a log, has no body: then the plan says what would be
    edited, and there is nothing to send.

    Raises UnknownPrice when the call cannot be priced at all: money fails closed. A lever that raises is skipped: savings
    fail open.
    """
    draft = sent = _as_sent(request, state)
    baseline = current = forecast(draft, state)
    decisions: list[Decision] = []
    edits: list[Edit] = []
    editors: list[str] = []
    dearer: list[str] = []
    refusal: str | None = None
    choice = state.route.choice if state.route is not None else None
    chosen = choice.lever if choice is not None else ""  # it cannot stand aside here: the request is that model's already
    on = frozenset(policy.levers)
    for lever in levers:
        if lever.id not in on:
            decisions.append(_OFF.get(lever.id) or Decision(lever.id, "skipped", OFF))
            continue
        outcome, after = _ask(lever, request, draft, state, policy)
        if isinstance(outcome, Skip):
            decisions.append(Decision(lever.id, "skipped", outcome.reason))
        elif isinstance(outcome, Refuse):
            decisions.append(Decision(lever.id, "refused", outcome.message))
            refusal = refusal or outcome.message
        else:
            after = after or current
            saving = current.pico - after.pico
            decisions.append(Decision(lever.id, "warned" if outcome.warns else "applied", outcome.reason, saving))
            dearer += [lever.id] if after.worst_pico > current.worst_pico and lever.id != chosen else []
            draft, current = outcome.draft, after
            edits += outcome.edits
            editors += [lever.id] if outcome.edits else []
    if refusal is not None and dearer:  # a write to the cache costs more than plain input: no lever shall forbid a call
        plan = _without(dearer, "it would take this call over its limit", request, state, policy, levers=levers)
        if plan.refusal is None:
            return plan
    try:
        body = apply(request.body, edits, _where(request, state)) if edits and request.body else request.body
    except (InputError, ValueError) as error:  # the JSON cannot be edited, or two levers edit the same place
        return _without(editors, str(error), request, state, policy, levers=levers)
    return Plan(
        body=body,
        terms=draft.terms,
        breakpoints=draft.breakpoints,
        decisions=tuple(decisions),
        baseline=baseline,
        forecast=current,
        refusal=refusal,
        client=sent.breakpoints,
        route=state.route,
    )


def _without(
    skipped: Sequence[str], reason: str, request: Request, state: State, policy: Policy, *, levers: Sequence[Lever]
) -> Plan:
    """The plan in which these levers stand aside."""
    plan = make_plan(request, state, policy, [lever for lever in levers if lever.id not in skipped])
    decisions = tuple(Decision(lever_id, "skipped", reason) for lever_id in skipped) + plan.decisions
    return msgspec.structs.replace(plan, decisions=decisions)


def _as_sent(request: Request, state: State) -> Draft:
    """The draft before any lever: the client's own breakpoints, its own terms, its own model."""
    choice = state.route.choice if state.route is not None else None
    model = choice.asked if choice is not None else request.model
    terms = Terms(model, day_of(state.now_s), request.mode, request.geo or state.place or "global")
    heard = state.capability.cache_min_tokens < NEVER_CACHED  # else marks mean nothing there
    return Draft(terms, request.max_tokens, client_breakpoints(request, state.prefix) if heard else ())


def _ask(
    lever: Lever, request: Request, draft: Draft, state: State, policy: Policy
) -> tuple[Proposal | Skip | Refuse, Forecast | None]:
    """What the lever proposes, and the forecast for it where it changes the draft."""
    try:
        outcome = lever.propose(request, draft, state, policy)
        changed = outcome.draft if isinstance(outcome, Proposal) and outcome.draft is not draft else None
        return outcome, forecast(changed, state) if changed is not None else None
    except Exception as error:  # noqa: BLE001  law 4: a lever that raises becomes a skip, whatever it raised
        return Skip(f"failed with {type(error).__name__}: {error}"), None


def _where(request: Request, state: State) -> Known:
    return Known(request.members, {"messages": state.prefix.message_spans()})
