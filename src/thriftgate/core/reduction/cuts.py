"""What a cut of the history costs in the turn in which it is made: three forms, one sum.

A cut leaves the front of the prompt as it is, takes out what comes next, puts something shorter in its place, and keeps the
rest. The front is read from the cache where it has an entry of its own, all behind it is written anew. A summary is written
by the serving model, which reads the conversation from its cache, or by another one, which is sent what goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

from msgspec import Struct

from thriftgate.core.prices import Rates
from thriftgate.core.request import Ttl


class Cut(Struct, frozen=True):
    """What is done to the prompt: the first `front` tokens stay as they are, the next `out` go, `summary` come in their
    place, what is behind is kept. `front_lives`: for how long a cache entry that ends with `front` is kept now, None where
    there is none (what is warm cannot be read in part)."""

    front: int
    out: int
    summary: int = 0
    what: str = "compacting"
    front_lives: Ttl | None = "5m"


class Summariser(Struct, frozen=True):
    """Who writes the summary. `own`: the serving model, which reads the conversation from its cache. Another one is sent the
    tokens that go, `ratio` of its own for each, in pieces of at most `piece` (0: whole) where longer prompts are dearer:
    each piece after the first comes with the summary so far. `thinks`: tokens billed as output besides the summary."""

    model: str
    rates: Callable[[int], Rates]
    own: bool = False
    ratio: float = 1.0
    piece: int = 0
    thinks: int = 0


class Prompt(NamedTuple):
    """A prompt that is cut: its tokens before, how many of them are warm, how many go; whether the front has a cache entry
    of its own; for how long what is written is kept."""

    tokens: int
    warm: int
    out: int
    front_lives: bool
    rewrite: Ttl


class Paid(NamedTuple):
    """What a cut prompt and its summary cost (pico-USD), of which the summary, and the rewrite behind the front; and who
    summarises, "" for nobody."""

    total: float
    summary: float
    rewrite: float
    by: str = ""


def compaction(tokens: int, head: int, tail: int, summary: int, front_lives: Ttl | None = "5m") -> Cut:
    """A summary in place of all between tools and system (`head`) and the newest messages (`tail`)."""
    return Cut(head, max(0, tokens - head - tail), summary, front_lives=front_lives)


def window(tokens: int, head: int, tail: int, front_lives: Ttl | None = "5m") -> Cut:
    """The same without a summary: what is left out is forgotten."""
    return Cut(head, max(0, tokens - head - tail), 0, "dropping older turns", front_lives)


def clearing(front: int, cleared: int, placeholders: int = 0, front_lives: Ttl | None = "5m") -> Cut:
    """Stale tool results behind the first `front` tokens, `cleared` tokens in all, are replaced by placeholders."""
    return Cut(front, cleared, placeholders, "clearing tool results", front_lives)


def write_rate(rates: Rates, ttl: Ttl) -> int:
    """Of what is kept for so long (pico-USD per million tokens)."""
    return rates.write_1h if ttl == "1h" else rates.write_5m


def pay(cut: Cut, prompt: Prompt, summarisers: Sequence[Summariser], rates: Rates) -> Paid:
    """What the prompt costs once it is cut, with the summariser that is cheapest for it; `rates` are those of a prompt as
    long as it is then. Without summarisers what comes in the place of what goes costs nothing to make."""
    write = write_rate(rates, prompt.rewrite)
    rewrite = write * (cut.summary + prompt.tokens - cut.front - prompt.out) / 1e6
    front_warm = min(prompt.warm, cut.front) if prompt.front_lives else 0
    front = (rates.read * front_warm + write * (cut.front - front_warm)) / 1e6
    if not summarisers or not cut.summary:
        return Paid(front + rewrite, 0.0, rewrite)
    ways: list[Paid] = []
    for one in summarisers:
        if one.own:  # it marks the end of the front, so that the cut prompt reads it a moment later
            summary, begin = _own_summary(one, cut, prompt), rates.read * cut.front / 1e6
        else:
            summary, begin = _other_summary(one, cut, prompt), front
        ways.append(Paid(summary + begin + rewrite, summary, rewrite, one.model))
    return min(ways, key=lambda way: way.total)


def _own_summary(one: Summariser, cut: Cut, prompt: Prompt) -> float:
    """It is sent the conversation up to what is kept, or as far as the cache holds it, if that is further: an entry can only
    be read whole. Of a cold conversation the front is written."""
    upto = cut.front + prompt.out
    rates = one.rates(max(prompt.warm, upto))
    output = rates.output * (cut.summary + one.thinks)
    if prompt.warm < cut.front:
        return (rates.write_5m * cut.front + rates.input * prompt.out + output) / 1e6
    return (rates.read * prompt.warm + rates.input * max(0, upto - prompt.warm) + output) / 1e6


def _other_summary(one: Summariser, cut: Cut, prompt: Prompt) -> float:
    tokens, summary = prompt.out * one.ratio, cut.summary * one.ratio
    pieces = max(1, ceil(tokens / one.piece)) if one.piece else 1
    rates = one.rates(ceil(tokens / pieces))
    read = tokens + (pieces - 1) * summary
    return (rates.input * read + rates.output * pieces * (summary + one.thinks)) / 1e6
