"""Which targets can be used, by what became of the calls that were sent to them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from thriftgate.clock import Clock
from thriftgate.core.health.breaker import Breaker, Patience
from thriftgate.core.health.faults import Fault
from thriftgate.logs import log

ALL = ""  # in the place of a model: what holds for every one of them


class Left(Struct, frozen=True):
    """A target that is left alone, or one of its models: why, and until when (unix seconds); behind that time until a call
    has got through."""

    target: str
    model: str
    kind: str
    until_s: float


class Health:
    """One per engine. `limits` names, by target, whose limits it is under."""

    def __init__(self, patience: Patience, limits: dict[str, str], clock: Clock) -> None:
        self._patience = patience
        self._limits = limits
        self._clock = clock
        self._breakers: dict[tuple[str, str], Breaker] = {}  # only of what has failed

    def may(self, target: str, model: str) -> bool:
        """Whether a call of that model may go to that target."""
        if not self._breakers:
            return True
        now_s = self._clock.now_s()
        found = (self._breakers.get((target, model)), self._breakers.get((target, ALL)))
        return all(breaker is None or breaker.may(now_s) for breaker in found)

    def goes(self, target: str, model: str) -> None:
        """A call goes there: where that was left alone, it is the probe."""
        for name in ((target, model), (target, ALL)):
            if name in self._breakers:
                self._breakers[name].goes(self._clock.now_s())

    def failed(self, target: str, model: str, fault: Fault, since_s: float) -> None:
        """A call that was made then has failed there."""
        now_s = self._clock.now_s()
        same = [other for other, root in self._limits.items() if root == self._limits[target]] if fault.shared else [target]
        for name in same:
            place = (name, model if fault.of_model else ALL)
            breaker = self._breakers.setdefault(place, Breaker(self._patience))
            if breaker.failed(fault, since_s, now_s):
                log.warning(
                    "target left alone", target=name, model=place[1] or "all", why=fault.kind, until_s=round(breaker.until_s)
                )

    def served(self, target: str, model: str, since_s: float) -> None:
        """A call that was made then was answered there."""
        if not self._breakers:
            return
        for place in ((target, model), (target, ALL)):
            breaker = self._breakers.get(place)
            if breaker is None:
                continue
            breaker.served(since_s)
            if not breaker.until_s and not breaker.kind:
                del self._breakers[place]

    def clear(self, target: str) -> None:
        """An operator says that all is well there."""
        for place in [place for place in self._breakers if place[0] == target]:
            del self._breakers[place]

    def left_alone(self) -> Sequence[Left]:
        """What is not used now, but for probes."""
        now_s = self._clock.now_s()
        return [
            Left(target, model, breaker.kind or "", breaker.until_s)
            for (target, model), breaker in sorted(self._breakers.items())
            if breaker.is_open(now_s)
        ]
