"""Where a call goes: which of the targets, and of the provider's keys, that are the gateway's own.

A conversation stays where its prefix is cached. It moves only when that target fails, or its money is spent, or when
waiting there is worth more than the planner says that writing the prefix anew costs. Without targets of the gateway's own a
call goes out with its client's key, and nothing is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.errors import InputError, NotThere, SpendCapped
from thriftgate.core.foreign import is_foreign
from thriftgate.core.governing.gate import Need
from thriftgate.core.governing.groups import counted_input
from thriftgate.core.governing.homes import Homes
from thriftgate.core.health.breaker import Patience
from thriftgate.core.health.faults import Fault
from thriftgate.core.plan import Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.request import Request, parse_request
from thriftgate.engine.call import Call
from thriftgate.engine.governing import Governor
from thriftgate.engine.health import Health, Left
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.targets import Pool, Target
from thriftgate.pricing.places import PREFIX
from thriftgate.providers.provider import Provider, objection_of

NOTHING = Need(0.0, 0.0)
NEAR_SHARE = 0.1  # of a limit: while more is left, it is not asked whether another key would be quicker
SECONDS_PER_DAY = 86_400


class Rules(NamedTuple):
    """`wait_pico_per_s` is what a second of waiting costs (pico-USD); `patience` when a target is left alone."""

    wait_pico_per_s: int = 0
    patience: Patience = Patience()


class Upstreams:
    """One per engine."""

    def __init__(
        self, pool: Pool, rules: Rules, *, governor: Governor | None, knowledge: Knowledge, policy: Policy, clock: Clock
    ) -> None:
        self.pool = pool
        self._rules = rules
        self._governor = governor
        self._knowledge = knowledge
        self._policy = policy
        self._clock = clock
        self._homes = Homes([(target.name, target.weight) for target in pool.targets])
        self._limits = {target.name: _root(target.name, pool.targets) for target in pool.targets}
        self.health = Health(rules.patience, self._limits, clock)
        knowledge.sites = pool.sites()

    @property
    def first(self) -> str:
        """The name of the target that serves what is not spread over several, such as batches; "" without any."""
        return next((target.name for target in self.pool.targets if target.provider is self.pool.default), "")

    def provider(self, name: str) -> Provider:
        """The provider of the target of that name; for "", that of the clients' own keys."""
        return self.pool.provider(name)

    def limits_of(self, name: str, key: str) -> str:
        """Whose rate limits a call runs under: those of the target, or of the client's own key."""
        return self._limits.get(name, key)

    def chosen(self, call: Call, request: Request, key: str) -> Call:
        """The call with the target that it is to be sent to. One that was chosen for it before stays, as long as it may be
        used. Where all fail it goes to the one that is tried again the soonest: what it says is better than a word of ours.
        Raises SpendCapped where there is no money on any, NotThere where none has the model, and InputError for malformed
        content, or where none can take the call as it is."""
        if not self.pool.targets:
            return call
        model = request.model
        able = self._able(call, request)
        if not able:
            return replace(call, upstream="")  # with the client's own key
        if call.pinned:
            return replace(call, upstream=call.pinned)
        usable = [target for target in able if self.health.may(target.name, model)]
        if call.upstream and any(target.name == call.upstream for target in usable):
            return call
        if usable:
            chosen = usable[0].name if len(usable) == 1 else self._placed(request, key, usable)
        else:
            chosen = self._soonest(able, model)
        self.health.goes(chosen, model)
        return replace(call, upstream=chosen)

    def has(self, name: str, model: str) -> bool:
        """Whether a call for that model can stay at the target; with the client's own key it goes where Claude is."""
        target = self.pool.by_name.get(name)
        return target in self.pool.serving(model) if target is not None else not is_foreign(model)

    def count_path(self, call: Call) -> str:
        """Where the tokens of a call can be counted for free; "" where they cannot."""
        return self.asked(call).count_path

    def asked(self, call: Call) -> Provider:
        """Whom to ask what costs nothing: the target that was chosen for a call, or one that counts for its model."""
        if call.upstream or not self.pool.targets:
            return self.provider(call.upstream)
        with suppress(InputError):
            model = parse_request(call.body, needs_max_tokens=False).model
            counting = [target for target in self.pool.serving(model) if target.provider.traits.counts]
            usable = [target for target in counting if self.health.may(target.name, model)]
            if counting:
                return (usable or counting)[0].provider
        return self.pool.default

    def may_go_elsewhere(self, call: Call, request: Request) -> bool:
        """Whether there is a target that this call was not tried at, and can be."""
        try:
            return any(self.health.may(target.name, request.model) for target in self._able(call, request))
        except (InputError, NotThere):
            return False

    def failed(self, name: str, model: str, fault: Fault, since_s: float) -> None:
        """A call that was made then has failed at that target."""
        if name in self._limits:
            self.health.failed(name, model, fault, since_s)

    def served(self, name: str, model: str, since_s: float) -> None:
        """A call that was made then was answered by that target."""
        self.health.served(name, model, since_s)

    def clear(self, name: str) -> None:
        """An operator says that there is money on that key again, or that all is well there."""
        self.health.clear(name)

    def left_alone(self) -> Sequence[Left]:
        """Targets that are not used now."""
        return self.health.left_alone()

    def _able(self, call: Call, request: Request) -> list[Target]:
        """The targets that can take this call, and at which it was not tried. None of them where it is for the client's own
        key."""
        serving = [target for target in self.pool.serving(request.model) if call.pinned in ("", target.name)]
        if call.pinned and not serving:
            raise NotThere(f"the target {call.pinned!r} does not serve {request.model!r}")
        if not serving:
            if self.first:
                raise NotThere(f"no target serves {request.model!r}; name it under models of a [[targets]] row")
            return []
        objections = {target.name: _objection(target, request, call) for target in serving}
        able = [target for target in serving if not objections[target.name]]
        if not able:
            told = "; ".join(f"{name}: {why}" for name, why in objections.items())
            raise InputError(f"no target for {request.model} can take this call: {told}")
        return [target for target in able if target.name not in call.failed]

    def _soonest(self, able: Sequence[Target], model: str) -> str:
        """The one of these that is to be tried again first. Raises SpendCapped where there is no money on any of them."""
        names = {target.name: target for target in able}
        left = [one for one in self.left_alone() if one.target in names and one.model in ("", model)]
        spent = {one.target for one in left if one.kind == "spend"}
        due = [one for one in left if one.target not in spent]
        if due:
            return min(due, key=lambda one: (one.until_s, names[one.target].order)).target
        days = (min(one.until_s for one in left) - self._clock.now_s()) / SECONDS_PER_DAY
        raise SpendCapped(
            "a spend limit of the provider's is reached on every key there is; that ends with the month, "
            f"in {days:.1f} days, or when the limit is raised; nothing was sent"
        )

    def _placed(self, request: Request, key: str, usable: Sequence[Target]) -> str:
        """The conversation's home where that may be used and is not dearer by what waiting there is worth; what is new goes
        by weight to one of those that are asked first."""
        first = [target.name for target in usable if target.order == usable[0].order]
        known = self._homes.of(self._knowledge.prefix(request))
        home = known.name or self._homes.drawn(known, [target.name for target in self.pool.serving(request.model)])
        if home not in {target.name for target in usable} or (not known.name and home not in first):
            drawn = self._homes.drawn(known, first)
            found = min(first, key=lambda name: (self._wait_s(name, request, key), name != drawn))
        elif home not in first:
            found = self._cheapest(home, request, key, first, back=True)
        elif self._is_far(home, request):
            found = home
        else:
            found = self._cheapest(home, request, key, first)
        self._homes.settle(known.talk, found)
        return found

    def _is_far(self, name: str, request: Request) -> bool:
        """Whether that target's limits are surely not in the way."""
        if self._governor is None:
            return True
        place = self._governor.place(self._limits[name], self._knowledge.models[request.model], request.mode)
        now_s = self._clock.monotonic_s()
        return not place.line and place.gate.least_share(now_s) > NEAR_SHARE and not place.gate.wait_s(NOTHING, now_s)

    def _cheapest(self, home: str, request: Request, key: str, names: Sequence[str], *, back: bool = False) -> str:
        """Where the call costs least, what its waiting is worth included; home where that is no dearer, unless it shall go
        `back` to one that is asked first. Only where it would wait less is the planner asked."""
        waits = {name: self._wait_s(name, request, key) for name in (home, *names)}
        others = [name for name in names if name != home and (back or waits[name] < waits[home])]
        if not others:
            return home
        costs = {name: self._cost_pico(name, request, key) for name in (home, *others)}
        return min(costs, key=lambda name: (costs[name], (name == home) is back))

    def _cost_pico(self, name: str, request: Request, key: str) -> float:
        state = self._knowledge.snapshot(request, key, self._clock.now_s(), upstream=name).state
        forecast = make_plan(request, state, self._policy).forecast
        need = Need(counted_input(state.capability, forecast.tokens), float(forecast.tokens.output))
        return forecast.pico + self._rules.wait_pico_per_s * self._wait(name, request, key, need)

    def _wait_s(self, name: str, request: Request, key: str) -> float:
        return self._wait(name, request, key, NOTHING)

    def _wait(self, name: str, request: Request, key: str, need: Need) -> float:
        if self._governor is None:
            return 0.0
        place = self._governor.place(self._limits[name], self._knowledge.models[request.model], request.mode)
        return self._governor.wait_s(place, key, need)


def _objection(target: Target, request: Request, call: Call) -> str:
    """Why a target cannot take a call as it is; "" where it can."""
    if request.geo and target.place.startswith(PREFIX):
        return "inference_geo has no price beside the target's own price_factor"
    return objection_of(target.provider, request, call.headers)


def _root(name: str, targets: Sequence[Target]) -> str:
    """The target whose limits these are, along the names that targets give. A circle ends where it began."""
    shares = {target.name: target.shares_limits_with for target in targets}
    seen: list[str] = []
    while shares[name] and name not in seen:
        seen.append(name)
        name = shares[name]
    return min(seen[seen.index(name) :]) if name in seen else name
