"""Compaction by the provider itself: a parameter that has it sum up the conversation once its prompt is long enough.

It answers with a compaction block, which the client sends back with the rest of the answer; from then on it stands for all
that came before it, and thinking bound to its prefix stays valid. The threshold is where compacting pays in the long run.
A client that does not send the block back would have its conversation summed up, and paid for, at every call: after the
first such call the application is left alone; and where thinking is bound to the summary that is gone, the conversation
goes on without its thinking (`reducing.py`).

Source: platform.claude.com/docs/en/build-with-claude/compaction, 2026-09. What it saves shows in shorter prompts, which the
client sends itself then: nothing of it can be booked per call, an experiment measures it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import msgspec
from msgspec.structs import replace

from thriftgate.core.cost import day_of
from thriftgate.core.generations import Generations
from thriftgate.core.levers.context_compact import ContextCompact
from thriftgate.core.memo import Turn
from thriftgate.core.models import Capabilities
from thriftgate.core.plan import Policy
from thriftgate.core.prices import Rates, Terms
from thriftgate.core.reduction.change import Change
from thriftgate.core.reduction.further import GROWS_FIRST_GUESS
from thriftgate.core.reduction.recognition import ends_of
from thriftgate.core.request import Request, parse_request
from thriftgate.core.rewrite import Rewritten
from thriftgate.core.splice import Edit, apply
from thriftgate.engine.call import Call
from thriftgate.engine.settle import NOTHING_ADDED, Added, Prepared
from thriftgate.engine.snapshot import Knowledge
from thriftgate.ledger.entries import Entry

COMPACT = ContextCompact.id
BETA = "compact-2026-01-12"
EDIT = "compact_20260112"
LEAST_TOKENS = 50_000  # the provider takes no lower trigger
SUMMARY_TOKENS = 3_000
_HEADER = b"anthropic-beta"
_CONVERSATIONS = 50_000
_APPS = 5_000


class ProviderSide:
    """One per engine."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._compacted: Generations[bytes, bool] = Generations(_CONVERSATIONS)  # by what was said in them
        self._lost: Generations[bytes, bool] = Generations(_APPS)  # applications that do not send blocks back

    def asked(self, rewritten: Rewritten, call: Call, key: str, policy: Policy, now_s: float) -> tuple[Rewritten, Added]:
        """The call with the parameter, where that may be asked, and what goes with it."""
        request = rewritten.request
        if not policy.history.by_provider or COMPACT not in policy.levers or request.in_thread or not request.max_tokens:
            return rewritten, NOTHING_ADDED
        state = self._knowledge.snapshot(request, key, now_s, outlook=False, upstream=call.upstream).state
        turns, chain, head = state.prefix.turns, state.prefix.chain, state.prefix.head_end()
        app = chain[head] if head is not None else key.encode()
        sent_back = any(turn.run.compacts for turn in turns)
        said = self._said(rewritten, state.capability)
        ends = ends_of(said, key)
        if self.lost(said, ends):
            self._lost[app] = True
        aside = self._aside(request, state.capability, app)
        if aside:
            told = replace(rewritten, changes={**rewritten.changes, COMPACT: Change(False, aside)})
            return told, Added((BETA,) if sent_back else (), ends[-1] if ends else b"")
        terms = Terms(request.model, day_of(now_s), request.mode, request.geo or "global")
        before = state.cumulative[head] if head is not None else 0
        trigger = trigger_tokens(self._knowledge.book.rates(terms, LEAST_TOKENS), before, state.capability)
        edit = {"edits": [{"type": EDIT, "trigger": {"type": "input_tokens", "value": trigger}}]}
        body = apply(request.body, [Edit(("context_management",), msgspec.json.encode(edit))])
        reason = f"the provider sums the conversation up from {trigger:,} tokens on"
        changed = replace(
            rewritten,
            request=parse_request(body, needs_max_tokens=False),
            changes={**rewritten.changes, COMPACT: Change(True, reason)},
        )
        return changed, Added((BETA,), ends[-1] if ends else b"")

    @property
    def any(self) -> bool:
        """Whether the provider has summed up any conversation."""
        return len(self._compacted) > 0

    def lost(self, turns: Sequence[Turn], ends: Sequence[bytes]) -> bool:
        """Whether a conversation comes back without the summary that the provider has put into it."""
        return not any(turn.run.compacts for turn in turns) and bool(self._compacted.among(ends[:-1]))

    def settled(self, prepared: Prepared, entry: Entry) -> None:
        """Whether the provider has summed this conversation up: then its next turn must show it."""
        if prepared.added.said and any(one.kind == "compaction" for one in entry.usage.iterations):
            self._compacted[prepared.added.said] = True

    def _said(self, rewritten: Rewritten, capability: Capabilities) -> Sequence[Turn]:
        """The messages as the client sent them."""
        request = rewritten.original or rewritten.request
        _, start, end = request.members["messages"]
        return self._knowledge.parts.conversation(request.body, start, end, capability.tokenizer).turns

    def _aside(self, request: Request, capability: Capabilities, app: bytes) -> str:
        """Why nothing is asked, or ""."""
        checks = (
            ("context_management" in request.members, "the client manages the context itself"),
            ("adaptive" not in capability.thinking, f"{capability.id} is not known to compact"),
            (self._lost.get(app) is not None, "the client does not send summaries of the provider back"),
        )
        return next((reason for holds, reason in checks if holds), "")


def trigger_tokens(rates: Rates, head: int, capability: Capabilities) -> int:
    """From how many tokens on a conversation is best summed up, in the long run: after sqrt(2 K / (r g)) turns, where K is
    what that costs, r the price of a cached token and g the growth of a turn."""
    after = head + SUMMARY_TOKENS
    costs = rates.read * after + rates.output * SUMMARY_TOKENS + rates.write_5m * SUMMARY_TOKENS
    turns = sqrt(2 * costs / (max(1, rates.read) * GROWS_FIRST_GUESS))
    best = after + GROWS_FIRST_GUESS * turns
    return int(min(max(best, LEAST_TOKENS), 0.8 * capability.context_tokens) // 1_000 * 1_000)


def with_betas(call: Call, betas: Sequence[str]) -> Call:
    """The call with these betas named in its headers, besides the client's own."""
    told = [value for name, value in call.headers if name == _HEADER]
    named = {one.strip() for value in told for one in value.split(b",")}
    missing = [beta.encode() for beta in betas if beta.encode() not in named]
    if not missing:
        return call
    rest = tuple((name, value) for name, value in call.headers if name != _HEADER)
    return replace(call, headers=(*rest, (_HEADER, b",".join((*told, *missing)))))
