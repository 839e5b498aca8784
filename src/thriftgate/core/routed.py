"""What the levers of routing have in common: the choice was made before the prompt was read, since each model reads it
differently; here it enters the plan and the books."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from thriftgate.core.plan import NOTHING_ELSE, Draft, Policy, Proposal, Refuse, Skip, Without
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request
from thriftgate.core.routing.choice import as_asked
from thriftgate.core.state import State
from thriftgate.core.usage import Usage


class Routed:
    """A lever that puts another model in the place of the one asked for. The request is already that model's."""

    id: ClassVar[str]
    safe = False

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Proposal | Skip | Refuse:
        route = state.route
        if route is None:
            return Skip("nothing asks for another model")
        choice = route.choice
        if choice is None or choice.lever != self.id:
            return Skip(
                route.asides.get(self.id) or ("another lever has chosen the model" if choice else "nothing was found")
            )
        return Proposal(choice.reason, replace(draft, terms=replace(draft.terms, model=request.model)))

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        return as_asked(usage, terms, without.asked) if without.asked is not None else (usage, terms)
