"""The policies a log is replayed under: the planner's, one lever alone, all of them; and those of today's clients."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.audit.findings import Family
from thriftgate.audit.placing.clients import CLIENTS
from thriftgate.audit.prompts import REWRITES
from thriftgate.core.keepalive import Bounds
from thriftgate.core.levers import LEVERS
from thriftgate.core.money import PICO_PER_USD
from thriftgate.core.plan import Policy
from thriftgate.core.stability.rewrite import LEVER as STABILISE

AS_IS = "as-is"
NO_CACHE = "no-caching"
AS_SENT = "as-sent"
CONFIG = "config"
SAFE = "safe-levers"
ALL = "all-levers"
SAFE_LEVERS = tuple(lever.id for lever in LEVERS if lever.safe)
CACHE = "cache.breakpoints"
GUARD = "count.guard"
IDLE = ("batch.defer", "agent.guard")
KEEPALIVE = "cache.keepalive"
PINGS = Bounds(day_pico=10 * PICO_PER_USD, key_day_pico=5 * PICO_PER_USD)
"""How far pings go where `[keepalive]` only says `on = true`."""

KEEPALIVE_ON = "[keepalive]\non = true\n"
OURS: frozenset[str] = frozenset({"none", "habit-5m", "habit-1h", "habit-1h-5m", "four-5m", "rule-6", "system-5m"})
"""Placement rules of ours to measure by; the others are what a client or a library does."""


class Candidate(Struct, frozen=True):
    """One policy to replay. `policy` is the planner's; of a client's, `client` names the row of its placement rule.
    `config` are the settings that make a gateway act so. `pings` are the bounds of its pings, where it sends any. `beside`
    names the candidate that does the same without the lever `adds`: the difference is what that lever saves."""

    name: str
    family: Family
    title: str
    policy: Policy | None = None
    client: str = ""
    config: str = ""
    safe: bool = True
    pings: Bounds | None = None
    adds: str = ""
    beside: str = ""

    @property
    def acts_as(self) -> object:
        """Equal for candidates that do the same: a guard without a limit does nothing, no call of a log can wait,
        and no agent that is long done can be stopped."""
        policy = self.policy
        if policy is None:
            return self.name
        idle = (*IDLE, GUARD) if policy.cost_limit_pico is None else IDLE
        levers = tuple(lever for lever in policy.levers if lever not in idle)
        limits = policy.cost_limit_pico, policy.on_cost_limit
        return levers, *limits, policy.cache_mode, policy.stabilise, self.pings

    @property
    def rewrites(self) -> bool:
        """Whether it sends prompts as the rewrites leave them that an import has tried."""
        return self.policy is not None and set(REWRITES) <= set(self.policy.stabilise)

    def over(self, share: float, *, every_key: bool) -> Candidate:
        """The same over such a share of the calls, within that share of what pings may cost a day; so for each key, too,
        where a part of every key's calls is replayed."""
        if self.pings is None or share >= 1:
            return self
        key_pico = self.pings.key_day_pico
        bounds = replace(
            self.pings,
            day_pico=int(self.pings.day_pico * share),
            key_day_pico=int(key_pico * share) if every_key else key_pico,
        )
        return replace(self, pings=bounds)


def planner_candidates(config: Policy | None) -> list[Candidate]:
    """The planner's policies; `config` is that of the user's settings."""
    found = [
        Candidate(
            f"{CACHE}:{mode}",
            "lever",
            f"cache breakpoints by expected value, cache.mode {mode}",
            Policy(levers=(CACHE,), cache_mode=mode),
            config=f'[cache]\nmode = "{mode}"\n',
        )
        for mode in ("ttl-only", "add", "full")
    ]
    plain = f"{CACHE}:ttl-only"
    found += [_pinging(plain), _rewriting(plain)]
    safe = Policy(levers=SAFE_LEVERS)
    found.append(Candidate(SAFE, "levers", "all levers that cannot change an answer, as they are by default", safe))
    everything = Policy(levers=SAFE_LEVERS, cache_mode="full")
    config_text = f'[policy]\nlevers = {list(SAFE_LEVERS)}\n\n[cache]\nmode = "full"\n\n{KEEPALIVE_ON}'.replace("'", '"')
    found.append(
        Candidate(
            ALL,
            "levers",
            "all levers that cannot change an answer, with all they may do, and pings",
            everything,
            config=config_text,
            pings=PINGS,
            adds=KEEPALIVE,
            beside=f"{CACHE}:full",
        )
    )
    if config is not None:
        found.append(Candidate(CONFIG, "config", "the settings as they are", config))
    return found


def _pinging(beside: str) -> Candidate:
    return Candidate(
        KEEPALIVE,
        "lever",
        "cache breakpoints, and pings that keep pausing conversations cached",
        Policy(levers=(CACHE,)),
        config=KEEPALIVE_ON,
        pings=PINGS,
        adds=KEEPALIVE,
        beside=beside,
    )


def _rewriting(beside: str) -> Candidate:
    return Candidate(
        STABILISE,
        "lever",
        "cache breakpoints, on prompts rewritten so that their beginning stays the same",
        Policy(levers=(CACHE,), stabilise=REWRITES),
        config=f"[cache]\nstabilise = {list(REWRITES)}\n".replace("'", '"'),
        safe=False,
        adds=STABILISE,
        beside=beside,
    )


def client_candidates() -> list[Candidate]:
    """The placement rules of today's clients."""
    return [Candidate(row.name, "client", row.source, client=row.name) for row in CLIENTS if row.name != "none"]


BOUND = Candidate("bound", "bound", "what no placement of breakpoints can stay below, knowing everything beforehand")
