"""Agent calls recorded with their whole prompts: prefixes are those of the text, tokens are estimated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec
from msgspec import Struct

from thriftgate.audit.sources import Source
from thriftgate.audit.traces.grow import Call, Draws, Points, Tree, assemble, begins_s, kept
from thriftgate.audit.traces.trace import Trace
from thriftgate.core.tokens import Family, estimate_text

FAMILY: Family = "claude47"
TOKENS_MIN = 256
"""Shorter prompts are left out: no model caches them."""


class _Spoken(Struct):
    timestamp: int
    input: str
    output: str
    session_id: str


def load_texts(files: Sequence[Path], share: float, rng: Draws, *, hindsight: bool = False) -> Trace:
    """Calls with `timestamp` in µs, `input`, `output` and `session_id`, all files as one trace (LMCache agent traces).

    A prefix is as long as the estimates of the pieces between its points, so that depths add up.
    """
    rows = [msgspec.json.decode(line.data, type=_Spoken) for file in files for line in Source(file).lines()]
    rows = [row for row in rows if _tokens(row.input) >= TOKENS_MIN]
    rows.sort(key=lambda row: row.timestamp)
    points = Points()
    tree = Tree(points, 1)
    ends = [tree.insert(row.input, len(row.input)) for row in rows]
    depths = _depths(tree, points)
    sessions = {name: number for number, name in enumerate(dict.fromkeys(row.session_id for row in rows))}
    keep = kept(len(sessions), share, rng)
    calls = [
        Call(
            at_s=row.timestamp / 1e6,
            begins_s=begins_s(row.timestamp / 1e6, depths[end]),
            session=sessions[row.session_id],
            way=points.way(end),
            output_tokens=_tokens(row.output),
        )
        for row, end in zip(rows, ends, strict=True)
        if sessions[row.session_id] in keep
    ]
    return assemble("agent-texts", calls, depths, hindsight=hindsight)


def _tokens(text: str) -> int:
    return estimate_text(text.encode(errors="replace"), FAMILY).tokens


def _depths(tree: Tree, points: Points) -> list[int]:
    """Tokens at each point of the tree of characters."""
    depths: list[int] = [0] * len(points.depth)
    for point in sorted(tree.count, key=tree.count.__getitem__):
        if point != tree.root:
            parent = points.parent[point]
            piece = cast("str", tree.blocks[point])[tree.count[parent] : tree.count[point]]
            depths[point] = depths[parent] + _tokens(piece)
    return depths
