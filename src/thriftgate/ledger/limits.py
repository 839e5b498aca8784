"""Where limits are kept. How much of each is used is the business of the process that lets calls in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from thriftgate.core.control.limits import Limit


class LimitBook(Protocol):
    """The limits of a set of books. All verbs raise LedgerError."""

    async def all(self) -> Sequence[Limit]:
        """Every one there ever was, those that were ended included."""

    async def put(self, limit: Limit) -> None:
        """Make one, change the name, amount and burst of one, or end it. Raises InputError."""
