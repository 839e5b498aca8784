"""Wrong keys and failed logins, slowed down: each address is counted for itself, and all together.

A key has 256 random bits, so nobody guesses one; what this keeps away is the load of trying, and guessing at whatever is
weaker behind an identity provider. Memory is bounded, whatever comes.
"""

from __future__ import annotations

from thriftgate.core.generations import Generations

ADDRESSES_MAX = 10_000
FREE = 5  # failures that cost nothing: people mistype
LONGEST_S = 900.0
ALL_MAX = 300  # failures of all addresses that are let be within the window
WINDOW_S = 60.0


class Throttle:
    """Counts failures by address. After `FREE` of them an address is locked for 1 s, 2 s, 4 s … up to 15 minutes; what it
    failed at is forgotten when it has kept still for as long as that. Where failures come from everywhere, whoever has
    failed at all waits for the next window."""

    def __init__(self) -> None:
        self._failed: Generations[str, tuple[int, float]] = Generations(ADDRESSES_MAX)
        self._window_s = float("-inf")
        self._all = 0

    def wait_s(self, address: str, now_s: float) -> float:
        """How long this address must wait before it is listened to; 0 for not at all."""
        found = self._failed.get(address)
        if found is None:
            return 0.0
        times, at_s = found
        crowded_s = self._window_s + WINDOW_S - now_s if self._all >= ALL_MAX else 0.0
        return max(0.0, at_s + _locked_s(times) - now_s, crowded_s)

    def failed(self, address: str, now_s: float) -> None:
        """One more failure."""
        if now_s >= self._window_s + WINDOW_S:
            self._window_s, self._all = now_s, 0
        self._all += 1
        times, at_s = self._failed.get(address) or (0, now_s)
        if now_s - at_s > LONGEST_S:
            times = 0
        self._failed[address] = (times + 1, now_s)

    def passed(self, address: str) -> None:
        """It was somebody after all."""
        self._failed.discard(address)


def _locked_s(times: int) -> float:
    return 0.0 if times <= FREE else min(LONGEST_S, 2.0 ** min(times - FREE - 1, 20))
