"""What a block of a program may spend: taken before a call is sent, put right when it is over.

One purse may be in several engines' hands at once, in threads of their own; so it locks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from thriftgate.core.errors import BudgetExceeded
from thriftgate.core.money import usd_from_pico


class Purse:
    """At most `limit_pico` (pico-USD), whatever goes on at the same time."""

    def __init__(self, limit_pico: int) -> None:
        self.limit_pico = limit_pico
        self._spent_pico = 0
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def spent_pico(self) -> int:
        """What calls that are over have cost."""
        return self._spent_pico

    @property
    def held_pico(self) -> int:
        """What calls under way can cost at most."""
        with self._lock:
            return sum(self._held.values())

    def take(self, call_id: str, worst_pico: int) -> None:
        """Take what a call can cost at most. Raises BudgetExceeded where there is not so much left, and takes nothing."""
        with self._lock:
            held_pico = sum(self._held.values())
            left_pico = self.limit_pico - self._spent_pico - held_pico
            if worst_pico > left_pico:
                raise BudgetExceeded(
                    f"cost_limit: the call can cost up to ${usd_from_pico(worst_pico)}, and of the "
                    f"${usd_from_pico(self.limit_pico)} of its block ${usd_from_pico(max(0, left_pico))} are left "
                    f"(${usd_from_pico(self._spent_pico)} spent, ${usd_from_pico(held_pico)} held by calls under way); "
                    "raise the limit, or lower max_tokens",
                    held=worst_pico <= left_pico + held_pico,
                )
            self._held[call_id] = worst_pico

    def settle(self, call_id: str, paid_pico: int) -> None:
        """The call is over, and has cost that. Once for each; what was never taken counts all the same."""
        with self._lock:
            self._held.pop(call_id, None)
            self._spent_pico += paid_pico

    def drop(self, call_id: str) -> None:
        """The call was not made."""
        with self._lock:
            self._held.pop(call_id, None)


def take(purses: Iterable[Purse], call_id: str, worst_pico: int) -> None:
    """Take it from all of them, or from none. Raises BudgetExceeded."""
    taken: list[Purse] = []
    try:
        for purse in purses:
            purse.take(call_id, worst_pico)
            taken.append(purse)
    except BudgetExceeded:
        drop(taken, call_id)
        raise


def settle(purses: Iterable[Purse], call_id: str, paid_pico: int) -> None:
    """The call is over for all of them."""
    for purse in purses:
        purse.settle(call_id, paid_pico)


def drop(purses: Iterable[Purse], call_id: str) -> None:
    """The call was not made."""
    for purse in purses:
        purse.drop(call_id)
