"""Jobs files for the benchmarks: made from a seed, written line by line."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from thriftgate.simulator import Simulator, SimulatorConfig

MODEL = "claude-opus-4-8"  # caches from 1,024 tokens on, answers in short and does not think unasked
OUT_TOKENS = 12  # of each answer, by a directive to the simulator in the question
_WORDS = (
    "account", "answer", "balance", "careful", "change", "charge", "claim", "common", "customer", "damage", "decide",
    "deliver", "doubt", "evidence", "explain", "follow", "ground", "handle", "honest", "invoice", "kindly", "letter",
    "market", "matter", "mention", "notice", "number", "object", "offer", "order", "parcel", "payment", "period", "point",
    "policy", "problem", "promise", "question", "reason", "refund", "return", "review", "service", "silence", "simple",
    "statement", "support", "ticket", "trouble", "warranty",
)  # fmt: skip


def words(count: int, *seed: object) -> str:
    """So many words, always the same for the same seed."""
    return " ".join(random.Random(repr(seed)).choices(_WORDS, k=count))


def small(count: int, seed: int = 1) -> Iterator[bytes]:
    """Lines of jobs with about 600 bytes of prompt each, of which half is the same for all: too short to be cached."""
    system = words(40, seed, "system")
    draw = random.Random(seed)
    for number in range(count):
        text = " ".join(draw.choices(_WORDS, k=38))
        yield line(number, body(f"{number}: {text}", system))


def grouped(groups: int, size: int, prefix_words: int, seed: int = 1) -> Iterator[bytes]:
    """Lines of `groups` times `size` jobs, group after group; those of a group share a system prompt of so many words."""
    for group in range(groups):
        system = words(prefix_words, seed, "group", group)
        for item in range(size):
            number = group * size + item
            yield line(number, body(f"Review {number}: {words(12, seed, 'item', number)}", system))


def body(text: str, system: str, model: str = MODEL) -> dict[str, Any]:
    """One call, answered by the simulator with exactly OUT_TOKENS."""
    return {
        "model": model,
        "max_tokens": 64,
        "system": system,
        "messages": [{"role": "user", "content": f"{text} [[sim: out={OUT_TOKENS}]]"}],
    }


def line(number: int, params: dict[str, Any]) -> bytes:
    """One line of a jobs file."""
    return msgspec.json.encode({"custom_id": f"job-{number}", "params": params}) + b"\n"


def write(path: Path, lines: Iterator[bytes] | Sequence[bytes]) -> Path:
    """Put the lines into a file."""
    with path.open("wb") as file:
        file.writelines(lines)
    return path


@cache
def words_of(tokens: int) -> int:
    """How many words make a system prompt of about so many tokens, as the simulator counts them."""
    simulator = Simulator(SimulatorConfig(tokenizer="estimate"))
    sample = 2_000
    counted = dict(simulator.count_blocks(body("", words(sample, "sample"))))
    return round(tokens * sample / sum(count for label, count in counted.items() if label.startswith("system")))
