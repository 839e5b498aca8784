"""The ground truth: what every call cost, exactly, by the simulator's own price table.

Prices and modifiers: platform.claude.com/docs/en/about-claude/pricing, 2026-10. Batch halves every token price, US geography
multiplies it by 1.1, so does a regional or multi-region endpoint of Bedrock or Google Cloud, or a US Data Zone deployment of
Foundry, for models from the 4.5 generation on, fast mode replaces the base price; web search costs 0.01 USD each and takes
no modifier. Nothing is rounded (the documentation names no rounding of a single call). A model's length step is judged per
iteration (assumed).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from thriftgate.simulator.models import Model, ModelTable
from thriftgate.simulator.usage import Step, Usage

MILLION = Decimal(1_000_000)
BATCH = Decimal("0.5")
US = Decimal("1.1")
REGIONAL = Decimal("1.1")
SEARCH_USD = Decimal("0.01")
DAY_S = 86_400
KEPT = 10_000
"""costs and token counts remembered: many calls use the same tokens, and a price holds for a whole UTC day"""


@dataclass(frozen=True, slots=True)
class Modifiers:
    """What changes the price of a call."""

    batch: bool = False
    fast: bool = False
    us: bool = False
    regional: bool = False

    def names(self) -> list[str]:
        """The ones in force."""
        return [name for name in ("batch", "fast", "us", "regional") if getattr(self, name)]


def cost_usd(model: Model, when: float, usage: Usage, modifiers: Modifiers = Modifiers()) -> Decimal:
    """USD of one sampling step of `model` at `when` (Unix seconds). ValueError if fast mode is not sold then."""
    prices = model.prices_at(when, usage.total_input)
    factor = Decimal(1)
    if modifiers.fast:
        fast = model.fast_at(when)
        if fast is None:
            raise ValueError(f"{model.id} sells no fast mode at that time")
        factor *= fast.factor
    if modifiers.batch:
        factor *= BATCH
    if modifiers.us:
        factor *= US
    if modifiers.regional and model.regional_costs_more:
        factor *= REGIONAL
    tokens = (
        usage.input * prices.input
        + usage.write_5m * prices.write_5m
        + usage.write_1h * prices.write_1h
        + usage.read * prices.read
        + usage.output * prices.output
    )
    return tokens * factor / MILLION + usage.web_searches * SEARCH_USD


@dataclass(slots=True)
class BilledCall:
    """One line of the truth. `outcome` is complete, cut, faulty, refused_unbilled, prewarm, disconnected …

    Lines with the same tokens share them.
    """

    request_id: str
    message_id: str
    model: str
    organization: str
    workspace: str
    at: float
    usage: Usage
    steps: Sequence[Step]
    modifiers: Modifiers
    outcome: str
    cost: Decimal
    fault: str | None = None
    batch_id: str | None = None
    custom_id: str | None = None

    def document(self) -> dict[str, Any]:
        """As GET /_sim/bill shows it; money as an exact decimal text."""
        return {
            "request_id": self.request_id,
            "message_id": self.message_id,
            "model": self.model,
            "organization": self.organization,
            "workspace": self.workspace,
            "at": self.at,
            "usage": _buckets(self.usage),
            "iterations": [
                {"type": step.kind, "model": step.model, "billed": step.billed, **_buckets(step.usage)}
                for step in self.steps
            ],
            "modifiers": self.modifiers.names(),
            "outcome": self.outcome,
            "fault": self.fault,
            "batch_id": self.batch_id,
            "custom_id": self.custom_id,
            "cost_usd": plain(self.cost),
        }


Tokens = tuple[Usage, tuple[Step, ...]]


@dataclass(slots=True)
class Bill:
    """All calls since the start or the last reset."""

    models: ModelTable
    calls: list[BilledCall] = field(default_factory=list)
    _prices: dict[tuple[tuple[Step, ...], float, Modifiers], Decimal] = field(default_factory=dict)
    _alike: dict[Tokens, Tokens] = field(default_factory=dict)

    def price(self, steps: list[Step], when: float, modifiers: Modifiers) -> Decimal:
        """USD of a call: the sum over its billed iterations, each at its own model's price."""
        key = (tuple(steps), when // DAY_S, modifiers)
        known = self._prices.get(key)
        if known is None:
            billed = [step for step in steps if step.billed]
            costs = (cost_usd(self.models.by_name[step.model], when, step.usage, modifiers) for step in billed)
            known = sum(costs, Decimal(0))
            if len(self._prices) >= KEPT:
                self._prices.clear()
            self._prices[key] = known
        return known

    def add(self, call: BilledCall) -> None:
        """Books a call."""
        alike = (call.usage, tuple(call.steps))
        if len(self._alike) >= KEPT:
            self._alike.clear()
        call.usage, call.steps = self._alike.setdefault(alike, alike)
        self.calls.append(call)

    @property
    def total(self) -> Decimal:
        """USD of all calls."""
        return sum((call.cost for call in self.calls), Decimal(0))

    def spent(self, organization: str, workspace: str | None = None) -> Decimal:
        """USD of one organisation, or of one of its workspaces."""
        return sum(
            (call.cost for call in self.calls if call.organization == organization and workspace in {None, call.workspace}),
            Decimal(0),
        )

    def summary(self) -> dict[str, Any]:
        """The truth in figures. `doubled` = custom_ids of batch items that were billed more than once, in whatever batch."""
        times = Counter(call.custom_id for call in self.calls if call.custom_id is not None)
        return {
            "simulated": True,
            "calls": len(self.calls),
            "total_usd": plain(self.total),
            "batch_calls": times.total(),
            "custom_ids": len(times),
            "doubled": sum(count > 1 for count in times.values()),
        }

    def document(self) -> dict[str, Any]:
        """The whole truth."""
        return {
            "simulated": True,
            "calls": [call.document() for call in self.calls],
            "total_usd": plain(self.total),
        }


def plain(amount: Decimal) -> str:
    """An exact decimal text without exponent or trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _buckets(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input,
        "cache_write_5m_tokens": usage.write_5m,
        "cache_write_1h_tokens": usage.write_1h,
        "cache_read_tokens": usage.read,
        "output_tokens": usage.output,
        "thinking_tokens": usage.thinking,
        "web_search_requests": usage.web_searches,
    }
