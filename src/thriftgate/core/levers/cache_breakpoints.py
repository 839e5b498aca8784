"""`cache.breakpoints` (safe): set the cache breakpoints that the client did not set.

What: marks up to four block boundaries with `cache_control`, and picks 5m or 1h for each.
Why it saves: a cached prefix is read at 0.1, 0.05 or 0.025 of its price, by model; writing it costs 1.25 (5m) or 2 (1h).
When it must not: the client marks by itself (it stands down, the client knows its traffic); the prompt is under the model's
minimum (a marker there is silently ignored); nothing suggests that the prefix is sent again within five minutes: a write
that is never read costs a quarter more than no caching.
Example: {"system": "<2,000 tokens>", ...} -> {"system": [{"type": "text", "text": "<2,000 tokens>",
"cache_control": {"type": "ephemeral"}}], ...}
Source: platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10. Where to mark: candidates are content
boundaries only, since the bill is linear between them. When 1h: a boundary that came back after more than five minutes
but within the hour gets 1h until it stays away for longer, which costs at most 1.62 times the optimum whatever the
traffic does (worst-case analysis over the cycle of gaps, for read prices of 0.1, 0.05 and 0.025).
"""

from __future__ import annotations

import msgspec

from thriftgate.core.blocks import Block, Message, Section
from thriftgate.core.cache import Breakpoint
from thriftgate.core.plan import Draft, Policy, Proposal, Refuse, Skip
from thriftgate.core.prefix import Prefix
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request, Ttl
from thriftgate.core.splice import Edit
from thriftgate.core.state import State
from thriftgate.core.usage import Iteration, Usage

HOUR_S = 3600.0
_SECTIONS: tuple[Section, ...] = ("tools", "system", "messages")
_MARKS: dict[Ttl, bytes] = {"5m": b'{"type":"ephemeral"}', "1h": b'{"type":"ephemeral","ttl":"1h"}'}


class CacheBreakpoints:
    """See the module."""

    id = "cache.breakpoints"
    safe = True

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Proposal | Skip | Refuse:
        if state.prefix.marked or draft.breakpoints:
            return Skip("the client sets its own breakpoints")
        if state.in_thread:
            return Skip("the provider holds this conversation: what it has cached of it cannot be seen from here")
        minimum = state.capability.cache_min_tokens
        total = state.cumulative[-1] if state.cumulative else 0
        if total < minimum:
            return Skip(f"a prompt of about {total} tokens is under the {minimum} that {draft.terms.model} caches")
        wanted = {at: why for at, why in _candidates(request, state).items() if state.cumulative[at] >= minimum}
        if not wanted:
            return Skip("nothing here is likely to be sent again within five minutes")
        chosen = _keep(wanted, state)
        marks = _with_ttls(chosen, state)
        edits = tuple(mark_edit(request, state.prefix, state.prefix.blocks[mark.at], mark.ttl) for mark in marks)
        where = ", ".join(f"{wanted[mark.at]} ({mark.ttl})" for mark in marks)
        return Proposal(f"marked {where}", msgspec.structs.replace(draft, breakpoints=marks), edits)

    def undo(self, usage: Usage, terms: Terms) -> tuple[Usage, Terms]:
        # An advisor caches by its own setting; every other sub-call (compaction, fallback) sends the marked prompt again.
        iterations = tuple(
            one if one.kind == "advisor_message" else Iteration(one.kind, one.tokens.uncached(), one.model)
            for one in usage.iterations
        )
        return Usage(usage.total.uncached(), usage.web_searches, iterations), terms


def _candidates(request: Request, state: State) -> dict[int, str]:
    """Block indices worth a breakpoint, each with the reason."""
    prefix = state.prefix
    found: dict[int, str] = {}
    tail = prefix.last_markable()
    head = prefix.head_end()
    if head is not None:
        found[head] = "the end of tools and system, shared by every conversation"
    seen = _deepest_seen(state)
    if seen is not None:
        found.setdefault(seen, "the longest prefix sent before")
    live = _deepest_live(state)
    if live is not None and tail is not None and _out_of_reach(prefix, live, tail, state):
        found[live] = "the live prefix, which look-back would not reach from the tail"
    if tail is not None and (len(prefix.turns) > 1 or "tools" in request.members):
        found.setdefault(tail, "the end of the conversation, which its next turn repeats")
    elif len(prefix.turns) == 1 and (document := _before_the_question(prefix)) is not None:
        found.setdefault(document, "the documents before the question")
    return found


def _deepest_seen(state: State) -> int | None:
    """The longest markable prefix that was sent within the last hour."""
    if not state.sightings:
        return None
    for at in reversed(range(len(state.prefix.chain))):
        sighting = state.sightings.get(state.prefix.chain[at])
        if sighting is not None and state.now_s - sighting.last_s <= HOUR_S and state.prefix.blocks[at].part.markable:
            return at
    return None


def _deepest_live(state: State) -> int | None:
    if not state.residency:
        return None
    for at in reversed(range(len(state.prefix.chain))):
        entry = state.residency.get(state.prefix.chain[at])
        if entry is not None and entry.live(state.now_s):
            return at
    return None


def _out_of_reach(prefix: Prefix, live: int, tail: int, state: State) -> bool:
    # Every block counted as a position of its own: the shorter reach of the two readings of the documentation.
    return tail - live >= state.rules.lookback_positions and prefix.blocks[live].part.markable


def _before_the_question(prefix: Prefix) -> int | None:
    """In a first turn of several blocks: the last block before the final one."""
    first = [at for at, block in enumerate(prefix.blocks) if block.section == "messages"]
    return next((at for at in reversed(first[:-1]) if prefix.blocks[at].part.markable), None)


def _keep(wanted: dict[int, str], state: State) -> list[int]:
    """At most as many as the provider takes: the first (shared most widely) and the deepest ones."""
    ordered = sorted(wanted)
    limit = state.rules.breakpoints_max
    return ordered if len(ordered) <= limit else [ordered[0], *ordered[-(limit - 1) :]]


def _with_ttls(chosen: list[int], state: State) -> tuple[Breakpoint, ...]:
    """5m or 1h each; in the request a 1h breakpoint must stand before every 5m one, so a 1h pulls those before it up."""
    blocks = state.prefix.blocks
    marks: list[Breakpoint] = []
    ttl: Ttl = "5m"
    for at in sorted(chosen, key=lambda at: (_SECTIONS.index(blocks[at].section), blocks[at].index, blocks[at].item))[::-1]:
        sighting = state.sightings.get(state.prefix.chain[at])
        if sighting is not None and sighting.lapsed:
            ttl = "1h"
        marks.append(Breakpoint(at, ttl))
    return tuple(sorted(marks))


def mark_edit(request: Request, prefix: Prefix, block: Block, ttl: Ttl) -> Edit:
    """The edit that sets a breakpoint on a block; plain-string content becomes the one text block it stands for."""
    if not block.part.is_string:
        return Edit((*block.path(), "cache_control"), _MARKS[ttl])
    if block.section == "system":
        literal = request.raw("system")
    else:
        start, end = prefix.message_spans()[block.index]
        literal = bytes(msgspec.json.decode(memoryview(request.body)[start:end], type=Message).content)
    return Edit(block.path(), b'[{"type":"text","text":' + literal + b',"cache_control":' + _MARKS[ttl] + b"}]")
