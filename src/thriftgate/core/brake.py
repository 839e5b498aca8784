"""The brake: where our breakpoints cost more than the client's own would have, they are taken back.

For each application two accounts are kept side by side: what its prompts were billed, and what they would have been billed
with the breakpoints the client set (a shadow of the provider's cache; without any, the plain price). A cache write is an
investment, so only a sum over many calls and much more than five minutes says anything. Once ours is more than 2 % dearer,
the client's own breakpoints are left as they are until the excess is diluted to half of that; learning goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from thriftgate.core.cache import Breakpoint, CacheRules, Resident, forecast
from thriftgate.core.generations import Generations
from thriftgate.core.placement import Ratios
from thriftgate.core.prefix import Prefix
from thriftgate.core.usage import Tokens

EXCESS_MAX = 1.02
EXCESS_RELEASED = 1.01
CALLS_MIN = 200  # with fewer, one long prompt decides
SPAN_MIN_S = 1_800.0  # six times the short life of an entry: what was written has been read by then, or is lost
HALF_LIFE_S = 86_400.0


class Account(Struct, array_like=True):
    """Sums in input tokens at the base price, decayed to `at_s`."""

    since_s: float
    at_s: float
    calls: float = 0.0
    ours: float = 0.0
    shadow: float = 0.0
    braked: bool = False


class Brake:
    """Owned by one engine; bounded by the number of applications, and of shadow entries."""

    def __init__(self, *, apps_max: int = 2_000, shadows_max: int = 50_000) -> None:
        self._accounts: Generations[bytes, Account] = Generations(apps_max)
        self._shadows: Generations[bytes, Resident] = Generations(shadows_max)

    def holds(self, app: bytes) -> bool:
        """Whether the application's calls are to be left as the client sent them."""
        account = self._accounts.get(app)
        return account is not None and account.braked

    def book(self, app: bytes, ours: float, shadow: float, now_s: float) -> bool:
        """Add one call. True when that changed whether the brake holds."""
        account = self._accounts.get(app)
        if account is None:
            account = self._accounts[app] = Account(now_s, now_s)
        if now_s - account.at_s > 600.0:
            factor = 0.5 ** ((now_s - account.at_s) / HALF_LIFE_S)
            account.calls, account.ours, account.shadow = (
                account.calls * factor,
                account.ours * factor,
                account.shadow * factor,
            )
            account.at_s = now_s
        account.calls += 1
        account.ours += ours
        account.shadow += shadow
        enough = account.calls >= CALLS_MIN and now_s - account.since_s >= SPAN_MIN_S
        limit = EXCESS_RELEASED if account.braked else EXCESS_MAX
        braked = enough and account.ours > limit * account.shadow
        changed = braked != account.braked
        account.braked = braked
        return changed

    def shadow(
        self,
        prefix: Prefix,
        cumulative: Sequence[int],
        client: Sequence[Breakpoint],
        *,
        now_s: float,
        usable_s: float,
        ratios: Ratios,
        minimum: int,
        rules: CacheRules,
    ) -> float:
        """What the prompt would have cost with the client's breakpoints, in input tokens at the base price."""
        if not client:
            return float(cumulative[-1])
        outcome = forecast(
            prefix,
            cumulative,
            client,
            self._shadows.among(prefix.chain),
            now_s=now_s,
            usable_s=usable_s,
            cache_min_tokens=minimum,
            rules=rules,
        )
        for digest, entry in outcome.entries.items():
            self._shadows[digest] = entry
        return prompt_cost(outcome.tokens, ratios)

    def kept(self) -> bytes:
        """The accounts, to be kept over a restart."""
        return msgspec.msgpack.encode(list(self._accounts.recent(len(self._accounts))))

    def restore(self, data: bytes) -> None:
        """Take in what `kept` gave. Raises msgspec.DecodeError for anything else."""
        for app, account in reversed(msgspec.msgpack.decode(data, type=list[tuple[bytes, Account]])):
            self._accounts[app] = account


def prompt_cost(tokens: Tokens, ratios: Ratios) -> float:
    """A prompt's price in input tokens at the base price."""
    return tokens.input + ratios.write_5m * tokens.write_5m + ratios.write_1h * tokens.write_1h + ratios.read * tokens.read
