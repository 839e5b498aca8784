"""What the command line asks of `thriftgate prune`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from msgspec import Struct


class Asked(Struct, frozen=True):
    """Files, model and judge by name, dollars that may be spent, the margin and the confidence of the verdict."""

    prompt: Path
    cases: Path
    model: str
    judge: str | None = None
    budget: Decimal = Decimal(5)
    margin: float = 0.02
    confidence: float = 0.95
    calls_per_month: int | None = None
    batch: bool = False
    write: bool = False
    seed: int = 0
    answers: Path | None = None
