"""The production planner as a policy of the benchmark."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set

from thriftgate.audit.placing.world import PlacementPolicy, World
from thriftgate.audit.traces.trace import Ask
from thriftgate.core.brake import Brake
from thriftgate.core.cache import Breakpoint, CacheRules, Resident, forecast
from thriftgate.core.generations import Generations
from thriftgate.core.hazards import Learning
from thriftgate.core.placement import CacheMode, Ratios, place
from thriftgate.core.reuse import Outlook, Reuse
from thriftgate.core.usage import Tokens

SCOPE = b"benchmark/"
BOUNDARIES_MAX = 250_000
RESIDENTS_MAX = 100_000

# Each differs from the default in one thing that somebody might have chosen otherwise.
CHOICES: dict[str, Learning] = {
    "default": Learning(),
    "hopeful": Learning(alone_within_5m=0.4),
    "doubtful": Learning(within_5m=0.25, alone_within_5m=0.1),
    "rarely late": Learning(rest_of_hour=0.05),
    "quick": Learning(weight=2.0),
    "slow": Learning(weight=20.0),
    "own history": Learning(own_weight=6.0),
    "forgetful": Learning(half_life_s=86_400.0),
}


class PlannerPolicy:
    """Sees what the gateway sees: the prompt's boundaries, the clock, and each bill. `client` are the breakpoints that the
    client would set, to be left, lengthened or added to by `mode`; `rules` is what it believes of the provider, by default
    the truth."""

    name = "thriftgate"

    def __init__(
        self,
        world: World,
        learning: Learning | None = None,
        *,
        rules: CacheRules | None = None,
        mode: CacheMode = "full",
    ) -> None:
        self.world = world
        self.rules = rules or world.rules
        self.mode: CacheMode = mode
        self.reuse = Reuse(learning, boundaries_max=BOUNDARIES_MAX)
        self.brake = Brake(may_drop=mode == "full")
        self.ratios = Ratios(world.write_5m, world.write_1h, world.read)
        self.residency: Generations[bytes, Resident] = Generations(RESIDENTS_MAX)
        self._outlook = Outlook()
        self._client: Sequence[Breakpoint] = ()

    def place(self, ask: Ask, client: Sequence[Breakpoint] = ()) -> Sequence[Breakpoint]:
        self.reuse.pass_time(ask.at_s)
        self._outlook = self.reuse.look(SCOPE, ask.prefix, ask.cumulative, ask.at_s)
        self._client = client
        self.reuse.observe(SCOPE, ask.prefix, ask.cumulative, ask.at_s)
        verdict = self.brake.holds(self._outlook.app)
        if verdict:
            return client if verdict == "client" else ()
        placement = place(
            ask.prefix,
            ask.cumulative,
            self._outlook,
            self.residency.among(ask.prefix.chain),
            now_s=ask.at_s,
            ratios=self.ratios,
            minimum=self.world.minimum,
            rules=self.rules,
            client=client,
            mode=self.mode,
        )
        return placement.marks

    def answered(self, ask: Ask, marks: Sequence[Breakpoint], tokens: Tokens) -> None:
        outcome = forecast(
            ask.prefix,
            ask.cumulative,
            marks,
            self.residency.among(ask.prefix.chain),
            now_s=ask.at_s,
            usable_s=ask.begins_s,
            cache_min_tokens=self.world.minimum,
            rules=self.rules,
        )
        for digest, entry in outcome.entries.items():
            self.residency[digest] = entry
        shadow = self.brake.shadow(
            ask.prefix,
            ask.cumulative,
            self._client,
            now_s=ask.at_s,
            usable_s=ask.begins_s,
            minimum=self.world.minimum,
            rules=self.rules,
        )
        self.brake.book(self._outlook.app, self.world.cost(tokens), self.world.cost(shadow), float(ask.tokens), ask.at_s)

    def state_bytes(self) -> int:
        """Memory held by all that was learned, in bytes; what several things share counts once."""
        return size_of(self.reuse, self.brake, self.residency)


class BesideClient(PlannerPolicy):
    """The planner where the client sets breakpoints itself: lengthening their life, or adding to them."""

    def __init__(self, world: World, client: PlacementPolicy, mode: CacheMode, *, rules: CacheRules | None = None) -> None:
        super().__init__(world, rules=rules, mode=mode)
        self.name = f"{client.name}+{mode}"
        self._habit = client

    def place(self, ask: Ask, client: Sequence[Breakpoint] = ()) -> Sequence[Breakpoint]:
        return super().place(ask, self._habit.place(ask) or ())


def size_of(*roots: object) -> int:
    """Bytes of these objects and all they hold."""
    seen: set[int] = set()
    waiting = deque(roots)
    total = 0
    while waiting:
        one = waiting.popleft()
        if id(one) in seen or isinstance(one, type):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        waiting.extend(_held(one))
    return total


def _held(one: object) -> Iterator[object]:
    if isinstance(one, str | bytes | int | float):
        return
    if isinstance(one, Mapping):
        yield from one.keys()
        yield from one.values()
    elif isinstance(one, Sequence | Set | deque):
        yield from one
    else:
        names = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
        names += getattr(one, "__struct_fields__", ())
        yield from (getattr(one, name) for name in names if hasattr(one, name))
        yield from getattr(one, "__dict__", {}).values()
