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
from thriftgate.core.cache import CacheRules, Resident
from thriftgate.core.errors import PolicyRefusal
from thriftgate.core.generations import Generations
from thriftgate.core.plan import Plan, Policy
from thriftgate.core.rewrite import prepare
from thriftgate.core.state import State
from thriftgate.core.usage import Tokens
from thriftgate.engine.settle import Ending, Prepared, entry_for, learn_residency
from thriftgate.engine.snapshot import RESIDENTS_MAX, Knowledge
from thriftgate.ledger.entries import Entry
from thriftgate.wire.anthropic_messages import AnthropicMessages
from thriftgate.wire.meter import Reading
from thriftgate.wire.usage import ApiUsage, CacheCreation


class Logged(Struct, frozen=True):
    """One answered call of a log.

    `at_s` is when it was sent and `began_s` when its answer began (unix seconds), `key` whose it was, `body` what the client
    asked. `usage` is what the provider told. `cumulative` are the tokens up to and including each block of the prompt, in
    the order in which it is rendered; what `usage` counts beyond the last is sent plain. Logs seldom have them: without,
    or where the prompt is rewritten, the planner's own estimates are scaled to what `usage` counts in all.
    """

    id: str
    at_s: float
    began_s: float
    key: str
    body: bytes
    usage: ApiUsage
    cumulative: Sequence[int] = ()


class Replayed(NamedTuple):
    """What would have been sent, and what the books would say of it."""

    plan: Plan
    entry: Entry


class Replay:
    """One run over a log under one policy. Learns into `knowledge`; holds what the provider's cache would hold, bounded.
    `rules` is how that cache behaves, which the planner is not told."""

    def __init__(self, knowledge: Knowledge, policy: Policy, rules: CacheRules | None = None) -> None:
        self.knowledge = knowledge
        self.policy = policy
        self.rules = rules or CacheRules()
        self._dialect = AnthropicMessages()
        self._held: Generations[bytes, Resident] = Generations(RESIDENTS_MAX)

    def call(self, logged: Logged) -> Replayed:
        """The next call of the log. Raises InputError and UnknownPrice where no plan can be made, PolicyRefusal where the
        policy forbids the call; then nothing is learned."""
        knowledge = self.knowledge
        asked = self._dialect.parse(logged.body)
        rewritten = prepare(asked, knowledge.models[asked.model], self.policy)
        request = rewritten.request
        snapshot = knowledge.snapshot(request, logged.key, logged.at_s)
        plan = rewritten.plan(snapshot.state, self.policy)
        if plan.refusal is not None:
            raise PolicyRefusal(plan.refusal)
        knowledge.observe(snapshot, logged.key)
        opened_us, began_us = int(logged.at_s * 1e6), int(logged.began_s * 1e6)
        prepared = Prepared(logged.id, opened_us, logged.key, request, snapshot, plan, self._dialect)
        learn_residency(prepared, logged.began_s, knowledge)
        reading = Reading(complete=True, usage=self._billed(logged, prepared))
        ttfb_ms = max(0, round((logged.began_s - logged.at_s) * 1000))
        ending = Ending("answered", status=200, reading=reading, ttfb_ms=ttfb_ms, latency_ms=ttfb_ms)
        return Replayed(plan, entry_for(prepared, ending, knowledge.provider, began_us, knowledge))

    def _billed(self, logged: Logged, prepared: Prepared) -> ApiUsage:
        """The usage of the log with the prompt as this plan would have had it read and written. Several prompts in one
        usage, or one that is partly hidden, cannot be told apart: they stay as they were."""
        state, usage = prepared.snapshot.state, logged.usage
        if usage.iterations or state.in_thread or not state.prefix.chain:
            return usage
        total = usage.usage().total.prompt
        cumulative = logged.cumulative
        if len(cumulative) != len(state.prefix.chain) or prepared.request.body != logged.body:
            cumulative = _scaled(state, total)
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
        return _as_told(usage, outcome.tokens, behind=max(0, total - cumulative[-1]))


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
