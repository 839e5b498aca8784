"""`count.guard` (safe): refuse, or warn of, a call that could cost more than allowed.

What: compares the worst-case cost of the planned call with the limit set by the operator (`policy.cost_limit_usd`) or,
lower, by the caller (header `thriftgate-max-cost-usd`).
Why it saves: a runaway prompt or a forgotten `max_tokens` is stopped before it is sent, not read on the invoice.
When it must not: no limit is set.
Example: limit $0.05; 200,000 tokens to Opus 5.5 at $4 per million tokens: refused, nothing is sent.
Source: token counts are estimates with an upper bound, see `core/tokens`; `max_tokens` caps the output
(platform.claude.com/docs/en/api/messages, 2026-08).
"""

from __future__ import annotations

from thriftgate.core.forecast import worst_case
from thriftgate.core.money import usd_from_pico
from thriftgate.core.plan import NOTHING_ELSE, Draft, Policy, Proposal, Refuse, Skip, Without
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request
from thriftgate.core.state import State
from thriftgate.core.usage import Usage


class CountGuard:
    """See the module."""

    id = "count.guard"
    safe = True

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Proposal | Skip | Refuse:
        if policy.cost_limit_pico is None:
            return Skip("no cost limit is set")
        worst = worst_case(draft, state)
        if worst <= policy.cost_limit_pico:
            return Skip(f"at most ${usd_from_pico(worst)}, within the limit of ${usd_from_pico(policy.cost_limit_pico)}")
        prompt = state.upper[-1] if state.upper else 0
        message = (
            f"this call could cost up to ${usd_from_pico(worst)} (at most {prompt} prompt tokens and {draft.max_tokens} "
            f"output tokens on {draft.terms.model}), over the limit of ${usd_from_pico(policy.cost_limit_pico)}; "
            f"shorten the prompt, lower max_tokens, or raise the limit"
        )
        return Proposal(message, draft, warns=True) if policy.on_cost_limit == "warn" else Refuse(message)

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        return usage, terms
