"""Realistic Messages bodies of an exact size, from a seed; each call differs from the one before by a nonce.

A body is `head + nonce + tail`: the nonce stands in the last user message, so that no two calls are identical while the
prefix (tools, system, earlier turns) is shared, as in a real conversation. No body carries a client `cache_control`.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, cycle

import msgspec

MODEL = "claude-sonnet-4-5"
PACED_MARK = b"bench-paced-stream"  # in a body, it asks the mock to pace the stream as a model would

_NONCE = "0123456789abcdef"
_FILLER = "~fill~"
_TEXT = (
    "order invoice ledger retry bucket cursor tenant schema window signal handler parser session shard "
    "replica snapshot journal quorum offset payload digest token header budget policy planner prefix residency forecast"
)
_WORDS = tuple(_TEXT.split())


@dataclass(frozen=True)
class Body:
    """One request body, split where the nonce goes."""

    head: bytes
    tail: bytes

    def __len__(self) -> int:
        return len(self.head) + len(_NONCE) + len(self.tail)


@dataclass(frozen=True)
class Case:
    """One kind of call: its size, whether it streams, and how many connections drive it."""

    name: str
    size: int
    stream: bool
    connections: int
    paced: bool = False


CASES = (
    Case("2kB json", 2_000, stream=False, connections=32),
    Case("2kB sse", 2_000, stream=True, connections=32),
    Case("200kB json", 200_000, stream=False, connections=16),
    Case("200kB sse", 200_000, stream=True, connections=16),
)
PACED = Case("2kB paced sse", 2_000, stream=True, connections=220, paced=True)


def calls(bodies: tuple[Body, ...], first: int) -> Iterator[tuple[Body, bytes]]:
    """Endless (body, nonce) pairs; `first` keeps the nonces of different measurements apart."""
    for body, number in zip(cycle(bodies), count(first), strict=False):
        yield body, b"%016x" % number


def build(case: Case, seed: int, conversations: int = 8) -> tuple[Body, ...]:
    """A few different conversations of the case's exact size."""
    return tuple(_one(case, random.Random(f"{seed}/{case.size}/{i}")) for i in range(conversations))


def _one(case: Case, rng: random.Random) -> Body:
    large = case.size > 20_000
    turns = 20 if large else 1
    messages: list[dict[str, object]] = []
    for _ in range(turns):
        messages.append(_message("user", _prose(rng, 400 if large else 120) + _code(rng, 4_900 if large else 200)))
        messages.append(_message("assistant", _prose(rng, 300 if large else 80) + _code(rng, 2_900 if large else 0)))
    mark = PACED_MARK.decode() if case.paced else "run"
    messages.append(_message("user", f"{_FILLER} {mark} {_NONCE}: what is wrong with the last function?"))
    document = {
        "model": MODEL,
        "max_tokens": 1024,
        "stream": case.stream,
        "tools": [_tool(rng, i) for i in range(18 if large else 1)],
        "system": [{"type": "text", "text": _prose(rng, 8_000 if large else 300)}],
        "messages": messages,
        "metadata": {"user_id": f"user_{rng.getrandbits(64):016x}"},
    }
    raw = msgspec.json.encode(document)
    missing = case.size - len(raw) + len(_FILLER)
    if missing < 0:
        raise ValueError(f"case {case.name}: the body is {len(raw)} B before filling, more than {case.size} B")
    filler = (_code(rng, missing + 200).replace("\n", " ").replace('"', "'"))[:missing]
    raw = raw.replace(_FILLER.encode(), filler.encode(), 1)
    head, tail = raw.split(_NONCE.encode())
    return Body(head, tail)


def _message(role: str, text: str) -> dict[str, object]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _tool(rng: random.Random, index: int) -> dict[str, object]:
    properties = {
        f"{rng.choice(_WORDS)}_{i}": {"type": rng.choice(("string", "integer")), "description": _prose(rng, 60)}
        for i in range(3)
    }
    schema = {"type": "object", "properties": properties, "required": list(properties)[:2]}
    return {"name": f"{rng.choice(_WORDS)}_{index}", "description": _prose(rng, 120), "input_schema": schema}


def _prose(rng: random.Random, size: int) -> str:
    return _grow(size, lambda: " ".join(rng.choices(_WORDS, k=rng.randint(6, 14))).capitalize() + ". ")


def _code(rng: random.Random, size: int) -> str:
    def function() -> str:
        name, arg, other = rng.sample(_WORDS, 3)
        number = rng.randint(2, 9_999)
        return (
            f'def {name}_{arg}({arg}: int, {other}: str = "{rng.choice(_WORDS)}") -> int:\n'
            f"    # {' '.join(rng.choices(_WORDS, k=6))}\n"
            f'    if {arg} > {number} and {other} != "":\n'
            f"        return {arg} * {number} + len({other})\n"
            f"    return {name}_{other}({arg} - {number % 7}, {other})\n\n"
        )

    return _grow(size, function)


def _grow(size: int, piece: Callable[[], str]) -> str:
    parts: list[str] = []
    length = 0
    while length < size:
        parts.append(piece())
        length += len(parts[-1])
    return "".join(parts)[:size]
