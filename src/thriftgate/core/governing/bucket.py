"""One limit of the provider as far as we know it: a bucket that refills all the time.

`level` may be below 0: output is known only when it is written. What is under way has been taken out already, so that the
level is what remains for calls that have not been sent.
"""

from __future__ import annotations

MINUTE_S = 60.0


class Bucket:
    """`limit` is per minute. `moved` sums up what was put right from outside: a level that was noted earlier is brought up
    to what is known now by adding what `moved` has grown by."""

    __slots__ = ("at_s", "level", "limit", "moved")

    def __init__(self, limit: float, level: float, now_s: float) -> None:
        self.limit = limit
        self.level = level
        self.at_s = now_s
        self.moved = 0.0

    def refill(self, now_s: float) -> None:
        """Bring the level up to now (seconds, of any clock that only goes on)."""
        if now_s > self.at_s:
            self.level = min(self.limit, self.level + (now_s - self.at_s) * self.limit / MINUTE_S)
            self.at_s = now_s

    def wait_s(self, amount: float, spare: float = 0.0) -> float:
        """Seconds until `amount` can be taken and `spare` is still left. More than the bucket holds is never asked for: the
        provider lets such a call go when the bucket is full."""
        lacking = min(amount + spare, self.limit) - self.level
        return lacking * MINUTE_S / self.limit if lacking > 0 else 0.0

    def move(self, by: float) -> None:
        """Put the level right."""
        self.level = min(self.limit, self.level + by)
        self.moved += by

    def hear(self, limit: float, remaining: float, expected: tuple[float, float], tolerance: float) -> float:
        """Take in what the provider says is left. `expected` is the lowest and the highest that it may say if we are right:
        nobody knows of which moment it speaks, and what of the answers under way it has counted. The level is moved by as
        little as fits; returns by how much. A bucket said to be empty may be below that."""
        self.limit = limit
        low, high = expected
        shift = 0.0
        if remaining + tolerance < low:
            shift = remaining + tolerance - low
        elif remaining > tolerance and remaining - tolerance > high:
            shift = remaining - tolerance - high
        if shift:
            self.move(shift)
        self.level = min(self.level, limit)
        return shift
