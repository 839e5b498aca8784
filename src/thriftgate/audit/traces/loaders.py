"""Public recordings as traces; what each looks like stands at its loader."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from thriftgate.audit.sources import Source
from thriftgate.audit.traces.grow import Call, Draws, Points, Tree, assemble, begins_s, kept
from thriftgate.audit.traces.texts import load_texts
from thriftgate.audit.traces.trace import Trace

WORKING_DAYS = 20
WORKING_DAY_S = 8 * 3600
_DAY_S = 86_400
_MOONCAKE_BLOCK = 512
_CLOSING = 2
"""Tokens that open the answer and are gone when the conversation goes on. Of the prompts of `claude-code-sessions` with a
longer one next, those of 0 or 1 token behind their last whole block never keep that block; of those of 2 to 63, 97 % do."""


def load(path: Path, rng: Draws, *, share: float = 1.0, hindsight: bool = False) -> Trace:
    """The trace in a file, or in a folder that holds one. `share` keeps that part of the sessions, drawn by `rng`;
    `hindsight` as for `assemble`.

    Raises ValueError, with the reason, for what cannot be replayed.
    """
    files = sorted([*path.glob("*.jsonl.gz"), *path.glob("*.csv.gz")]) if path.is_dir() else [path]
    if not files:
        raise ValueError(
            f"{path}: no trace (.jsonl.gz, .csv.gz). Request bodies tell no times, and client logs neither tools nor system:"
            " neither can be replayed"
        )
    heads = [_first_line(file) for file in files]
    if all('"session_id"' in head for head in heads):
        return load_texts(files, share, rng, hindsight=hindsight)
    if len(files) > 1:
        raise ValueError(f"{path}: several traces, name one file of them")
    if '"hash_ids"' in heads[0]:
        return _mooncake(files[0], share, rng, hindsight=hindsight)
    if '"requests"' in heads[0]:
        return _claude_code(files[0], share, rng, hindsight=hindsight)
    if heads[0].startswith("TIMESTAMP,ContextTokens"):
        return _azure(files[0], share, rng, hindsight=hindsight)
    raise ValueError(f"{path}: the first line is of no kind of trace known here")


def _first_line(path: Path) -> str:
    return next(_lines(path), b"").decode()


def _lines(path: Path) -> Iterator[bytes]:
    for line in Source(path).lines():
        yield line.data


class _Row(Struct):
    """A request of a Claude Code session; one of type "subagent" only holds the requests of another list."""

    t: float
    type: str
    model: str = ""
    tokens: int = msgspec.field(name="in", default=0)
    out: int = 0
    stop: str = ""
    input_types: tuple[str, ...] = ()
    api_time: float | None = None
    ttft: float | None = None
    lcp: int = 0
    new: tuple[tuple[int, int], ...] = ()
    requests: tuple[_Row, ...] = ()
    tool_tokens: int = 0
    system_tokens: int = 0


class _Session(Struct):
    requests: tuple[_Row, ...]
    block_size: int
    tool_tokens: int = 0
    system_tokens: int = 0


class _Timed(Struct):
    """A request with its moment since the session began, its whole blocks, and where tools and system end."""

    at_s: float
    row: _Row
    blocks: list[int]
    structure: tuple[int, int]


def _claude_code(path: Path, share: float, rng: Draws, *, hindsight: bool) -> Trace:
    """Coding sessions with 64-token prefix blocks, one a line; block ids hold within a line (kv-cache-tester).

    Clocks are relative: each session begins at a random moment of 20 working days of 8 hours. Caches are per model. A
    sub-agent is on its session's account, its clock counts from its own start.
    """
    lines = list(_lines(path))
    starts = [_DAY_S * rng.randrange(WORKING_DAYS) + WORKING_DAY_S * rng.random() for _ in lines]
    points = Points()
    calls: list[Call] = []
    for number in sorted(kept(len(lines), share, rng)):
        session = msgspec.json.decode(lines[number], type=_Session)
        calls += _session_calls(session, number, starts[number], points)
    return assemble("claude-code", calls, [depth + _CLOSING if depth else 0 for depth in points.depth], hindsight=hindsight)


def _session_calls(session: _Session, number: int, start_s: float, points: Points) -> list[Call]:
    timed = _timed(session.requests, session.block_size, 0.0, (session.tool_tokens, session.system_tokens))
    trees: dict[str, Tree] = {}
    ends: list[tuple[_Timed, int, tuple[int, int]]] = []
    for request in sorted(timed, key=lambda request: request.at_s):
        tree = trees.get(request.row.model) or trees.setdefault(request.row.model, Tree(points, session.block_size))
        tools, system = (_structural(tree, request.blocks, count, session.block_size) for count in request.structure)
        told = max(1, request.row.tokens - _CLOSING)
        end = tree.insert(request.blocks[: told // session.block_size], told)
        ends.append((request, end, (tools, system)))
    return [
        Call(
            at_s=start_s + request.at_s,
            begins_s=begins_s(start_s + request.at_s, request.row.tokens, request.row.ttft, request.row.api_time),
            session=number,
            way=points.way(end),
            kind="tool_result" if "tool_result" in request.row.input_types else "text",
            tools_end=tools,
            system_end=system,
            output_tokens=request.row.out,
            calls_tool=request.row.stop == "tool_use",
            model=request.row.model,
        )
        for request, end, (tools, system) in ends
    ]


def _structural(tree: Tree, blocks: list[int], count: int, block_tokens: int) -> int:
    return tree.insert(blocks[:count], count * block_tokens) if 0 < count < len(blocks) else 0


def _timed(rows: tuple[_Row, ...], block_tokens: int, start_s: float, head: tuple[int, int]) -> list[_Timed]:
    """The requests of a list and of the sub-agents in it. Tools and system are those of the first request of the list: one
    with another first block has others, of which nothing is known."""
    tools, system = head[0] // block_tokens, sum(head) // block_tokens
    timed: list[_Timed] = []
    blocks: list[int] = []
    first: int | None = None
    for row in rows:
        if row.type == "subagent":
            timed += _timed(row.requests, block_tokens, start_s + row.t, (row.tool_tokens, row.system_tokens))
            continue
        blocks = blocks[: row.lcp]
        for begin, length in row.new:
            blocks.extend(range(begin, begin + length))
        first = blocks[0] if first is None and blocks else first
        alike = bool(blocks) and blocks[0] == first
        timed.append(_Timed(start_s + row.t, row, blocks, (tools, system) if alike else (0, 0)))
    return timed


class _Chat(Struct):
    timestamp: int
    input_length: int
    output_length: int
    hash_ids: list[int]


def _mooncake(path: Path, share: float, rng: Draws, *, hindsight: bool) -> Trace:
    """Calls of a chat service with 512-token prefix blocks, ids valid for all, the last block begun but not full (Mooncake).

    A conversation is what continues one another. All that is linked is linked in the whole recording, then drawn from.
    """
    points = Points()
    tree = Tree(points, _MOONCAKE_BLOCK)
    owner: dict[int, int] = {}
    sessions = 0
    chats: list[tuple[_Chat, int, int]] = []
    for line in _lines(path):
        chat = msgspec.json.decode(line, type=_Chat)
        whole = chat.input_length // _MOONCAKE_BLOCK
        end = tree.insert(chat.hash_ids[:whole], chat.input_length, tuple(chat.hash_ids[whole:]))
        earlier = next((owner[point] for point in reversed(points.way(end)) if point in owner), None)
        session = sessions if earlier is None else earlier
        sessions += earlier is None
        if not tree.continued(end):
            owner.setdefault(end, session)
        chats.append((chat, end, session))
    keep = kept(sessions, share, rng)
    calls = [
        Call(
            at_s=chat.timestamp / 1000,
            begins_s=begins_s(chat.timestamp / 1000, chat.input_length),
            session=session,
            way=points.way(end),
            output_tokens=chat.output_length,
        )
        for chat, end, session in chats
        if session in keep
    ]
    return assemble("mooncake", calls, points.depth, hindsight=hindsight)


def _azure(path: Path, share: float, rng: Draws, *, hindsight: bool) -> Trace:
    """Arrivals and lengths only (Azure public dataset 2023): no prompt is known to share anything with another, so each is
    taken for one of its own. A workload on which caching can only lose."""
    points = Points()
    calls: list[Call] = []
    with Source(path).open() as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        rows = list(csv.DictReader(text))
    for number in sorted(kept(len(rows), share, rng)):
        at_s = datetime.fromisoformat(rows[number]["TIMESTAMP"][:26]).replace(tzinfo=UTC).timestamp()
        tokens = int(rows[number]["ContextTokens"])
        calls.append(
            Call(
                at_s=at_s,
                begins_s=begins_s(at_s, tokens),
                session=number,
                way=(points.add(0, tokens),),
                output_tokens=int(rows[number]["GeneratedTokens"]),
            )
        )
    return assemble(f"azure-{path.name.split('.')[0]}", calls, points.depth, hindsight=hindsight)
