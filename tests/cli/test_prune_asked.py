"""What is taken where the command line says nothing."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from thriftgate.cli.prune_asked import Asked


def test_nothing_is_written_and_little_is_spent_unless_asked_for() -> None:
    asked = Asked(Path("p.md"), Path("c.jsonl"), "claude-haiku-4-5")
    assert not asked.write
    assert not asked.batch
    assert asked.budget == Decimal(5)
    assert (asked.margin, asked.confidence) == (0.02, 0.95)
