"""What earlier calls taught: exact prefix totals from `usage`, and a correction per model.

A conversation grows at its end, so most of a prompt was counted by the provider in the call before. `TokenMemory` keeps
those totals by prefix digest, starts each estimate at the deepest one it knows and guesses only what follows,
scaled by how far off its guesses for this model have been.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import ceil
from typing import Protocol

from msgspec import Struct

from thriftgate.core.generations import Generations

_RATIO_LOW, _RATIO_HIGH = 0.5, 2.0  # a correction beyond these is not believed
_STEP = 0.25  # one odd call moves the ratio as if it had been this far off at most
_RATE = 0.1  # weight of a new observation once warm
_FRESH_LEAST_TOKENS = 200  # shorter guesses say nothing about the ratio
_DRIFT_CALLS = 8
_DRIFT_BAND = 0.25


class Counted(Protocol):
    """Anything with an estimate: `Estimate` itself, or a block of the prefix."""

    @property
    def tokens(self) -> int: ...

    @property
    def upper(self) -> int: ...


class PromptTokens(Struct, frozen=True, gc=False):
    """Cumulative token counts of a prompt: `cumulative[i]` and `upper[i]` up to and including block i.

    `anchor` is the last boundary whose total is exact (-1: none), `known` that total. `fresh` is the uncorrected guess for
    what follows it; `learn` takes the whole value back to see how good the guess was.
    """

    cumulative: tuple[int, ...] = ()
    upper: tuple[int, ...] = ()
    anchor: int = -1
    known: int = 0
    fresh: int = 0

    @property
    def tokens(self) -> int:
        """Expected tokens of the whole prompt."""
        return self.cumulative[-1] if self.cumulative else 0


class Correction(Struct, frozen=True, gc=False):
    """How exact counts compare to guesses for one model. `ratio` multiplies a guess; `spread` the mean distance."""

    ratio: float = 1.0
    spread: float = 0.0
    calls: int = 0

    def drifted(self) -> bool:
        """Guesses for this model are off for good: it may have a vocabulary this version does not know. Worth an alarm."""
        return self.calls >= _DRIFT_CALLS and (abs(self.ratio - 1) > _DRIFT_BAND or self.spread > _DRIFT_BAND)

    def learned(self, ratio: float) -> Correction:
        """With one more observation: a clipped, exponentially weighted mean."""
        rate = max(_RATE, 1 / (self.calls + 1))
        off = ratio - self.ratio
        moved = self.ratio + rate * (off if self.calls == 0 else max(-_STEP, min(_STEP, off)))
        spread = self.spread + rate * (min(abs(off), 1.0) - self.spread) if self.calls else 0.0
        return Correction(max(_RATIO_LOW, min(_RATIO_HIGH, moved)), spread, self.calls + 1)


class TokenMemory:
    """State owned by the engine, one per process. Deterministic; holds at most `entries_max` prefixes, about 200 bytes each,
    and `models_max` corrections. A prefix digest stands for its model too: equal texts count differently on another."""

    __slots__ = ("_corrections", "_exact", "_supposed")

    def __init__(self, entries_max: int = 50_000, models_max: int = 256) -> None:
        self._exact: Generations[bytes, int] = Generations(entries_max)
        self._supposed: Generations[bytes, int] = Generations(entries_max)
        self._corrections: Generations[str, Correction] = Generations(models_max)

    def __len__(self) -> int:
        return len(self._exact) + len(self._corrections)

    def age(self) -> None:
        """Forget the prompts that were not sent since the last time."""
        self._exact.age()
        self._supposed.age()

    def correction(self, model: str) -> Correction:
        return self._corrections.get(model) or Correction()

    def exact(self, prefix: bytes) -> int | None:
        """Exact total input tokens of this prefix, if a call told them."""
        return self._exact.get(prefix)

    def suppose(self, prefix: bytes, total: int) -> None:
        """Take in how long a prefix would have been that was never sent: what was sent, and an estimate of the rest."""
        self._supposed[prefix] = total

    def estimate(
        self,
        model: str,
        chain: Sequence[bytes],
        blocks: Iterable[Counted],
        framing: Sequence[int] | None = None,
        *,
        supposed: bool = False,
    ) -> PromptTokens:
        """Cumulative counts at each boundary of a prompt.

        `chain[i]` is the digest of everything up to and including block i, `blocks` the estimates block by block,
        `framing[i]` the structural tokens that come just before block i. Between two exact boundaries the known difference
        is spread in proportion to the guesses. Counts never fall along the prompt, and `upper` is never below `cumulative`.
        `supposed`: of prompts that were never sent, what was taken to be their length counts as known.
        """
        counted = list(blocks)
        if len(counted) != len(chain):
            raise ValueError(f"{len(chain)} boundaries but {len(counted)} blocks")
        added = framing if framing is not None else [0] * len(counted)
        guess = list(accumulate([block.tokens + extra for block, extra in zip(counted, added, strict=True)]))
        worst = list(accumulate([block.upper + extra for block, extra in zip(counted, added, strict=True)]))
        totals = {**self._supposed.among(chain), **self._exact.among(chain)} if supposed else self._exact.among(chain)
        known = [(at, totals[digest]) for at, digest in enumerate(chain) if digest in totals] if totals else []
        return _combine(guess, worst, known, self.correction(model))

    def learn(self, model: str, prefix: bytes, exact_total: int, estimated: PromptTokens | None = None) -> None:
        """Take in the `usage` of an answered call: its total input tokens, cached or not, at its last boundary.

        `estimated` is what `estimate` said before the call; without it only the exact total is kept.
        """
        if exact_total <= 0:
            return
        self._exact[prefix] = exact_total
        if estimated is None or estimated.fresh < _FRESH_LEAST_TOKENS:
            return
        observed = exact_total - estimated.known
        if observed > 0:
            self._corrections[model] = self.correction(model).learned(observed / estimated.fresh)


def _combine(guess: list[int], worst: list[int], known: list[tuple[int, int]], correction: Correction) -> PromptTokens:
    cumulative: list[int] = []
    upper: list[int] = []
    anchor, total = -1, 0
    for at, exact in known:
        if exact < total:
            continue  # counted under other settings, or edited since: not on this line
        before = guess[anchor] if anchor >= 0 else 0
        span = guess[at] - before
        for here in range(anchor + 1, at):
            share = (exact - total) * (guess[here] - before) // span if span else 0
            cumulative.append(total + share)
            upper.append(exact)
        cumulative.append(exact)
        upper.append(exact)
        anchor, total = at, exact
    before, before_worst = (guess[anchor], worst[anchor]) if anchor >= 0 else (0, 0)
    ratio, ratio_upper = correction.ratio, max(1.0, correction.ratio)
    for here in range(anchor + 1, len(guess)):
        tokens = total + round((guess[here] - before) * ratio)
        cumulative.append(tokens)
        upper.append(max(tokens, total + ceil((worst[here] - before_worst) * ratio_upper)))
    fresh = guess[-1] - before if guess else 0
    return PromptTokens(tuple(cumulative), tuple(upper), anchor, total, fresh)
