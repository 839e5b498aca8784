"""Generated traffic that punishes caching: where a policy could do harm, not where it shines. Deterministic by seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from thriftgate.audit.traces.grow import Call, Points, assemble, begins_s
from thriftgate.audit.traces.trace import Ask, Trace, digest
from thriftgate.core.blocks import Block, Part
from thriftgate.core.prefix import Prefix

PREFIX = "adversarial/"
HEAD_TOKENS = 3_000


def _call(points: Points, at_s: float, session: int, end: int, *, system_end: int = 0) -> Call:
    way = points.way(end)
    return Call(at_s, begins_s(at_s, points.depth[end]), session, way, system_end=system_end)


def unique(size: int, rng: random.Random) -> Trace:
    """Prompts that share nothing, each sent once, every two seconds."""
    points = Points()
    calls = [_call(points, 2.0 * n, n, points.add(0, rng.randrange(1_500, 20_000))) for n in range(size)]
    return assemble(f"{PREFIX}unique", calls, points.depth)


def unique_behind_system(size: int, rng: random.Random) -> Trace:
    """One system prompt, a different question each time: the end of the prompt never comes back."""
    points = Points()
    head = points.add(0, HEAD_TOKENS)
    calls = [
        _call(points, 5.0 * n, n, points.add(head, HEAD_TOKENS + rng.randrange(200, 9_000)), system_end=head)
        for n in range(size)
    ]
    return assemble(f"{PREFIX}unique-behind-system", calls, points.depth)


def alternating(size: int, rng: random.Random) -> Trace:
    """Two prefixes of 20,000 tokens in turn, each idle for longer than five minutes as often as not, a new end each time."""
    points = Points()
    heads = [points.add(0, 20_000), points.add(0, 20_000)]
    calls: list[Call] = []
    at_s = 0.0
    for n in range(size):
        head = heads[n % 2]
        at_s += rng.choice((140.0, 160.0))
        calls.append(_call(points, at_s, n % 2, points.add(head, 20_000 + rng.randrange(300, 3_000))))
    return assemble(f"{PREFIX}alternating", calls, points.depth)


def just_over(size: int, rng: random.Random) -> Trace:
    """Conversations whose every turn comes 301 to 310 seconds after the one before: each 5m entry has just expired."""
    points = Points()
    calls: list[Call] = []
    for session in range(max(1, size // 20)):
        at_s, end = 40.0 * session, points.add(0, HEAD_TOKENS)
        head = end
        for _ in range(20):
            end = points.add(end, points.depth[end] + rng.randrange(300, 2_000))
            calls.append(_call(points, at_s, session, end, system_end=head))
            at_s += rng.uniform(301, 310)
    return assemble(f"{PREFIX}just-over-5-minutes", calls, points.depth)


def just_over_an_hour(size: int, rng: random.Random) -> Trace:
    """The same with turns 3,601 to 3,700 seconds apart: whatever is written is lost."""
    points = Points()
    calls: list[Call] = []
    for session in range(max(1, size // 20)):
        at_s, end = 150.0 * session, points.add(0, HEAD_TOKENS)
        for _ in range(20):
            end = points.add(end, points.depth[end] + rng.randrange(300, 2_000))
            calls.append(_call(points, at_s, session, end))
            at_s += rng.uniform(3_601, 3_700)
    return assemble(f"{PREFIX}just-over-an-hour", calls, points.depth)


def turning(size: int, rng: random.Random) -> Trace:
    """A regular rhythm of seconds for an hour, then nothing comes back: what was learnt is wrong from then on."""
    points = Points()
    calls: list[Call] = []
    at_s = 0.0
    for session in range(max(1, size // 20)):
        end = points.add(0, HEAD_TOKENS)
        for _ in range(10):
            end = points.add(end, points.depth[end] + rng.randrange(300, 2_000))
            calls.append(_call(points, at_s, session, end))
            at_s += rng.uniform(5, 15)
    first = max(1, size // 20)
    for session in range(first, first + size // 2):
        calls.append(_call(points, at_s, session, points.add(0, rng.randrange(1_500, 20_000))))
        at_s += rng.uniform(5, 15)
    return assemble(f"{PREFIX}turning", calls, points.depth)


def leaps(size: int, rng: random.Random) -> Trace:
    """Each turn adds 26 blocks, more than the 20 positions that look-back searches: from the new end alone the old one is
    out of reach. Every block is a boundary here, as it is to a gateway."""
    depths = [0]
    asks: list[Ask] = []
    sessions = max(1, size // 10)
    for session in range(sessions):
        at_s = 20.0 * session
        blocks: list[Block] = []
        nodes: list[int] = []
        depth = 0
        for turn in range(10):
            for item in range(26):
                depth += HEAD_TOKENS if not blocks else rng.randrange(40, 200)
                nodes.append(len(depths))
                depths.append(depth)
                role = "text" if item % 2 else "image"  # no runs, which would count as one position
                blocks.append(Block(Part(role, digest(nodes[-1]), 0, 0), "messages", 2 * turn, item))
            prefix = Prefix(tuple(blocks), tuple(digest(node) for node in nodes))
            asks.append(
                Ask(at_s, begins_s(at_s, depth), session, prefix, tuple(depths[node] for node in nodes), tuple(nodes))
            )
            at_s += rng.uniform(20, 200)
    return Trace(f"{PREFIX}beyond-look-back", tuple(sorted(asks, key=lambda ask: ask.at_s)), tuple(depths), sessions)


def distinct(size: int, rng: random.Random) -> Trace:
    """Prefixes that never come back, many a second: what does a planner keep of them?"""
    points = Points()
    calls = [_call(points, 0.002 * n, n, points.add(0, rng.randrange(1_100, 6_000))) for n in range(size)]
    return assemble(f"{PREFIX}distinct", calls, points.depth)


GENERATORS: dict[str, tuple[Callable[[int, random.Random], Trace], int]] = {
    "unique": (unique, 5_000),
    "unique-behind-system": (unique_behind_system, 5_000),
    "alternating": (alternating, 5_000),
    "just-over-5-minutes": (just_over, 5_000),
    "just-over-an-hour": (just_over_an_hour, 5_000),
    "turning": (turning, 5_000),
    "beyond-look-back": (leaps, 2_000),
    "distinct": (distinct, 1_000_000),
}
"""By name: what makes it, and with how many requests."""


def generate(name: str, size: int | None = None, seed: int = 1) -> Trace:
    """The traffic of that name."""
    make, requests = GENERATORS[name]
    return make(requests if size is None else size, random.Random(seed))


def sources(*, quick: bool) -> Iterator[tuple[str, int]]:
    """Every kind with its number of requests; the million prefixes are 200,000 in a quick run."""
    for name, (_, requests) in GENERATORS.items():
        yield PREFIX + name, min(requests, 200_000) if quick else requests
