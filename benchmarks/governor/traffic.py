"""What is sent: calls of one kind that use up one limit or all of them, from one noisy key and three quiet ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from benchmarks.governor.provider import Shape

MODEL = "claude-opus-4-8"
CALLS_S = 10.0  # what the limits allow, simulated seconds; shared by all upstream keys
OVER = 3.0  # times as many are sent
QUIET = ("quiet-1", "quiet-2", "quiet-3")
NOISY = "noisy"
QUIET_SHARE = 0.05  # of the calls, each: less than its fair share of what is allowed
INPUT_MEAN, OUTPUT_MEAN = 2_000, 500
FRESH_MEAN = 1_100  # of the mixed calls, whose heads are read from the cache
TOKENS_PER_WORD = 1.7
HEAD_TOKENS = 2_000
TALKS = 60
KINDS = ("requests", "input", "output", "mixed")
_WORDS = [
    "the",
    "desk",
    "answers",
    "each",
    "mail",
    "on",
    "the",
    "day",
    "on",
    "which",
    "it",
    "came",
    "and",
    "files",
    "what",
    "it",
    "has",
    "answered",
    "with",
    "its",
    "number",
]


class Sent(NamedTuple):
    """One call: when (simulated seconds since the start), by whom, of which conversation, and its body."""

    at_s: float
    client: str
    talk: str
    body: bytes


def shape_of(kind: str, keys: int, speed: float, seed: int) -> Shape:
    """The limits of each upstream key."""
    calls = round(CALLS_S * 60 / keys)
    shape = {
        "requests": {"rpm": calls},
        "input": {"rpm": 100_000, "itpm": calls * INPUT_MEAN},
        "output": {"rpm": 100_000, "otpm": calls * OUTPUT_MEAN},
        "mixed": {"rpm": calls, "itpm": calls * FRESH_MEAN, "otpm": calls * OUTPUT_MEAN},
    }[kind]
    return Shape(speed=speed, seed=seed, **shape)


def calls(kind: str, seconds: float, seed: int) -> Iterator[Sent]:
    """Calls come at random, at three times the rate that is allowed."""
    draw = random.Random(f"{kind} {seed}")
    at_s = 0.0
    while True:
        at_s += draw.expovariate(CALLS_S * OVER)
        if at_s > seconds:
            return
        drawn = draw.random()
        client = QUIET[int(drawn / QUIET_SHARE)] if drawn < QUIET_SHARE * len(QUIET) else NOISY
        talk = f"{draw.randrange(TALKS)}"
        yield Sent(at_s, client, talk, msgspec.json.encode(_body(kind, talk, draw)))


def _body(kind: str, talk: str, draw: random.Random) -> dict[str, Any]:
    out = 20 if kind in ("requests", "input") else draw.randint(OUTPUT_MEAN // 5, OUTPUT_MEAN * 9 // 5)
    tokens = {"input": draw.randint(INPUT_MEAN // 4, INPUT_MEAN * 7 // 4), "mixed": FRESH_MEAN}.get(kind, 30)
    question = f"{draw.random()} [[sim: out={out}]] {_text(tokens, draw)}"
    body: dict[str, Any] = {"model": MODEL, "max_tokens": 2_000, "messages": [{"role": "user", "content": question}]}
    if kind == "mixed":
        head = _text(HEAD_TOKENS, random.Random(talk))
        body["system"] = [{"type": "text", "text": f"{talk} {head}", "cache_control": {"type": "ephemeral"}}]
    return body


def _text(tokens: int, draw: random.Random) -> str:
    return " ".join(draw.choices(_WORDS, k=round(tokens / TOKENS_PER_WORD)))
