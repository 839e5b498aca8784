"""Calls whose answers have realistic lengths: what the first answer would come to without a cap, and what its repeat would.

An answer is as long as its prompt asks for (`BY_PROMPT` of the variance of the logarithm) and otherwise by chance, which is
drawn anew for a repeat. A runaway goes on to the limit, whatever was asked: by chance, or because its prompt makes it do so
every time.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

BY_PROMPT = 0.8
LIMIT = 16_384  # tokens; what callers write who do not think about it
MEDIAN = 400
CALLS = 20_000

Tokens = NDArray[np.int64]
_Floats = NDArray[np.float64]


class Calls(Struct, frozen=True):
    """Of one site, in order: tokens of the answer at the limit, tokens of another to the same prompt, which of them ran
    away, and the limit."""

    name: str
    first: Tokens
    again: Tokens
    runaway: NDArray[np.bool_]
    limit: int = LIMIT


class World(Struct, frozen=True):
    """One kind of calls. `medians` are those of equal parts of the calls, or, if `gradual`, what the median moves between.
    `tail`: index of a Pareto tail instead of a log-normal one; `sigma`: standard deviation of the logarithm; `runaways`:
    share by chance; `endless`: share of prompts that always run away; `second`: a share of the calls has another median."""

    name: str
    sigma: float
    runaways: float = 0.0
    tail: float = 0.0
    medians: tuple[float, ...] = (MEDIAN,)
    gradual: bool = False
    endless: float = 0.0
    second: tuple[float, float] | None = None

    def calls(self, seed: int, number: int = CALLS) -> Calls:
        """So many, the same for the same seed."""
        draw = np.random.default_rng([seed, *self.name.encode()])
        prompt, twice = draw.standard_normal(number), draw.standard_normal((2, number))
        level = np.log(self._medians(number))
        if self.second is not None:
            level = level + np.where(draw.random(number) < self.second[0], np.log(self.second[1] / MEDIAN), 0.0)
        endless = draw.random(number) < self.endless
        runs = [endless | (draw.random(number) < self.runaways) for _ in range(2)]
        both = []
        for chance, away in zip(twice, runs, strict=True):
            normal = np.sqrt(BY_PROMPT) * prompt + np.sqrt(1 - BY_PROMPT) * chance
            length = np.exp(level + (self._pareto(normal) if self.tail else self.sigma * normal))
            both.append(np.where(away, LIMIT, np.clip(length, 1, LIMIT)).astype(np.int64))
        return Calls(self.name, both[0], both[1], runs[0])

    def _medians(self, number: int) -> _Floats:
        if self.gradual:
            steps = np.linspace(0, len(self.medians) - 1, number)
            return np.exp(np.interp(steps, range(len(self.medians)), np.log(self.medians)))
        return np.repeat(np.array(self.medians, float), -(-number // len(self.medians)))[:number]

    def _pareto(self, normal: _Floats) -> _Floats:
        """Logarithm of a draw with a Pareto tail and a median of 1, at the same quantile as `normal`."""
        above = np.clip(_upper(normal), 1e-12, 1.0)
        found: _Floats = -np.log(2 * above) / self.tail
        return found


def _upper(normal: _Floats) -> _Floats:
    """Chance of a larger one (Abramowitz and Stegun 26.2.17, error below 1e-7)."""
    size = np.abs(normal)
    t = 1 / (1 + 0.2316419 * size)
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = np.exp(-size * size / 2) / np.sqrt(2 * np.pi) * series
    found: _Floats = np.where(normal > 0, tail, 1 - tail)
    return found


WORLDS = (
    World("log-normal 0.8", 0.8),
    World("log-normal 1.5", 1.5),
    World("log-normal 0.8, runaways 0.5 %", 0.8, 0.005),
    World("log-normal 0.8, runaways 1 %", 0.8, 0.01),
    World("log-normal 0.8, runaways 2 %", 0.8, 0.02),
    World("log-normal 1.2, runaways 1 %", 1.2, 0.01),
    World("Pareto 1.5, runaways 1 %", 0.0, 0.01, tail=1.5),
    World("Pareto 2.5, runaways 0.5 %", 0.0, 0.005, tail=2.5),
    World("two kinds, runaways 1 %", 0.6, 0.01, second=(0.2, 1_500.0)),
    World("median doubles at once, runaways 1 %", 0.8, 0.01, medians=(300.0, 600.0)),
    World("median moves fourfold and back, runaways 1 %", 0.8, 0.01, medians=(200.0, 800.0, 200.0), gradual=True),
    World("median jumps every 2,000, runaways 1 %", 0.8, 0.01, medians=(200.0, 600.0) * 5),
    World("prompts that always run away 1 %", 0.8, endless=0.01),
)


def recorded(folder: Path, seed: int) -> list[Calls]:
    """The answers of public traces under `folder`, in order: `azure/*.csv.gz`, `claude-code-sessions/sessions.jsonl.gz`. As
    recorded lengths have no repeats, another answer to the same prompt is drawn: so much of the logarithm is the prompt's
    (`BY_PROMPT`), the rest that of another answer. Nobody knows which of them ran away."""
    found = [(path.name.split(".")[0], _azure(path)) for path in sorted(folder.glob("azure/*.csv.gz"))]
    sessions = folder / "claude-code-sessions" / "sessions.jsonl.gz"
    found += [("claude-code", _sessions(sessions))] if sessions.exists() else []
    if not found:
        raise FileNotFoundError(f"{folder} has neither azure/*.csv.gz nor claude-code-sessions/sessions.jsonl.gz")
    return [_with_repeats(name, np.array(lengths, np.int64), seed) for name, lengths in found]


def _azure(path: Path) -> list[int]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [int(row["GeneratedTokens"]) for row in csv.DictReader(lines)]


def _sessions(path: Path) -> list[int]:
    with gzip.open(path, "rb") as lines:
        return [one for line in lines for one in _outs(msgspec.json.decode(line)["requests"])]


def _outs(requests: Sequence[dict[str, Any]]) -> Iterator[int]:
    for request in requests:
        if request.get("type") == "subagent":
            yield from _outs(request["requests"])
        elif request.get("out"):
            yield int(request["out"])


def _with_repeats(name: str, first: Tokens, seed: int) -> Calls:
    draw = np.random.default_rng([seed, *name.encode()])
    other = np.log(np.maximum(1, draw.choice(first, len(first))))
    middle = float(np.mean(other))
    own = np.log(np.maximum(1, first)) - middle
    again = np.exp(middle + BY_PROMPT * own + np.sqrt(1 - BY_PROMPT**2) * (other - middle))
    limit = max(LIMIT, int(first.max()) + 1)
    return Calls(f"recorded: {name}", first, np.clip(again, 1, limit).astype(np.int64), np.zeros(len(first), bool), limit)
