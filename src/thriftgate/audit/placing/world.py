"""Prices as ratios, and what a placement policy is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from thriftgate.audit.traces.trace import Ask
from thriftgate.core.brake import prompt_cost
from thriftgate.core.cache import Breakpoint, CacheRules
from thriftgate.core.placement import Ratios
from thriftgate.core.usage import Tokens


class World(Struct, frozen=True):
    """Prices as multiples of the base input price, the minimum prefix in tokens, and how the provider's cache behaves."""

    read: float = 0.1
    write_5m: float = 1.25
    write_1h: float = 2.0
    minimum: int = 1024
    rules: CacheRules = CacheRules()

    def cost(self, tokens: Tokens) -> float:
        """What a prompt costs, in tokens at the base price."""
        return prompt_cost(tokens, Ratios(self.write_5m, self.write_1h, self.read))


class PlacementPolicy(Protocol):
    """Where breakpoints go. One object lives for one replay and may learn from what it has seen."""

    @property
    def name(self) -> str: ...

    def place(self, ask: Ask) -> Sequence[Breakpoint] | None:
        """At most four breakpoints, by index into `ask.prefix`, in order, 1h before 5m; None: the API rejects it."""

    def answered(self, ask: Ask, marks: Sequence[Breakpoint], tokens: Tokens) -> None:
        """The bill of the request, told as soon as its answer began."""
