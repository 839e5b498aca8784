"""Keep-alive pings in a replay: which silent conversation is pinged when, and what that costs.

`core/keepalive.py` decides, as it does in the gateway (`engine/keepalive.py`): fifteen seconds before the entry dies, if a
return is likely enough, until the conversation goes on. An answer in words is marked for an hour by the first ping, which
writes it; where a tool was called, a ping only renews what there is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.audit.replay.asks import Asked
from thriftgate.core.cache import TTL_S, Resident
from thriftgate.core.cost import day_of, pico_at
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.keepalive import Bounds, Ping, is_quiet, objection
from thriftgate.core.money import price_tokens
from thriftgate.core.placement import Ratios, ratios_of
from thriftgate.core.plan import Policy
from thriftgate.core.prices import Rates, Terms
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens
from thriftgate.engine.keepalive import CONVERSATIONS_MAX, EARLY_S
from thriftgate.engine.replay import Costed, Logged, Replay
from thriftgate.engine.settle import Prepared
from thriftgate.engine.snapshot import Knowledge

OVERHEAD_TOKENS = 4  # sent besides the prefix: a message that says nothing

_Owner = TypeVar("_Owner")


class Silence(Generic[_Owner]):
    """A conversation whose end is live, as its last request left it: sent at `at_s`, its whole prompt, and how the end is
    cached (`tokens` of it, for `ttl`). `curve` is the learned chance of a return, `ratios` the prices, `fresh` the tokens of
    an answer that may be marked for an hour, else 0. `read_s` is when the entry was last read, `spent` what this silence's
    pings have cost (input tokens at the base price). Who sends a ping sets `gone` to give the conversation up."""

    __slots__ = (
        "at_s",
        "chain",
        "cumulative",
        "curve",
        "digest",
        "fresh",
        "gone",
        "owner",
        "ratios",
        "read_s",
        "spent",
        "tokens",
        "ttl",
    )

    def __init__(
        self,
        owner: _Owner,
        prompt: tuple[Sequence[bytes], Sequence[int]],
        *,
        digest: bytes,
        tokens: int,
        ttl: Ttl,
        at_s: float,
        curve: Sequence[float],
        ratios: Ratios,
        fresh: int,
    ) -> None:
        self.owner = owner
        self.chain, self.cumulative = prompt
        self.digest = digest
        self.tokens = tokens
        self.ttl: Ttl = ttl
        self.at_s = self.read_s = at_s
        self.curve = curve
        self.ratios = ratios
        self.fresh = fresh
        self.spent = 0.0
        self.gone = False

    @property
    def due_s(self) -> float:
        """When its entry must be read at the latest."""
        return self.read_s + TTL_S[self.ttl] - EARLY_S


class Due(NamedTuple, Generic[_Owner]):
    """A ping that is worth its price: with it the entry lives on for `ttl`."""

    silence: Silence[_Owner]
    at_s: float
    ttl: Ttl
    ping: Ping


class Pinger(Generic[_Owner]):
    """Watches each conversation until it goes on, at most so many at a time. `held` tells which of some prefixes the
    provider's cache is believed to hold."""

    def __init__(
        self, held: Callable[[Sequence[bytes]], Mapping[bytes, Resident]], bounds: Bounds, conversations_max: int
    ) -> None:
        self._held = held
        self._bounds = bounds
        self._conversations_max = conversations_max
        self._watched: dict[bytes, Silence[_Owner]] = {}
        self._due: list[tuple[float, bytes]] = []

    def moved_on(self, chain: Sequence[bytes]) -> None:
        """A request with this prefix is sent: the conversations it goes on with are not silent any more."""
        for digest in list(filter(self._watched.__contains__, chain)):
            del self._watched[digest]

    def watch(self, silence: Silence[_Owner]) -> None:
        """The conversation is silent from now on."""
        self._watched.pop(silence.digest, None)
        self._watched[silence.digest] = silence
        while len(self._watched) > self._conversations_max:
            del self._watched[next(iter(self._watched))]
        if len(self._due) > 2 * self._conversations_max:  # most of them have gone on
            self._due = [(one.due_s, digest) for digest, one in self._watched.items()]
            heapq.heapify(self._due)
        else:
            heapq.heappush(self._due, (silence.due_s, silence.digest))

    def due(self, until_s: float) -> Iterator[Due[_Owner]]:
        """The pings to send before that moment, one after the other; each is taken to be sent unless its silence is given
        up by then."""
        while self._due and self._due[0][0] < until_s:
            at_s, digest = heapq.heappop(self._due)
            silence = self._watched.get(digest)
            if silence is None or silence.due_s != at_s:
                continue
            del self._watched[digest]
            ttl: Ttl = "1h" if silence.fresh else silence.ttl
            ping = self._ping(silence, at_s, ttl)
            if objection(ping, self._bounds):
                continue
            yield Due(silence, at_s, ttl, ping)
            if not silence.gone:
                silence.spent += ping.cost
                silence.read_s, silence.ttl, silence.fresh = at_s, ttl, 0
                self.watch(silence)

    def _ping(self, one: Silence[_Owner], at_s: float, ttl: Ttl) -> Ping:
        silent_s = at_s - one.at_s
        dies_s = one.read_s + TTL_S[one.ttl]
        held, held_until_s = self._held_beyond(one, dies_s)
        return Ping(
            curve=one.curve,
            silent_s=silent_s,
            dies_s=dies_s - one.at_s,
            lives_s=silent_s + TTL_S[ttl],
            tokens=one.tokens,
            fresh=one.fresh if ttl != one.ttl else 0,
            overhead=OVERHEAD_TOKENS,
            read=one.ratios.read,
            write_5m=one.ratios.write_5m,
            write_1h=one.ratios.write_1h,
            spent=one.spent,
            kept=held,
            kept_until_s=held_until_s - one.at_s,
        )

    def _held_beyond(self, one: Silence[_Owner], moment_s: float) -> tuple[int, float]:
        """Tokens of the prefix that the deepest of the other entries that outlive that moment holds, and until when."""
        known = self._held(one.chain)
        held = (
            (tokens, known[digest].expires_s)
            for digest, tokens in zip(one.chain, one.cumulative, strict=True)
            if digest in known and digest != one.digest
        )
        return max(((tokens, until_s) for tokens, until_s in held if until_s > moment_s), default=(0, 0.0))


