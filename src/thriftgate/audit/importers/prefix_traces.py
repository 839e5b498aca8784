"""Recordings of prompts as prefix blocks: public traces of agents and chats, which tell who shared what with whom, not what
it cost.

They tell no usage of a cache, so each prompt counts as sent without caching; what clients and the planner would have made of
it is what the replay is for. Shapes: kv-cache-tester sessions, Mooncake, LMCache agent texts, Azure public dataset 2023.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import count
from typing import TypeVar

import msgspec

from thriftgate.audit.records import COUNT_MAX, MALFORMED, Depth, Issue, PromptBlock, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.audit.traces.loaders import load
from thriftgate.audit.traces.trace import Ask

BEGAN_S = 1_777_852_800  # 2026-05-04, a Monday: the recordings tell times since their beginning only
ABSOLUTE_S = 1_000_000_000  # a later time is one of the calendar
LATEST_S = 100_000_000_000  # some thousand years from now
GOLDEN = 0.618_033_988_749_895

_T = TypeVar("_T")


class PrefixTraces:
    """See the module."""

    id = "prefix-traces"
    title = "Prefix-block traces"
    depth: Depth = "prefix"
    input_includes_cache = True
    cannot_know = (
        "what was cached and what was billed: prompts count as sent without caching",
        "the day: clocks are relative, and taken to begin in May 2026; coding sessions are spread over 20 working days",
        "the model, but for coding sessions: name one with --model",
    )

    def sniff(self, head: Head) -> bool:
        keys = head.keys
        if {"requests", "block_size"} <= keys or {"timestamp", "input_length", "hash_ids"} <= keys:
            return True
        if {"timestamp", "input", "output", "session_id"} <= keys:
            return True
        return head.columns[:3] == ("TIMESTAMP", "ContextTokens", "GeneratedTokens")

    def read(self, source: Source) -> Iterator[Record | Issue]:
        if source.path is None:
            yield Issue(MALFORMED, source.name, "a trace is read as a whole: name the file")
            return
        try:
            trace = load(source.path, Even(), hindsight=True)
        except (ValueError, LookupError, TypeError, ArithmeticError, msgspec.MsgspecError) as error:
            yield Issue(MALFORMED, source.name, f"no trace of a known kind: {type(error).__name__}")
            return
        own = sha256(source.name.encode(errors="replace")).digest()[:8]  # nodes are numbered from 1 in each file
        for number, ask in enumerate(trace.asks):
            if _can_be(ask):
                yield _record(source, source.head.name, number, ask, own)
            else:
                yield Issue(MALFORMED, source.where(number + 1), "a length that is no count of tokens, or no time")


def _can_be(ask: Ask) -> bool:
    """Whether its figures are such of a call."""
    counts = (ask.tokens, ask.output_tokens, *ask.cumulative)
    return all(0 <= one <= COUNT_MAX for one in counts) and max(abs(ask.at_s), abs(ask.begins_s)) < LATEST_S


class Even:
    """Draws that are spread evenly instead of at random, so that a trace is always read alike."""

    def __init__(self) -> None:
        self._count = count(1)

    def random(self) -> float:
        """The next of a sequence of low discrepancy in [0, 1)."""
        return next(self._count) * GOLDEN % 1

    def randrange(self, stop: int, /) -> int:
        """The next whole number below `stop`."""
        return int(self.random() * stop)

    def sample(self, population: Sequence[_T], k: int, /) -> list[_T]:
        """The first `k`."""
        return list(population)[:k]


def _record(source: Source, name: str, number: int, ask: Ask, own: bytes) -> Record:
    began_s = 0 if ask.at_s > ABSOLUTE_S else BEGAN_S
    at_us = int((began_s + ask.at_s) * 1e6)
    blocks = zip(ask.prefix.blocks, ask.prefix.chain, ask.cumulative, strict=True)
    prompt = tuple(
        PromptBlock(own + digest[-8:], end, block.section, block.part.kind, block.index) for block, digest, end in blocks
    )
    return Record(
        source=source.name,
        position=number + 1,
        at_us=at_us,
        began_us=int((began_s + ask.begins_s) * 1e6),
        model=ask.model,
        session=f"{name}-{ask.session}",
        input=ask.tokens,
        output=ask.output_tokens,
        cache_untold=True,
        stop_reason="tool_use" if ask.calls_tool else "",
        prompt=prompt,
    )
