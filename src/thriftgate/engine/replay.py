"""Replay a log: plan, bill and learn as the engine does, by the clock of the log and without a provider.

What `Engine.messages` does between two waits is done here in the same order, by the same functions: snapshot, plan,
observe, residency, entry. The bill comes from the cache model (`core/cache.py`) on the token counts of the log, so a replay
under the policy that was live gives the live books, and one under another policy says what that would have cost.

    replay = Replay(Knowledge(book, models), Policy())
    entries = [replay.call(logged).entry for logged in log]      # in order of `at_s`

Calls are replayed one after the other. One that was sent before the answer to another began cannot read what that one
writes, as in life; but the planner has seen that one's bill by then, and nobody waits for anybody (`engine/fanout.py`).
Pings are not replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core import cache
from thriftgate.core.attribution import Settlement
from thriftgate.core.cache import CacheOutcome, CacheRules, Resident
from thriftgate.core.errors import PolicyRefusal
from thriftgate.core.generations import Generations
from thriftgate.core.misses import Miss
from thriftgate.core.plan import Plan, Policy
from thriftgate.core.request import Request
from thriftgate.core.rewrite import Rewritten, prepare
from thriftgate.core.state import State
from thriftgate.core.usage import Tokens
from thriftgate.engine.settle import Ending, Prepared, costed, entry_for, learn_residency, look_at
from thriftgate.engine.snapshot import RESIDENTS_MAX, Knowledge, KnownPrompt
from thriftgate.ledger.entries import Entry
from thriftgate.wire.anthropic_messages import AnthropicMessages
from thriftgate.wire.meter import Reading
from thriftgate.wire.usage import ApiUsage, CacheCreation


class Logged(Struct, frozen=True):
    """One answered call of a log. `at_s` is when it was sent and `began_s` when its answer began (unix seconds), `key`
    whose it was, `upstream` the name of the key that it was sent with, where that is another. `usage` is what the
    provider told. What the client asked is its `body`; where the log has no bodies, `request` (with an empty body) and
    `prompt`, of which what `usage` counts beyond the last block is sent plain. `cumulative` are the tokens of a body up
    to and including each block of the prompt, in the order in which it is rendered. Logs seldom have them: without, or
    where the prompt is rewritten, the planner's own estimates are scaled to what `usage` counts in all.
    """

    id: str
    at_s: float
    began_s: float
    key: str
    usage: ApiUsage
    body: bytes = b""
    cumulative: Sequence[int] = ()
    request: Request | None = None
    prompt: KnownPrompt | None = None
    upstream: str = ""


class Replayed(NamedTuple):
    """What would have been sent, and what the books would say of it."""

    plan: Plan
    entry: Entry


class Costed(NamedTuple):
    """What would have been sent, how it would have been billed, and what that comes to."""

    plan: Plan
    tokens: Tokens
    settlement: Settlement
    miss: Miss | None


class Replay:
    """One run over a log under one policy. Learns into `knowledge`; holds what the provider's cache would hold, bounded.
    `rules` is how that cache behaves, which the planner is not told. With `as_billed` each call is billed as the log says:
    then the run explains what happened, and says nothing of another policy."""

    def __init__(
        self, knowledge: Knowledge, policy: Policy, rules: CacheRules | None = None, *, as_billed: bool = False
    ) -> None:
        self.knowledge = knowledge
        self.policy = policy
        self.rules = rules or CacheRules()
        self.as_billed = as_billed
        self._dialect = AnthropicMessages()
        self._held: Generations[bytes, Resident] = Generations(RESIDENTS_MAX)

    def call(self, logged: Logged) -> Replayed:
        """The next call of the log. Raises InputError and UnknownPrice where no plan can be made, PolicyRefusal where the
        policy forbids the call; then nothing is learned."""
        prepared = self._prepared(logged)
        knowledge = self.knowledge
        learn_residency(prepared, logged.began_s, knowledge)
        ending = self._ending(logged, prepared, self._outcome(logged, prepared))
        return Replayed(prepared.plan, entry_for(prepared, ending, knowledge.provider, int(logged.began_s * 1e6), knowledge))

    def cost(self, logged: Logged, *, explain: bool = False) -> Costed:
        """The next call of the log, for its cost alone, at half the time: what the provider's cache does is taken to be
        known, so nothing is learned about it. `explain` says why what was not read was not; then for every call of a run.
        Raises as `call` does."""
        prepared = self._prepared(logged)
        outcome = None if self.as_billed else self._outcome(logged, prepared)
        state = prepared.snapshot.state
        if outcome is None or logged.prompt is None or logged.prompt.framing is not None or self.rules != state.rules:
            learn_residency(prepared, logged.began_s, self.knowledge)
        else:
            self.knowledge.memory.cached(outcome.entries)  # the planner would work out the same
            if explain:
                look_at(prepared, logged.began_s, self.knowledge)
        ending = self._ending(logged, prepared, outcome)
        return Costed(prepared.plan, *costed(prepared, ending, self.knowledge, explain=explain))

    def found(self, digest: bytes, entry: Resident) -> None:
        """Something outside the log has put this prefix into the provider's cache, unless it is there already."""
        if self._held.get(digest) is None:
            self._held[digest] = entry

    def _prepared(self, logged: Logged) -> Prepared:
        """Plan the call, and take in that it was sent."""
        knowledge = self.knowledge
        asked = logged.request or self._dialect.parse(logged.body)
        rewritten = (
            prepare(asked, knowledge.models[asked.model], self.policy) if logged.prompt is None else Rewritten(asked, ())
        )
        request = rewritten.request
        snapshot = knowledge.snapshot(request, logged.key, logged.at_s, logged.prompt, upstream=logged.upstream)
        plan = rewritten.plan(snapshot.state, self.policy)
        if plan.refusal is not None:
            raise PolicyRefusal(plan.refusal)
        knowledge.observe(snapshot, logged.key)
        opened_us = int(logged.at_s * 1e6)
        return Prepared(logged.id, opened_us, logged.key, request, snapshot, plan, self._dialect, upstream=logged.upstream)

    def _ending(self, logged: Logged, prepared: Prepared, outcome: CacheOutcome | None) -> Ending:
        """How it was answered: as the log says, but for the prompt, if this plan would have had it read and written so."""
        usage = logged.usage
        if outcome is not None and not self.as_billed:
            behind = max(0, usage.usage().total.prompt - outcome.tokens.prompt)
            usage = _as_told(usage, outcome.tokens, behind=behind)
        ttfb_ms = max(0, round((logged.began_s - logged.at_s) * 1000))
        return Ending(
            "answered", status=200, reading=Reading(complete=True, usage=usage), ttfb_ms=ttfb_ms, latency_ms=ttfb_ms
        )

    def _outcome(self, logged: Logged, prepared: Prepared) -> CacheOutcome | None:
        """How this plan would have had the prompt read and written. Several prompts in one usage, or one that is partly
        hidden, cannot be told apart: None, they stay as they were."""
        state, usage = prepared.snapshot.state, logged.usage
        if usage.iterations or state.in_thread or not state.prefix.chain:
            return None
        cumulative = logged.prompt.cumulative if logged.prompt is not None else logged.cumulative
        if len(cumulative) != len(state.prefix.chain) or prepared.request.body != logged.body:
            cumulative = _scaled(state, usage.usage().total.prompt)
        outcome = cache.forecast(
            state.prefix,
            cumulative,
            prepared.plan.breakpoints,
            self._held.among(state.prefix.chain),
            now_s=logged.at_s,
            usable_s=logged.began_s,
            cache_min_tokens=self.knowledge.models[prepared.request.model].cache_min_tokens,
            rules=self.rules,
        )
        for digest, entry in outcome.entries.items():
            self._held[digest] = entry
        return outcome


def _scaled(state: State, total: int) -> list[int]:
    """The estimated counts, as if they had come out at `total`."""
    estimated = state.cumulative[-1]
    return [tokens * total // estimated for tokens in state.cumulative] if estimated else [0] * len(state.cumulative)


def _as_told(usage: ApiUsage, prompt: Tokens, *, behind: int) -> ApiUsage:
    """The usage object of a call whose prompt was billed so, with so many tokens behind its last block."""
    return replace(
        usage,
        input_tokens=prompt.input + behind,
        cache_read_input_tokens=prompt.read,
        cache_creation_input_tokens=prompt.write_5m + prompt.write_1h,
        cache_creation=CacheCreation(prompt.write_5m, prompt.write_1h),
    )
