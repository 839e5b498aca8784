"""The grid of conversations: pairs of models at the prices of the study and of today, lives of entries, gaps, lengths."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product

from benchmarks.routing.session_world import Cell, Pair
from thriftgate.core.prices import Rates, Terms, day_from_iso
from thriftgate.pricing.load import load_book, load_models

DAY = day_from_iso("2026-11-21")
# The newer vocabulary takes about 30 % more tokens (platform.claude.com/docs/en/about-claude/pricing, 2026-10-10).
TOKENIZER_RATIO = {"claude3": 1.0, "claude47": 1.3}
STUDIED = (("5/25 > 1/5", (5, 25), (1, 5)), ("3/15 > 1/5", (3, 15), (1, 5)), ("5/25 > 3/15", (5, 25), (3, 15)))
TODAY = (
    ("claude-opus-5-5", "claude-haiku-5-5"),
    ("claude-sonnet-5-5", "claude-haiku-5-5"),
    ("claude-opus-5-5", "claude-sonnet-5-5"),
    ("claude-opus-5-5", "claude-haiku-4-5"),
)
TTLS_S, GAPS_S, TURNS, PREFIXES = (300, 3600), (30.0, 120.0, 480.0), (2.0, 8.0), (3_000, 20_000, 80_000, 96_000, 150_000)


def grid() -> list[Cell]:
    """Every kind of conversation."""
    every = product([*studied(), *today()], TTLS_S, TURNS, GAPS_S, PREFIXES)
    return [Cell(pair, ttl_s, gap_s, turns, prefix) for pair, ttl_s, turns, gap_s, prefix in every]


def studied() -> list[Pair]:
    """Dollars per million tokens in and out, write 1.25 and 2, read 0.1."""
    return [Pair(name, (_flat(*strong), _flat(*cheap))) for name, strong, cheap in STUDIED]


def _flat(inp: int, out: int) -> Callable[[int], Rates]:
    unit = 10**12
    rates = Rates(inp * unit, inp * unit * 5 // 4, inp * unit * 2, inp * unit // 10, out * unit)
    return lambda _: rates


def today() -> list[Pair]:
    """At the prices of the shipped book."""
    book, models = load_book(), load_models()
    pairs = []
    for names in TODAY:
        rows = [models[name] for name in names]
        unit = TOKENIZER_RATIO[rows[0].tokenizer]
        strong, cheap = (partial(book.rates, Terms(row.id, DAY)) for row in rows)
        ratios = 1.0, TOKENIZER_RATIO[rows[1].tokenizer] / unit
        short = " > ".join(name.removeprefix("claude-") for name in names)
        pairs.append(Pair(short, (strong, cheap), ratios, (rows[0].cache_min_tokens, rows[1].cache_min_tokens)))
    return pairs
