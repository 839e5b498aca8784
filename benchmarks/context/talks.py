"""Recorded conversations, as far as compaction needs to know them: how long each prompt was, and how much of it was known.

A conversation is what one client sent in one list of requests: a coding session, each of its sub-agents, an agent run. A
request that another model serves shares nothing with those before it: caches are per model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct, field

from thriftgate.audit.sources import Source
from thriftgate.audit.traces.loaders import load
from thriftgate.audit.traces.trace import Ask, Trace

CLOSING = 2  # blocks at the end of a prompt that a continuation need not repeat
HEAD_UNKNOWN = 15_000  # tools and system of a list of which the trace does not tell them


class Sent(Struct, frozen=True):
    """A request: its prompt, of which the first `shared` tokens are those of the request before it, and its answer."""

    at_s: float
    tokens: int
    shared: int
    answer: int
    model: str


class Talk(Struct, frozen=True):
    """A conversation. `head` tokens are tools and system."""

    session: int
    head: int
    requests: tuple[Sent, ...]


class Workload(Struct, frozen=True):
    """Conversations of one source."""

    name: str
    talks: tuple[Talk, ...]


class _Row(Struct):
    t: float
    type: str
    model: str = ""
    tokens: int = field(name="in", default=0)
    out: int = 0
    lcp: int = 0
    new: tuple[tuple[int, int], ...] = ()
    tool_tokens: int = 0
    system_tokens: int = 0
    requests: tuple[_Row, ...] = ()


class _Session(Struct):
    block_size: int
    tool_tokens: int
    system_tokens: int
    requests: tuple[_Row, ...]


def workload(path: Path, share: float, seed: int) -> Workload:
    """The conversations of a file, or of a folder that holds one trace, of that share of its sessions. Raises ValueError."""
    files = sorted(path.glob("*.jsonl.gz")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path}: no trace (.jsonl.gz)")
    lines = [line.data for line in Source(files[0]).lines()]
    if lines and b'"requests"' in lines[0]:
        kept = sorted(Random(seed).sample(range(len(lines)), max(1, round(share * len(lines)))))
        return Workload("claude-code-sessions", tuple(talk for at in kept for talk in _talks(lines[at], at)))
    trace = load(path, Random(seed), share=share)
    return Workload(trace.name, tuple(_recorded(trace)))


def _talks(line: bytes, session: int) -> Iterator[Talk]:
    """The lists of one coding session."""
    try:
        whole = msgspec.json.decode(line, type=_Session)
    except msgspec.MsgspecError as error:
        raise ValueError(f"session {session + 1}: {error}") from None
    yield from _lists(whole.requests, session, whole.tool_tokens + whole.system_tokens, whole.block_size)


def _lists(rows: tuple[_Row, ...], session: int, head: int, block: int) -> Iterator[Talk]:
    sent: list[Sent] = []
    blocks = 0
    for row in rows:
        if row.type == "subagent":
            yield from _lists(row.requests, session, row.tool_tokens + row.system_tokens, block)
            continue
        shared = 0
        if sent and sent[-1].model == row.model:
            whole = row.lcp >= blocks - CLOSING
            shared = min(sent[-1].tokens if whole else row.lcp * block, row.tokens)
        sent.append(Sent(row.t, row.tokens, shared, row.out, row.model))
        blocks = row.lcp + sum(count for _, count in row.new)
    if sent:
        yield Talk(session, head or HEAD_UNKNOWN, tuple(sent))


def _recorded(trace: Trace) -> Iterator[Talk]:
    """The sessions of any other trace. What several sessions begin with counts as tools and system."""
    by_session: dict[int, list[Ask]] = {}
    users: dict[int, set[int]] = {}
    for ask in trace.asks:
        by_session.setdefault(ask.session, []).append(ask)
        for node in ask.path:
            users.setdefault(node, set()).add(ask.session)
    for session, asks in by_session.items():
        head = max((trace.depths[node] for node in asks[0].path if len(users[node]) > 1), default=0)
        sent, before = [], frozenset[int]()
        for ask in asks:
            shared = max((trace.depths[node] for node in ask.path if node in before), default=0)
            sent.append(Sent(ask.at_s, ask.tokens, min(shared, ask.tokens), ask.output_tokens, ask.model))
            before = frozenset(ask.path)
        yield Talk(session, head, tuple(sent))