# --- with the calls of an audit -------------------------------------------------------------------------------------------


class _Payer(Struct, frozen=True):
    """Whose call a conversation ended with, and on what terms."""

    key: str
    terms: Terms
    conversation: int


class Paid(NamedTuple):
    """A ping that was sent: which conversation it belongs to, and what it cost (pico-USD)."""

    conversation: int
    pico: int


class PingedReplay(Replay):
    """A replay in which pings are sent between the calls, within `bounds`. Pings end with the log: who would have come back
    later is not in it, and neither is what waiting for them would have cost."""

    def __init__(self, knowledge: Knowledge, policy: Policy, bounds: Bounds) -> None:
        super().__init__(knowledge, policy)
        self._bounds = bounds
        self._pinger: Pinger[_Payer] = Pinger(knowledge.memory.residency_of, bounds, CONVERSATIONS_MAX)
        self._spent: dict[tuple[int, str], int] = {}  # (day, "key …", or "" for all) -> pico-USD
        self._last: Prepared | None = None

    def pings(self, one: Asked) -> Iterator[Paid]:
        """Send what is due before this call, which ends the silence of its conversation. Each must be taken before the call
        itself is replayed."""
        for due in self._pinger.due(one.logged.at_s):
            pico = self._sent(due)
            if pico is not None:
                yield Paid(due.silence.owner.conversation, pico)
        self._pinger.moved_on(one.prefix.chain)

    def silent(self, one: Asked, rates: Rates, done: Costed) -> None:
        """This call, the last that was replayed, was answered: its conversation is silent from now on. Batches are not
        pinged: nobody knows when they run."""
        assert self._last is not None
        state, marks = self._last.snapshot.state, self._last.plan.breakpoints
        end = state.prefix.last_markable()
        if end is None or not marks or marks[-1].at != end or not state.outlook.prospects or one.mode == "batch":
            return
        digest = state.prefix.chain[end]
        entry = self.knowledge.memory.residency_of([digest]).get(digest)
        covered = done.tokens.prompt - done.tokens.input
        if entry is None or not covered:
            return
        upgrades = one.ended and entry.ttl == "5m" and state.rules.late_upgrade
        self._pinger.watch(
            Silence(
                _Payer(one.logged.key, Terms(one.model, 0, one.mode, one.geo), one.conversation),
                (state.prefix.chain, state.cumulative),
                digest=digest,
                tokens=covered,
                ttl=entry.ttl,
                at_s=state.now_s,
                curve=state.outlook.prospects[-1].curve,
                ratios=ratios_of(rates),
                fresh=done.tokens.output if upgrades else 0,
            )
        )

    def _prepared(self, logged: Logged) -> Prepared:
        self._last = super()._prepared(logged)
        return self._last

    def _sent(self, due: Due[_Payer]) -> int | None:
        """What the ping cost (pico-USD), None where it may not be sent. One that finds its entry gone has to write it, and
        is the last: so it is with the gateway."""
        silence, at_s, ttl, ping = due
        payer, day = silence.owner, day_of(at_s)
        try:
            rates = self.knowledge.book.rates(replace(payer.terms, day=day), ping.tokens + ping.fresh + ping.overhead)
        except UnknownPrice:
            silence.gone = True
            return None
        write = rates.write_1h if ttl == "1h" else rates.write_5m
        worst = price_tokens(ping.tokens + ping.fresh, write) + price_tokens(ping.overhead, rates.input)
        caps = {(day, ""): self._bounds.day_pico, (day, f"key {payer.key}"): self._bounds.key_day_pico}
        over = any(self._spent.get(account, 0) + worst > cap for account, cap in caps.items())
        if over or is_quiet(self._bounds.quiet, at_s):
            silence.gone = True
            return None
        held = self._held.get(silence.digest)
        silence.gone = held is None or not held.live(at_s)
        tokens = Tokens(input=ping.overhead, read=ping.tokens, write_1h=ping.fresh)
        pico = worst if silence.gone else pico_at(tokens, rates)
        entry = Resident(ttl, at_s, at_s + TTL_S[ttl])
        self._held[silence.digest] = entry
        self.knowledge.memory.cached({silence.digest: entry})
        if (day, "") not in self._spent:
            self._spent.clear()  # of days before
        for account in caps:
            self._spent[account] = self._spent.get(account, 0) + pico
        return pico
