"""What the levers that shorten prompts and answers have in common: they act before the prompt is planned, so that the
planner sees what is sent; here what they did enters the plan and the books."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from thriftgate.core.plan import NOTHING_ELSE, Draft, Policy, Proposal, Refuse, Skip, Without
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request
from thriftgate.core.state import State
from thriftgate.core.usage import Tokens, Usage


class Told:
    """A lever whose work was done before, or that found nothing to do."""

    id: ClassVar[str]
    safe = False

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Proposal | Skip | Refuse:
        change = state.changes.get(self.id)
        if change is None:
            return Skip("nothing in this call needs it")
        return Proposal(change.reason, draft) if change.applied else Skip(change.reason)

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        return usage, terms


class Shortened(Told):
    """A lever that takes something out of the prompt."""

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        prompt = without.prompts.get(self.id)
        if prompt is None or usage.iterations:  # several prompts in one bill cannot be told apart
            return usage, terms
        return replace(usage, total=replace(prompt, output=usage.total.output, thinking=usage.total.thinking)), terms


class Shaped(Told):
    """A lever that has the model say less. What it would have said is told by answers that nothing shortened."""

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        if without.output is None or usage.iterations:
            return usage, terms
        total: Tokens = usage.total
        longer = replace(total, output=without.output, thinking=min(total.thinking, without.output))
        return replace(usage, total=longer), terms
