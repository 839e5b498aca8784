"""`batch.defer` (safe): a call that can wait goes into a batch, at half price.

What: where the caller has named a deadline, and batches tend to end before it, the call is put into a batch. What a batch
cannot take (`stream`) is left out, and the answer is handed over as the caller asked for it.
Why it saves: batches cost half of everything but per-use fees. Same model, same answer, later: only on the caller's word.
When it must not: no deadline; one too near; a call that a batch refuses (fast mode, threads, pre-warming, fallbacks); a
model that cannot be batched.
Example: a call of $0.01, due in six hours: $0.005.
Source: platform.claude.com/docs/en/build-with-claude/batch-processing, 2026-10. The decision is made in `core/deadline.py`.
"""

from __future__ import annotations

from msgspec.structs import replace

from thriftgate.core.plan import NOTHING_ELSE, Draft, Policy, Proposal, Refuse, Skip, Without
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request
from thriftgate.core.splice import Edit
from thriftgate.core.state import State
from thriftgate.core.usage import Usage

# Members whose mere presence (other than null or false) makes an item end as errored (the page above, "what cannot be
# batched").
NOT_IN_BATCH = (
    "speed", "store", "previous_thread_event_id", "cache_hint", "context_hint", "fallbacks", "research_preview_2026_02",
)  # fmt: skip
_NOTHING = frozenset((b"", b"null", b"false"))


class BatchDefer:
    """See the module."""

    id = "batch.defer"
    safe = True

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Proposal | Skip | Refuse:
        deferral = state.deferral
        if deferral is None:
            return Skip("the caller has named no deadline")
        if not deferral.batch:
            return Skip(deferral.reason)
        aside = unfit(request) or ("" if state.capability.batch else f"{request.model} cannot be batched")
        if aside:
            return Skip(aside)
        edits = (Edit(("stream",), None),) if "stream" in request.members else ()
        return Proposal(deferral.reason, replace(draft, terms=replace(draft.terms, mode="batch")), edits)

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        return usage, replace(terms, mode="standard")


def unfit(request: Request) -> str:
    """Why no batch takes this call, "" where one does. `stream` is no reason: it can be left out."""
    if request.max_tokens == 0:
        return "max_tokens: 0 (pre-warming) is not possible in a batch"
    if request.in_thread:
        return "a conversation held by the provider cannot be batched"
    for name in NOT_IN_BATCH:
        if name in request.members and request.raw(name) not in _NOTHING:
            return f"{name} is not possible in a batch"
    return ""
