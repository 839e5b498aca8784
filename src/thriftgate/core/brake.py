"""The brake: where our breakpoints cost more than the client's own would have, they are taken back.

For each application two accounts are kept side by side: what its prompts were billed, and what they would have been billed
with the breakpoints the client set (a shadow of the provider's cache; without any, the plain price). A cache write is an
investment, so only a sum over many calls and much more than five minutes says anything. Once ours is more than 2 % dearer,
the client's own breakpoints are left as they are until the excess is diluted to half of that; learning goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

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
SHADOWS_KEPT = 20_000  # over a restart


Verdict = Literal["", "client", "none"]
"""What an application's calls are left with: "" is no brake, "client" its own breakpoints, "none" not even those."""


class Account(Struct, array_like=True):
    """Sums in input tokens at the base price, decayed to `at_s`: what was billed, what the client's breakpoints would have
    cost, and no caching at all. `grown` once it says enough to be judged by itself."""

    since_s: float = 0.0
    at_s: float = 0.0
    calls: float = 0.0
    ours: float = 0.0
    shadow: float = 0.0
    plain: float = 0.0
    braked: bool = False
    grown: bool = False


class _Kept(Struct, array_like=True):
    accounts: list[tuple[bytes, Account]]
    young: Account
    shadows: list[tuple[bytes, Resident]]


class Brake:
    """Owned by one engine; bounded by the number of applications, and of shadow entries.

    `may_drop`: the client's breakpoints may be taken away (mode `full`), so that no caching is an alternative as well.
    Applications that are too young to be judged are judged together: where each user has a system prompt or a key of
    its own, none would ever grow up.
    """

    def __init__(self, *, may_drop: bool = False, apps_max: int = 2_000, shadows_max: int = 50_000) -> None:
        self._may_drop = may_drop
        self._accounts: Generations[bytes, Account] = Generations(apps_max)
        self._shadows: Generations[bytes, Resident] = Generations(shadows_max)
        self._young = Account()

    def holds(self, app: bytes) -> Verdict:
        """What the application's calls are to be left with."""
        account = self._accounts.get(app)
        if account is None or not account.grown:
            account = self._young
        if not account.braked:
            return ""
        return "none" if self._may_drop and account.plain < account.shadow else "client"

    def book(self, app: bytes, ours: float, shadow: float, plain: float, now_s: float) -> bool:
        """Add one call. True when that changed what the application is left with."""
        account = self._accounts.get(app)
        if account is None:
            account = self._accounts[app] = Account()
        before = self.holds(app)
        young = not account.grown
        if young:
            self._add(self._young, ours, shadow, plain, now_s)
        self._add(account, ours, shadow, plain, now_s)
        if young and account.grown:
            self._leave_the_young(account)
        return self.holds(app) != before

    def _leave_the_young(self, account: Account) -> None:
        """From now on it stands for itself, and the others without it."""
        young = self._young
        for name in ("calls", "ours", "shadow", "plain"):
            setattr(young, name, max(0.0, getattr(young, name) - getattr(account, name)))
        self._judge(young, account.at_s)

    def _add(self, account: Account, ours: float, shadow: float, plain: float, now_s: float) -> None:
        if not account.calls:
            account.since_s = account.at_s = now_s
        if now_s - account.at_s > 600.0:
            factor = 0.5 ** ((now_s - account.at_s) / HALF_LIFE_S)
            account.calls *= factor
            account.ours *= factor
            account.shadow *= factor
            account.plain *= factor
            account.at_s = now_s
        account.calls += 1
        account.ours += ours
        account.shadow += shadow
        account.plain += plain
        self._judge(account, now_s)

    def _judge(self, account: Account, now_s: float) -> None:
        enough = account.calls >= CALLS_MIN and now_s - account.since_s >= SPAN_MIN_S
        account.grown = account.grown or enough
        limit = EXCESS_RELEASED if account.braked else EXCESS_MAX
        other = min(account.shadow, account.plain) if self._may_drop else account.shadow
        account.braked = enough and account.ours > limit * other

    def shadow(
        self,
        prefix: Prefix,
        cumulative: Sequence[int],
        client: Sequence[Breakpoint],
        *,
        now_s: float,
        usable_s: float,
        minimum: int,
        rules: CacheRules,
    ) -> Tokens:
        """How the prompt would have been billed with the client's breakpoints."""
        if not client:
            return Tokens(input=cumulative[-1])
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
        return outcome.tokens

    def kept(self) -> bytes:
        """The accounts and the latest shadows, to be kept over a restart."""
        accounts = list(self._accounts.recent(len(self._accounts)))
        return msgspec.msgpack.encode(_Kept(accounts, self._young, list(self._shadows.recent(SHADOWS_KEPT))))

    def restore(self, data: bytes) -> None:
        """Take in what `kept` gave. Raises msgspec.DecodeError for anything else."""
        kept = msgspec.msgpack.decode(data, type=_Kept)
        self._young = kept.young
        for app, account in reversed(kept.accounts):
            self._accounts[app] = account
        for digest, entry in reversed(kept.shadows):
            self._shadows[digest] = entry


def prompt_cost(tokens: Tokens, ratios: Ratios) -> float:
    """A prompt's price in input tokens at the base price."""
    return tokens.input + ratios.write_5m * tokens.write_5m + ratios.write_1h * tokens.write_1h + ratios.read * tokens.read


def in_billed_tokens(shadow: Tokens, expected: Tokens, billed: Tokens) -> Tokens:
    """The shadow's bill, which is in estimated tokens, in tokens as the provider counted them.

    What was read and written up to where is known of our own breakpoints in both counts; in between it is interpolated. So
    where both forecasts agree, the result is the bill itself; and what the provider had lost, the shadow had not either.
    """
    knots = sorted(zip(_depths(expected), _depths(billed), strict=True))
    read, hour, written, _ = (_interpolated(depth, knots) for depth in _depths(shadow))
    return Tokens(input=billed.prompt - written, write_5m=written - hour, write_1h=hour - read, read=read)


def _depths(tokens: Tokens) -> tuple[int, int, int, int]:
    """Up to where is read, written for an hour, written at all, and the end of the prompt."""
    hour = tokens.read + tokens.write_1h
    return tokens.read, hour, hour + tokens.write_5m, tokens.prompt


def _interpolated(depth: int, knots: Sequence[tuple[int, int]]) -> int:
    before, told_before = 0, 0
    for at, told in knots:
        if depth <= at:
            return told if at == before else told_before + (told - told_before) * (depth - before) // (at - before)
        before, told_before = at, told
    return told_before
