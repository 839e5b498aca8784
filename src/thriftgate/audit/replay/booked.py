"""Prompts as a gateway's books tell them: every boundary, what the planner knew of it, and the breakpoints that were sent.

The books tell estimates of blocks and the bill of the whole. What the bill says of single boundaries is exact: up to the
last breakpoint the prompt was written or read, up to the entry that was hit it was read. Which entry that was follows from
the breakpoints sent before. So the ends of blocks are fitted to these.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import cast

from thriftgate.audit.records import PromptBlock
from thriftgate.audit.replay.growth import fitted
from thriftgate.core.blocks import Block, Part, Section
from thriftgate.core.cache import Breakpoint, CacheRules, Resident, forecast
from thriftgate.core.generations import Generations
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens
from thriftgate.engine.snapshot import RESIDENTS_MAX, KnownPrompt


class Booked:
    """Takes calls in order of time, and follows what the provider's cache held."""

    def __init__(self) -> None:
        self._held: Generations[bytes, Resident] = Generations(RESIDENTS_MAX)
        self._rules = CacheRules()

    def known(
        self, blocks: Sequence[PromptBlock], billed: Tokens, at_s: float, began_s: float
    ) -> tuple[KnownPrompt, tuple[Breakpoint, ...]]:
        """The prompt of the next call, and the breakpoints it was sent with."""
        prefix = _prefix(blocks)
        framing = tuple([block.framing for block in blocks])
        ends = list(accumulate([block.tokens + block.framing for block in blocks]))
        placed = tuple(Breakpoint(at, cast("Ttl", block.placed)) for at, block in enumerate(blocks) if block.placed)
        last = len(blocks) - 1
        cached = billed.prompt - billed.input
        # What stands behind a breakpoint on the last block belongs to no block: it opens the answer.
        anchors = {last: cached if cached and placed and placed[-1].at == last else billed.prompt}
        if cached and placed:
            hour = next((mark.at for mark in reversed(placed) if mark.ttl == "1h"), None)
            if hour is not None and billed.write_1h:
                anchors[hour] = billed.read + billed.write_1h
            anchors.setdefault(placed[-1].at, cached)
            outcome = forecast(
                prefix,
                ends,
                placed,
                self._held.among(prefix.chain),
                now_s=at_s,
                usable_s=began_s,
                cache_min_tokens=0,
                rules=self._rules,
            )
            for digest, entry in outcome.entries.items():
                self._held[digest] = entry
            if outcome.hit is not None and billed.read:
                anchors[outcome.hit] = billed.read
        cumulative = fitted(ends, rising(sorted(anchors.items())))
        return KnownPrompt(prefix, cumulative, framing), placed


def _prefix(blocks: Sequence[PromptBlock]) -> Prefix:
    shown: list[Block] = []
    marks = 0
    for block in blocks:
        mark = cast("Ttl", block.mark) if block.mark else None
        marks += mark is not None
        part = Part(block.kind, block.digest, block.tokens, block.upper, mark, markable=block.markable)
        shown.append(Block(part, cast("Section", block.section), block.index, block.item))
    return Prefix(tuple(shown), tuple([block.digest for block in blocks]), marks_count=marks)


def rising(anchors: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those anchors (block index, depth in tokens) that do not contradict a later one; the last always counts."""
    kept: list[tuple[int, int]] = []
    least = anchors[-1][1]
    for at, depth in reversed(anchors):
        if depth <= least:
            kept.append((at, depth))
            least = depth
    return kept[::-1]
