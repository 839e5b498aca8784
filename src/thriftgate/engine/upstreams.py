"""The provider's keys that are the gateway's own: which of them a call is sent with.

A conversation stays with the key in whose workspace its prefix is cached. It moves only when that key's money is spent, or
when waiting there is worth more than the planner says that writing the prefix anew costs. Without keys of the gateway's own
a call goes out with its client's, and nothing is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.errors import ConfigError, SpendCapped
from thriftgate.core.governing.breaker import Breaker
from thriftgate.core.governing.gate import Need
from thriftgate.core.governing.groups import counted_input
from thriftgate.core.governing.homes import Homes
from thriftgate.core.governing.refusals import Refusal
from thriftgate.core.plan import Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.request import Request
from thriftgate.engine.call import Call
from thriftgate.engine.governing import Governor
from thriftgate.engine.snapshot import Knowledge
from thriftgate.logs import log
from thriftgate.providers.keys import ProviderKey
from thriftgate.providers.provider import Provider

NOTHING = Need(0.0, 0.0)
NEAR_SHARE = 0.1  # of a limit: while more is left, it is not asked whether another key would be quicker


class Pool(NamedTuple):
    """The gateway's own keys, and the provider by each of them. `default` sends what no key is chosen for: the first key's
    provider, or one that passes the clients' own keys through."""

    keys: tuple[ProviderKey, ...]
    providers: Mapping[str, Provider]
    default: Provider


class Rules(NamedTuple):
    """`wait_pico_per_s` is what a second of waiting costs (pico-USD); `probe_s` how often a spent key is tried."""

    wait_pico_per_s: int = 0
    probe_s: float = 300.0


def pool_of(make: Callable[[str], Provider], keys: Sequence[ProviderKey]) -> Pool:
    """Raises ConfigError where a name stands twice, or a key has its limits in common with none that there is."""
    providers: dict[str, Provider] = {}
    for key in keys:
        if key.name in providers:
            raise ConfigError(f"upstream.keys: {key.name!r} stands there twice; each key needs a name of its own")
        try:
            providers[key.name] = make(key.secret)
        except ConfigError as error:
            raise ConfigError(f"upstream.keys: {key.name}: {error}") from None
    for key in keys:
        if key.shares_limits_with and key.shares_limits_with not in providers:
            known = ", ".join(providers)
            raise ConfigError(f"upstream.keys: {key.name}: shares_limits_with: no key {key.shares_limits_with!r}; {known}")
    return Pool(tuple(keys), providers, providers[keys[0].name] if keys else make(""))


class Upstreams:
    """One per engine."""

    def __init__(
        self, pool: Pool, rules: Rules, *, governor: Governor | None, knowledge: Knowledge, policy: Policy, clock: Clock
    ) -> None:
        self._pool = pool
        self._rules = rules
        self._governor = governor
        self._knowledge = knowledge
        self._policy = policy
        self._clock = clock
        self._homes = Homes([(key.name, key.weight) for key in pool.keys])
        self._breakers = {key.name: Breaker(rules.probe_s) for key in pool.keys}
        self._limits = {key.name: _root(key.name, pool.keys) for key in pool.keys}
        if governor is not None:
            governor.spent, governor.served = self._spent, self._served

    @property
    def first(self) -> str:
        """The name of the key that serves what is not spread over several, such as batches; "" without keys of our own."""
        return self._pool.keys[0].name if self._pool.keys else ""

    def provider(self, name: str) -> Provider:
        """The provider by the key of that name; for "", by the client's own."""
        return self._pool.providers.get(name, self._pool.default)

    def limits_of(self, name: str, key: str) -> str:
        """Whose rate limits a call runs under: those of the provider's key, or of the client's own."""
        return self._limits.get(name, key)

    def chosen(self, call: Call, request: Request, key: str) -> Call:
        """The call with the key that it is to be sent with. One that was chosen for it before stays, as long as it may be
        used. Raises SpendCapped where there is none left, and InputError for malformed content."""
        names = self._usable()
        if not self._pool.keys or (call.upstream and call.upstream in names):
            return call
        if not names:
            raise SpendCapped(self._capped())
        name = names[0] if len(self._pool.keys) == 1 else self._placed(request, key, names)
        self._breakers[name].goes(self._clock.now_s())
        return replace(call, upstream=name)

    def may_go_elsewhere(self, name: str) -> bool:
        """Whether a call whose key has just turned out to be spent can be made with another."""
        return bool(name) and name not in (usable := self._usable()) and bool(usable)

    def clear(self, name: str) -> None:
        """An operator says that there is money on that key again."""
        self._breakers[name].clear()

    def spent_until_s(self) -> dict[str, float]:
        """The keys whose money is spent, and until when (unix seconds)."""
        now_s = self._clock.now_s()
        return {name: one.until_s for name, one in self._breakers.items() if one.is_open(now_s)}

    def _usable(self) -> list[str]:
        now_s = self._clock.now_s()
        return [name for name, breaker in self._breakers.items() if breaker.may(now_s)]

    def _capped(self) -> str:
        until_s = min(breaker.until_s for breaker in self._breakers.values())
        days = (until_s - self._clock.now_s()) / 86_400
        return (
            "a spend limit of the provider's is reached on every key there is; that ends with the month, "
            f"in {days:.1f} days, or when the limit is raised; nothing was sent"
        )

    def _placed(self, request: Request, key: str, names: Sequence[str]) -> str:
        talk, home = self._homes.of(self._knowledge.prefix(request))
        if home not in names:
            found = min(names, key=lambda name: self._wait_s(name, request, key))
        elif self._is_far(home, request):
            found = home
        else:
            found = self._cheapest(home, request, key, names)
        self._homes.settle(talk, found)
        return found

    def _is_far(self, name: str, request: Request) -> bool:
        """Whether that key's limits are surely not in the way."""
        if self._governor is None:
            return True
        place = self._governor.place(self._limits[name], self._knowledge.models[request.model], request.mode)
        now_s = self._clock.monotonic_s()
        return not place.line and place.gate.least_share(now_s) > NEAR_SHARE and not place.gate.wait_s(NOTHING, now_s)

    def _cheapest(self, home: str, request: Request, key: str, names: Sequence[str]) -> str:
        """Where the call costs least, what its waiting is worth included; home where that is no dearer. Only where it would
        wait less is the planner asked."""
        waits = {name: self._wait_s(name, request, key) for name in names}
        quicker = [name for name in names if waits[name] < waits[home]]
        if not quicker:
            return home
        costs = {name: self._cost_pico(name, request, key) for name in (home, *quicker)}
        return min(costs, key=lambda name: (costs[name], name != home))

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

    def _served(self, name: str, since_s: float) -> None:
        breaker = self._breakers.get(name)
        if breaker is not None and breaker.until_s:
            breaker.served(since_s)

    def _spent(self, name: str, refusal: Refusal) -> None:
        """The provider says that there is no money on a key: a limit of the organisation's holds for all its keys."""
        if name not in self._breakers:
            return
        now_s = self._clock.now_s()
        for other, breaker in self._breakers.items():
            if other == name or (refusal.shared and self._limits[other] == self._limits[name]):
                breaker.trip(now_s)
                log.warning("spend limit reached", upstream=other, until_s=round(breaker.until_s))


def _root(name: str, keys: Sequence[ProviderKey]) -> str:
    """The key whose limits these are, along the names that keys give. A circle ends where it began."""
    shares = {key.name: key.shares_limits_with for key in keys}
    seen: list[str] = []
    while shares[name] and name not in seen:
        seen.append(name)
        name = shares[name]
    return min(seen[seen.index(name) :]) if name in seen else name
