"""What happens to a prompt before it is planned: `cache.stabilise`, where the policy names what may be rewritten.

The planner then sees the prompt that will be sent: its prefixes, its breakpoints, its cost. Whoever plans a call (gateway,
warming, auditor) comes through here first, so that all of them speak of the same prompt.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.agents.limits import Guard
from thriftgate.core.models import Capabilities
from thriftgate.core.plan import Decision, Plan, Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.reduction.change import Change
from thriftgate.core.request import Request, parse_request
from thriftgate.core.routing.choice import Route
from thriftgate.core.stability.rewrite import LEVER, StabilisePolicy, stabilise
from thriftgate.core.state import State


class Rewritten(Struct, frozen=True):
    """The request to take a snapshot for: the client's own object where nothing was rewritten. `decisions` tell what was
    done and why. `route` is what was decided about the model; where it names another, `request` is that model's and
    `asked` the one that came in. `changes` tell, by lever, what was taken out of the prompt or asked of the answer;
    `original` is the request before anything was taken out, None where nothing was. `guard` is what is known of the
    agent."""

    request: Request
    decisions: tuple[Decision, ...]
    route: Route | None = None
    asked: Request | None = None
    changes: Mapping[str, Change] = {}
    original: Request | None = None
    guard: Guard | None = None

    def plan(self, state: State, policy: Policy) -> Plan:
        """Plan the call; `state` is that of `request`. Raises UnknownPrice."""
        if self.route is not None or self.changes or self.guard is not None:
            state = replace(state, route=self.route, changes=self.changes, guard=self.guard)
            acted = [lever for lever, change in self.changes.items() if change.applied and lever not in policy.levers]
            policy = replace(policy, levers=(*policy.levers, *acted)) if acted else policy  # begun before it was put off
        plan = make_plan(self.request, state, policy)
        return replace(plan, decisions=self.decisions + plan.decisions)

    @property
    def tries(self) -> bool:
        """Whether the answer is a try, to be judged before the client sees it."""
        choice = self.route.choice if self.route is not None else None
        return choice is not None and choice.cascade

    def unrouted(self, reason: str) -> Rewritten:
        """The call for the model that was asked for; `reason` says why no other serves it."""
        choice = self.route.choice if self.route is not None else None
        if self.asked is None or self.route is None or choice is None:
            return self
        route = replace(self.route, choice=None, asides={**self.route.asides, choice.lever: reason})
        return replace(self, request=self.asked, route=route, asked=None)


def with_savings(plan: Plan, saved: Mapping[str, int]) -> Plan:
    """The plan with what levers of the prompt are expected to save (pico-USD). Its own forecasts cannot tell: they are of
    the prompt as it is sent."""
    decisions = tuple(
        replace(one, forecast_pico=saved[one.lever]) if one.lever in saved and one.decision == "applied" else one
        for one in plan.decisions
    )
    return replace(plan, decisions=decisions)


def prepare(request: Request, capability: Capabilities, policy: Policy) -> Rewritten:
    """Rewrite the prompt as the policy says. Never raises: a rewrite that fails is skipped, and the original goes on.

    `capability` is the row of the model table as it is, not as bills have corrected it: a conversation must be rewritten
    alike in each of its turns.
    """
    if not policy.stabilise:
        return Rewritten(request, _OFF)
    try:
        done = stabilise(request, capability, StabilisePolicy(**dict.fromkeys(policy.stabilise, True)))
        if done.body is request.body:
            return Rewritten(request, (Decision(LEVER, "skipped", done.aside or "nothing in this prompt needs it"),))
        fresh = parse_request(done.body, needs_max_tokens=False)
    except Exception as error:  # noqa: BLE001  law 4: a lever that raises becomes a skip, whatever it raised
        return Rewritten(request, (Decision(LEVER, "skipped", f"failed with {type(error).__name__}"),))
    return Rewritten(fresh, (Decision(LEVER, "applied", "; ".join(done.changes)),))


_OFF = (Decision(LEVER, "skipped", "off in the policy"),)
