"""What callers may ask for in a short time, or at once."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from thriftgate.core.control.limit_words import units_of
from thriftgate.core.control.limits import Limit, Metric, Per, check_names, checked
from thriftgate.settings.table import Table


class LimitRow(Table):
    """`[[limits.rules]]`: one limit. Others can be made while the gateway runs: `thriftgate limits set`."""

    name: str = Field(min_length=1, description="what it is called in answers and logs")
    metric: Metric = Field(description="what is counted; input_tokens are those not read from the cache")
    amount: Decimal = Field(gt=0, description="how much of it; in US dollars for usd")
    per: Per = Field(default="minute", description="in which time; of no meaning for concurrency")
    burst: Decimal = Field(default=Decimal(0), ge=0, description="how much may come at once; 0 is the amount")
    scope: tuple[str, ...] = Field(default=(), description="which calls count, as for budgets, such as key=*; empty is all")


class LimitsSettings(Table):
    """`[limits]`: what callers may ask for. The provider's own limits are another matter."""

    wait_s: float = Field(default=0.0, ge=0, le=300, description="how long a call may wait for room before it is refused")
    rules: tuple[LimitRow, ...] = Field(default=(), description="limits that stand whenever the gateway runs")


def caller_limits(table: LimitsSettings) -> tuple[Limit, ...]:
    """The limits of the settings. Raises InputError naming the one that is wrong."""
    found = tuple(
        checked(
            Limit(
                id=f"settings:{row.name}",
                name=row.name,
                metric=row.metric,
                amount=units_of(row.metric, row.amount),
                per=row.per,
                burst=units_of(row.metric, row.burst),
                scope=row.scope,
            )
        )
        for row in table.rules
    )
    check_names(found)
    return found
