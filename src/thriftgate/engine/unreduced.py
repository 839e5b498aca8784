"""What a call would have cost with nothing taken out of its prompt.

The counterfactual is the same breakpoints on the prompt as the client sent it, against what the provider's cache would hold
had the conversation always been sent so. That is where shortening a prompt loses most of what is claimed for it: what is
read from the cache costs a tenth of its price or less, and cutting into it has the rest written again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core import cache
from thriftgate.core.brake import Brake
from thriftgate.core.cache import Breakpoint, Resident, client_breakpoints
from thriftgate.core.cost import pico_at
from thriftgate.core.generations import Generations
from thriftgate.core.levers import LEVERS
from thriftgate.core.levers.cache_breakpoints import CacheBreakpoints
from thriftgate.core.plan import Plan, Policy, Without
from thriftgate.core.planner import make_plan
from thriftgate.core.prefix import Prefix
from thriftgate.core.prices import PriceBook
from thriftgate.core.reduction.change import Change
from thriftgate.core.request import Request, Ttl
from thriftgate.core.routing.choice import scaled
from thriftgate.core.state import State
from thriftgate.core.usage import Tokens, Usage

ENTRIES = 50_000
_BUCKETS = ("input", "write_5m", "write_1h", "read")
_ORDER = {lever.id: at for at, lever in enumerate(LEVERS)}


class Unreduced(Struct, frozen=True):
    """The prompt before anything was taken out. `breakpoints` are ours on it, `client` the client's own; `tokens` is how it
    is expected to be billed; `shares` tell, by lever, how much of what was taken out is whose."""

    state: State
    breakpoints: tuple[Breakpoint, ...]
    client: tuple[Breakpoint, ...]
    tokens: Tokens
    shares: Mapping[str, float]


class Shadows:
    """What the provider's cache would hold. One per engine, bounded."""

    def __init__(self) -> None:
        self._held: Generations[bytes, Resident] = Generations(ENTRIES)

    def expect(
        self, original: Request, state: State, plan: Plan, *, sent: Prefix, changes: Mapping[str, Change], policy: Policy
    ) -> Unreduced:
        """The counterfactual of a plan made under `policy`. `state` is that of the original, `sent` the prefix of what goes
        out."""
        prefix = state.prefix
        marks = _mapped(plan.breakpoints, sent, prefix)
        if not marks:  # too short to be cached, which the original need not be
            cached = tuple(lever for lever in policy.levers if lever == CacheBreakpoints.id)
            marks = make_plan(original, state, replace(policy, levers=cached)).breakpoints
        tokens = self._outcome(state, marks).tokens
        taken = {lever: one.before - one.after for lever, one in changes.items() if one.applied and one.before > one.after}
        total = sum(taken.values())
        shares = {lever: taken[lever] / total for lever in sorted(taken, key=lambda lever: _ORDER.get(lever, 0))}
        client = client_breakpoints(original, prefix)
        return Unreduced(state, marks, client, replace(tokens, output=plan.forecast.tokens.output), shares)

    def warm(self, state: State, ttl: Ttl | None = None) -> int:
        """Tokens of this prompt that the cache would hold (`ttl`: for that long)."""
        held = {**self._held.among(state.prefix.chain), **state.residency}
        for at in range(len(state.prefix.chain) - 1, -1, -1):
            entry = held.get(state.prefix.chain[at])
            if entry is not None and entry.live(state.now_s) and ttl in (None, entry.ttl):
                return state.cumulative[at]
        return 0

    def sent(self, unreduced: Unreduced) -> None:
        """The call was answered: from now on the cache would hold its prompt."""
        outcome = self._outcome(unreduced.state, unreduced.breakpoints)
        for digest, entry in outcome.entries.items():
            self._held[digest] = entry

    def without(self, unreduced: Unreduced, expected: Tokens, usage: Usage, brake: Brake) -> Without:
        """How the call would have been billed, by what it was billed: so many tokens more as were taken out by estimate.
        `expected` is the forecast of what was sent."""
        taken = unreduced.tokens.prompt - expected.prompt
        if usage.iterations or taken <= 0:  # several prompts in one bill, or nothing gone of what the provider sees
            return Without()
        ratio = (usage.total.prompt + taken) / unreduced.tokens.prompt
        whole = _put_back(usage.total, unreduced.tokens, expected) or scaled(replace(unreduced.tokens, output=0), ratio)
        as_sent: Tokens | None = None
        state = unreduced.state
        if unreduced.client:
            shadow = brake.shadow(
                state.prefix,
                state.cumulative,
                unreduced.client,
                now_s=state.now_s,
                usable_s=state.usable_s,
                minimum=state.capability.cache_min_tokens,
                rules=state.rules,
            )
            as_sent = scaled(shadow, ratio)
        return Without(as_sent, prompts=_between(usage.total, whole, unreduced.shares))

    def _outcome(self, state: State, marks: Sequence[Breakpoint]) -> cache.CacheOutcome:
        held = {**self._held.among(state.prefix.chain), **state.residency}
        return cache.forecast(
            state.prefix,
            state.cumulative,
            marks,
            held,
            now_s=state.now_s,
            usable_s=state.usable_s,
            cache_min_tokens=state.capability.cache_min_tokens,
            rules=state.rules,
        )


def _put_back(billed: Tokens, unreduced: Tokens, expected: Tokens) -> Tokens | None:
    """What was billed, with what the two forecasts differ by, bucket by bucket; None where that cannot be."""
    sums = [getattr(billed, name) + getattr(unreduced, name) - getattr(expected, name) for name in _BUCKETS]
    return Tokens(*sums) if min(sums) >= 0 else None


def forecast_savings(unreduced: Unreduced, plan: Plan, book: PriceBook) -> dict[str, int]:
    """What each lever is expected to save on this call (pico-USD). Raises UnknownPrice."""
    tokens = unreduced.tokens
    whole = pico_at(tokens, book.rates(plan.terms, tokens.prompt))
    return {lever: round((whole - plan.forecast.pico) * share) for lever, share in unreduced.shares.items()}


def _between(billed: Tokens, whole: Tokens, shares: Mapping[str, float]) -> dict[str, Tokens]:
    """By lever, the last first: the prompt with what it and those after it have taken out put back."""
    prompts: dict[str, Tokens] = {}
    share = 0.0
    for lever in reversed(tuple(shares)):
        share += shares[lever]
        last = len(prompts) == len(shares) - 1
        prompts[lever] = whole if last else _mixed(billed, whole, share)
    return prompts


def _mixed(one: Tokens, other: Tokens, share: float) -> Tokens:
    return Tokens(*(round((1 - share) * getattr(one, name) + share * getattr(other, name)) for name in _BUCKETS))


def _mapped(marks: Sequence[Breakpoint], sent: Prefix, original: Prefix) -> tuple[Breakpoint, ...]:
    """The breakpoints on what is sent, on the same blocks of the original: counted from the end, since steps leave out what
    stands at the beginning."""
    shorter = len(original.turns) - len(sent.turns)
    places = {(block.section, block.index, block.item): at for at, block in enumerate(original.blocks)}
    mapped: dict[int, Breakpoint] = {}
    for mark in marks:
        block = sent.blocks[mark.at]
        index = block.index + shorter if block.section == "messages" else block.index
        at = places.get((block.section, index, block.item))
        if at is None:
            at = max((n for (section, i, _), n in places.items() if (section, i) == (block.section, index)), default=None)
        if at is not None and original.blocks[at].part.markable:
            mapped[at] = Breakpoint(at, mark.ttl)
    return tuple(mapped[at] for at in sorted(mapped))
