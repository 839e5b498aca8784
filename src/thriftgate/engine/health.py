"""Which targets can be used, by what became of the calls that were sent to them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from thriftgate.clock import Clock
from thriftgate.core.health.breaker import Breaker, Patience
from thriftgate.core.health.faults import Fault, Kind
from thriftgate.logs import log

ALL = ""  # in the place of a model: what holds for every one of them


class Left(Struct, frozen=True):
    """A target that is left alone, or one of its models: why, and until when (unix seconds); behind that time until a call
    has got through."""

    target: str
    model: str
    kind: str
    until_s: float


class Verdict(Struct, frozen=True, array_like=True):
    """What another replica is told of a target, or of one of its models: why it is left alone since then, and until when;
    kind None where it serves again."""

    target: str
    model: str
    kind: Kind | None
    at_s: float
    until_s: float = 0.0


class Health:
    """One per engine. `limits` names, by target, whose limits it is under."""

    def __init__(self, patience: Patience, limits: dict[str, str], clock: Clock) -> None:
        self._patience = patience
        self._limits = limits
        self._clock = clock
        self._breakers: dict[tuple[str, str], Breaker] = {}  # only of what has failed
        self.outbox: list[Verdict] | None = None  # what other replicas are to be told; None: there are none

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
            before_s, opened = breaker.until_s, breaker.failed(fault, since_s, now_s)
            if self.outbox is not None and breaker.until_s > before_s:
                self.outbox.append(Verdict(*place, breaker.kind, now_s, breaker.until_s))
            if opened:
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
                self._forget(place)

    def clear(self, target: str) -> None:
        """An operator says that all is well there."""
        for place in [place for place in self._breakers if place[0] == target]:
            self._forget(place)

    def hear(self, told: Verdict) -> None:
        """Take in what another replica has found. Targets that this one does not have are no matter."""
        if told.target not in self._limits:
            return
        place = (told.target, told.model)
        if told.kind is None:
            if place in self._breakers and self._breakers[place].opened_s <= told.at_s:
                del self._breakers[place]
        elif self._breakers.setdefault(place, Breaker(self._patience)).told(told.kind, told.at_s, told.until_s):
            log.warning(
                "target left alone, as another replica tells", target=told.target, model=told.model or "all", why=told.kind
            )

    def _forget(self, place: tuple[str, str]) -> None:
        del self._breakers[place]
        if self.outbox is not None:
            self.outbox.append(Verdict(*place, None, self._clock.now_s()))

    def left_alone(self) -> Sequence[Left]:
        """What is not used now, but for probes."""
        now_s = self._clock.now_s()
        return [
            Left(target, model, breaker.kind or "", breaker.until_s)
            for (target, model), breaker in sorted(self._breakers.items())
            if breaker.is_open(now_s)
        ]
