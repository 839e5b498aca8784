"""`cache.breakpoints` (safe): choose the cache breakpoints, and five minutes or an hour for each.

What: marks up to four block boundaries with `cache_control` where the expected saving is greatest, given how often and how
soon prompts like this one came back. Where the client marks by itself, `cache.mode` says what may be done: `observe`
nothing, `ttl-only` lengthen the life of its breakpoints, `add` use the free slots as well, `full` place anew.
Why it saves: a cached prefix is read at 0.1, 0.05 or 0.025 of its price, by model; writing it costs 1.25 (5m) or 2 (1h).
When it must not: the prompt is under the model's minimum (a marker there is silently ignored); the prefix is not expected to
come back (a write that is never read costs a quarter more than no caching); the brake holds, because our breakpoints have
cost the application more than its own would have; a conversation is held by the provider.
Example: {"system": "<2,000 tokens>", ...} -> {"system": [{"type": "text", "text": "<2,000 tokens>",
"cache_control": {"type": "ephemeral"}}], ...}
Source: platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10. The choice is made in `core/placement.py`,
from what `core/reuse.py` has learned.
"""

from __future__ import annotations

import msgspec

from thriftgate.core.blocks import Block, Message, Section
from thriftgate.core.cache import Breakpoint
from thriftgate.core.models import NEVER_CACHED
from thriftgate.core.placement import place, ratios_of
from thriftgate.core.plan import NOTHING_ELSE, Draft, Policy, Proposal, Refuse, Skip, Without
from thriftgate.core.prefix import Prefix
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request, Ttl
from thriftgate.core.splice import Edit
from thriftgate.core.state import Shared, State
from thriftgate.core.usage import Iteration, Usage

_SECTIONS: tuple[Section, ...] = ("tools", "system", "messages")
_MARKS: dict[Ttl, bytes] = {"5m": b'{"type":"ephemeral"}', "1h": b'{"type":"ephemeral","ttl":"1h"}'}


class CacheBreakpoints:
    """See the module."""

    id = "cache.breakpoints"
    safe = True

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Proposal | Skip | Refuse:
        client = draft.breakpoints
        aside = _stands_aside(client, draft, state, policy)
        if aside:
            return Skip(aside)
        total = state.cumulative[-1]
        if state.shared is not None:
            return self._shared(request, draft, state, policy, state.shared)
        minimum = state.capability.cache_min_tokens
        if state.braked:
            return self._braked(request, draft, state)
        placement = place(
            state.prefix,
            state.cumulative,
            state.outlook,
            state.residency,
            now_s=state.now_s,
            ratios=ratios_of(state.book.rates(draft.terms, total)),
            minimum=minimum,
            rules=state.rules,
            client=client,
            mode=policy.cache_mode,
        )
        marks = _in_order(placement.marks, state.prefix)
        if marks == client:
            return Skip("the client's own breakpoints are as good" if client else _why_none(state))
        edits = _edits(request, state.prefix, marks)
        return Proposal(_reason(marks, client, state), msgspec.structs.replace(draft, breakpoints=marks), edits)

    def _braked(self, request: Request, draft: Draft, state: State) -> Proposal | Skip:
        """Leave the client its breakpoints, or, where even those have cost more than none, take them away."""
        why = "the brake holds: our breakpoints have cost this application more than"
        if state.braked == "client" or not draft.breakpoints:
            return Skip(f"{why} its own would have")
        edits = _edits(request, state.prefix, ())
        return Proposal(f"{why} none would have, and so have its own", msgspec.structs.replace(draft, breakpoints=()), edits)

    def _shared(self, request: Request, draft: Draft, state: State, policy: Policy, shared: Shared) -> Proposal | Skip:
        """A job among others: what is marked was chosen for all of them together. A client that marks is left its own."""
        if draft.breakpoints or shared.at < 0:
            return Skip("the client sets its own breakpoints" if draft.breakpoints else shared.reason)
        if policy.cache_mode == "observe":
            return Skip("cache.mode is observe")
        if not state.prefix.blocks[shared.at].part.markable:
            return Skip("the block that ends what is shared may not carry a breakpoint")
        marks = (Breakpoint(shared.at, shared.ttl),)
        return Proposal(
            shared.reason, msgspec.structs.replace(draft, breakpoints=marks), _edits(request, state.prefix, marks)
        )

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        if without.as_sent is not None:
            total = msgspec.structs.replace(without.as_sent, output=usage.total.output, thinking=usage.total.thinking)
            return msgspec.structs.replace(usage, total=total), terms
        # An advisor caches by its own setting; every other sub-call (compaction, fallback) sends the marked prompt again.
        iterations = tuple(
            one if one.kind == "advisor_message" else Iteration(one.kind, one.tokens.uncached(), one.model)
            for one in usage.iterations
        )
        return Usage(usage.total.uncached(), usage.web_searches, iterations), terms


