"""`agent.guard` (safe): stop, or warn of, an agent that has spent what it may, or that turns in circles.

What: holds each call against the ceilings on calls, conversations, runs and rounds of tool calls, and looks whether the
conversation is in a loop: the same calls with the same results over and over, or rounds that bring nothing new.
Why it saves: every round of an agent sends the whole history again, so a loop that nobody watches costs more each time. One
such session made 1,535 calls in two hours (openclaw/openclaw#17118).
When it must not: nothing is set, or the results of repeated calls differ: a job that is polled is no loop, up to a far
higher limit.
Example: ceiling of $2 per conversation, $1.80 spent, this call at most $0.30: refused, nothing is sent. The fifth `Bash` in
a row with the same command and the same output: the call goes out, with a warning.
Source: what counts as a loop, and who counts alike: `core/agents/loops.py`; why a ceiling is never passed:
`core/agents/limits.py`. The whole history is in each request (platform.claude.com/docs/en/api/messages, 2026-08).
"""

from __future__ import annotations

from thriftgate.core.agents.limits import judge
from thriftgate.core.plan import NOTHING_ELSE, Draft, Policy, Proposal, Refuse, Skip, Without
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request
from thriftgate.core.state import State
from thriftgate.core.usage import Usage
from thriftgate.core.worst import worst_of


class AgentGuard:
    """See the module."""

    id = "agent.guard"
    safe = True

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Proposal | Skip | Refuse:
        if state.guard is None:
            return Skip("nothing is guarded")
        guard = state.guard
        if guard.loop is None and not guard.limits.ceilings:
            return Skip("in no loop, and no ceiling is set")
        verdict = judge(guard, worst_of(draft, state))
        if verdict.action == "stop":
            return Refuse(verdict.reason)
        if verdict.action == "warn":
            return Proposal(verdict.reason, draft, warns=True)
        return Skip("within every ceiling, and in no loop")

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        return usage, terms
