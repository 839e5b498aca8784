"""What no placement of breakpoints can stay below: the bound of `placing/bound.py`, over an audit's calls.

Each workspace and model is a tree of prefixes of its own. Fees, output and what stands behind the last boundary cost what
they cost.
"""

from __future__ import annotations

from msgspec import Struct

from thriftgate.audit.placing.bound import lower_bound
from thriftgate.audit.placing.world import World
from thriftgate.audit.replay.asks import Asked
from thriftgate.audit.traces.trace import Ask, Trace
from thriftgate.core.cost import pico_at
from thriftgate.core.models import ModelTable
from thriftgate.core.money import TOKENS_PER_MTOK
from thriftgate.core.prefix import Prefix
from thriftgate.core.prices import Rates
from thriftgate.core.usage import Tokens

NOTHING = Prefix((), ())


class _Scope(Struct):
    """The calls of one workspace and model. `ways` has the whole way to each boundary by its digest; `rates` are those of
    the first, and what others pay is counted in multiples of it."""

    asks: list[Ask]
    depths: list[int]
    ways: dict[bytes, tuple[int, ...]]
    rates: Rates
    minimum: int


class Least:
    """Takes in calls in order of time; holds a few dozen bytes for each boundary of each."""

    def __init__(self, models: ModelTable) -> None:
        self._models = models
        self._scopes: dict[tuple[str, str], _Scope] = {}
        self._besides = 0

    def take(self, one: Asked, rates: Rates) -> None:
        """The next call."""
        scope = self._scopes.get((one.logged.key, one.model))
        if scope is None:
            minimum = self._models[one.model].cache_min_tokens
            scope = self._scopes[one.logged.key, one.model] = _Scope([], [0], {}, rates, minimum)
        chain, ends = one.prefix.chain, one.cumulative
        known = next((at for at in range(len(chain) - 1, -1, -1) if chain[at] in scope.ways), -1)
        way = scope.ways[chain[known]] if known >= 0 else ()
        for at in range(known + 1, len(chain)):
            scope.depths.append(max(ends[at], scope.depths[way[-1]] if way else 0))
            way = (*way, len(scope.depths) - 1)
            scope.ways[chain[at]] = way
        tokens = scope.depths[way[-1]]
        weight = rates.input / (scope.rates.input or 1)
        scope.asks.append(Ask(one.logged.at_s, one.logged.began_s, 0, NOTHING, (tokens,), way, weight=weight))
        behind = max(0, one.billed.prompt - tokens)
        self._besides += pico_at(Tokens(input=behind, output=one.billed.output), rates)

    def pico(self) -> int:
        """The bound, in pico-USD."""
        total = self._besides
        for scope in self._scopes.values():
            rates = scope.rates
            base = rates.input
            if not base:
                continue
            world = World(rates.read / base, rates.write_5m / base, rates.write_1h / base, scope.minimum)
            trace = Trace("", tuple(scope.asks), tuple(scope.depths), 1)
            total += round(lower_bound(trace, world) * base / TOKENS_PER_MTOK)
        return total