def _stands_aside(client: tuple[Breakpoint, ...], draft: Draft, state: State, policy: Policy) -> str:
    """Why nothing is done, or ""."""
    minimum = state.capability.cache_min_tokens
    total = state.cumulative[-1] if state.cumulative else 0
    marked = [block.part for block in state.prefix.blocks if block.part.mark is not None]
    reasons = (
        (state.in_thread, "the provider holds this conversation: what it has cached of it cannot be seen from here"),
        (minimum >= NEVER_CACHED, f"marks mean nothing where this call goes ({draft.terms.model})"),
        (total < minimum, f"a prompt of about {total} tokens is under the {minimum} that {draft.terms.model} caches"),
        (
            state.prefix.marks_count != len(marked) or any(part.mark_inside for part in marked),
            "the client sets a breakpoint that cannot be moved or lengthened from here",
        ),
        (len(client) > state.rules.breakpoints_max, "the client sets more breakpoints than the provider takes"),
        (
            bool(client) and policy.cache_mode == "observe",
            "the client sets its own breakpoints, and cache.mode is observe",
        ),
    )
    return next((reason for holds, reason in reasons if holds), "")


def _in_order(marks: tuple[Breakpoint, ...], prefix: Prefix) -> tuple[Breakpoint, ...]:
    """In the request, too, a 1h breakpoint must stand before every 5m one; the definition of a web tool stands among the
    tools and is rendered behind them. A 1h pulls those before it up."""
    blocks = prefix.blocks

    def place_of(mark: Breakpoint) -> tuple[int, int, int]:
        block = blocks[mark.at]
        return _SECTIONS.index(block.section), block.index, block.item

    ttl: Ttl = "5m"
    ordered: list[Breakpoint] = []
    for mark in sorted(marks, key=place_of, reverse=True):
        ttl = "1h" if mark.ttl == "1h" else ttl
        ordered.append(Breakpoint(mark.at, ttl))
    return tuple(sorted(ordered))


def _why_none(state: State) -> str:
    end = state.outlook.prospects[-1] if state.outlook.prospects else None
    if end is None:
        return "no block of this prompt may carry a breakpoint"
    return f"prompts like this one come back within five minutes {end.p5:.0%} of the time: a write would cost more"


def _reason(marks: tuple[Breakpoint, ...], client: tuple[Breakpoint, ...], state: State) -> str:
    """One sentence: what is marked, and on what expectation."""
    where = ", ".join(f"{_where(state.prefix, mark.at)} ({mark.ttl})" for mark in marks) or "nothing"
    end = state.outlook.prospects[-1]
    did = "changed the client's breakpoints to" if client else "marked"
    return f"{did} {where}; comes back within five minutes {end.p5:.0%}, within the hour {end.p1:.0%} of the time"


def _where(prefix: Prefix, at: int) -> str:
    block = prefix.blocks[at]
    if at == prefix.last_markable():
        return "the end of the prompt"
    if at == prefix.head_end():
        return "the end of tools and system"
    return f"{block.section}.{block.index}"


def _edits(request: Request, prefix: Prefix, marks: tuple[Breakpoint, ...]) -> tuple[Edit, ...]:
    """From the client's breakpoints to these. A `cache_control` that stays keeps what else it says."""
    own, wanted = dict(prefix.marks()), {mark.at: mark.ttl for mark in marks}
    edits: list[Edit] = []
    tail = prefix.last_markable()
    if request.automatic is not None and tail is not None:
        # It stands on the last block, alone or beside a breakpoint there, which must then say the same.
        ttl = wanted.get(tail)
        if ttl is None:
            edits.append(Edit(("cache_control",), None))
        elif ttl != request.automatic:
            edits.append(Edit(("cache_control", "ttl"), b'"%b"' % ttl.encode()))
        if tail not in own:
            wanted.pop(tail, None)
    for at, ttl in own.items():
        path = prefix.blocks[at].path()
        chosen = wanted.pop(at, None)
        if chosen is None:
            edits.append(Edit((*path, "cache_control"), None))
        elif chosen != ttl:
            edits.append(Edit((*path, "cache_control", "ttl"), b'"%b"' % chosen.encode()))
    edits += [mark_edit(request, prefix, prefix.blocks[at], ttl) for at, ttl in sorted(wanted.items())]
    return tuple(edits)


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
