"""Under which prices and with which cache a conversation is replayed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

from msgspec import Struct

from thriftgate.core.models import ModelTable
from thriftgate.core.prices import PriceBook, Rates, Terms, day_from_iso
from thriftgate.core.reduction.cuts import Summariser
from thriftgate.pricing.load import load_book, load_models

DAY = day_from_iso("2026-11-20")
UNTOLD = "claude-opus-4-5"  # for traces that name no model
NEWER_TOKENS = 1.3  # tokens of the newer tokenizer for one of the older
OWN = "own"
Caching = Literal["none", "5m", "late 1h"]


class World(Struct, frozen=True):
    """`model`: who serves all requests, "" for the models of the trace. `cheap`: who may summarise besides the serving
    model, `OWN` for nobody. Caching: of the tail for five minutes; the same, but for an hour where what is new is small;
    none."""

    model: str
    caching: Caching
    cheap: str

    def __str__(self) -> str:
        return f"{self.model or 'models of the trace'}, cache {self.caching}, summary by {self.cheap}"

    def served(self, model: str) -> str:
        """The model that serves a request recorded with this one."""
        return self.model or model or UNTOLD

    def rates(self, model: str) -> Callable[[int], Rates]:
        """Of a serving model, by prompt length. What is too short to be cached, or never is, is plain input."""
        return _rates(model, cached=self.caching != "none")

    def least(self, model: str) -> int:
        """The shortest prompt that is cached, in tokens; 0 where none is."""
        return _models()[model].cache_min_tokens if self.caching != "none" else 0

    def summarisers(self, model: str) -> tuple[Summariser, ...]:
        """Who may summarise for a serving model. The cheap one is given pieces that stay below its step in price."""
        own = Summariser(model, self.rates(model), own=True)
        if self.cheap in (OWN, model):
            return (own,)
        ratio = NEWER_TOKENS if (_newer(self.cheap) and not _newer(model)) else 1.0
        piece = _models()[self.cheap].long_context_above_tokens
        return own, Summariser(self.cheap, _rates(self.cheap, cached=False), ratio=ratio, piece=piece)


@cache
def _rates(model: str, *, cached: bool) -> Callable[[int], Rates]:
    terms, book = Terms(model, DAY), _book()
    minimum = _models()[model].cache_min_tokens if cached else 2**60
    steps: dict[tuple[bool, bool, bool], Rates] = {}

    def rates(tokens: int) -> Rates:
        step = (tokens >= minimum, tokens > 100_000, tokens > 200_000)
        found = steps.get(step)
        if found is None:
            listed = book.rates(terms, tokens)
            plain = Rates(listed.input, listed.input, listed.input, listed.input, listed.output)
            found = steps[step] = listed if step[0] else plain
        return found

    return rates


@cache
def _book() -> PriceBook:
    return load_book()


@cache
def _models() -> ModelTable:
    return load_models()


def _newer(model: str) -> bool:
    return _models()[model].tokenizer == "claude47"
