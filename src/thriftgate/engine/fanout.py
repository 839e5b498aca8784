"""The fan-out guard: of parallel calls on one cold prefix the first goes ahead, the others wait for its first byte.

A cache entry is readable once the answer that writes it has begun (platform.claude.com/docs/en/build-with-claude/
prompt-caching, 2026-10): N calls sent at once on a cold prefix pay N writes, or one write and N - 1 reads if N - 1 of them
wait that long. Nobody waits for a call that waits itself, so there is no circle; who waits is woken by the first byte, by
the end of the call whatever it is, or by the bound. Calls of other replicas are seen where `share` was called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from thriftgate.core.cache import TTL_S, Resident
from thriftgate.core.plan import Decision, Plan
from thriftgate.core.state import State
from thriftgate.engine.memory import Memory
from thriftgate.engine.snapshot import Snapshot
from thriftgate.shared.writes import Written

ROUNDS = 50  # of waiting for one call after another, none of which has written what this one would
RECENT = 8  # calls in flight that are looked at for what they share with a new one


class SharedWrites(Protocol):
    """What calls of all replicas are writing; see `shared.writes`."""

    async def lead(self, call_id: str, digests: Sequence[bytes], for_s: float) -> Written | None: ...

    def land(self, call_id: str, digests: Sequence[bytes], cached: Sequence[Resident | None]) -> None: ...

    async def landed(self, digest: bytes, until_s: float) -> Resident | None: ...


class Flight:
    """A call from its plan to the first byte of its answer. `writes` are the prefixes it puts into the provider's cache;
    `led` those that other replicas know of, under its id."""

    __slots__ = ("_landed", "chain", "id", "led", "writes")

    def __init__(
        self, chain: Sequence[bytes], writes: Sequence[bytes], call_id: str = "", led: Sequence[bytes] = ()
    ) -> None:
        self.chain = chain
        self.writes = writes
        self.id = call_id
        self.led = led
        self._landed: asyncio.Event | None = None

    def land(self) -> None:
        """Wake those who wait."""
        if self._landed is not None:
            self._landed.set()

    async def landed(self, until_s: float) -> bool:
        """Wait until it has landed; False when `until_s` (time of the event loop) comes first."""
        if self._landed is None:
            self._landed = asyncio.Event()
        try:
            async with asyncio.timeout_at(until_s):
                await self._landed.wait()
        except TimeoutError:
            return False
        return True


class _Elsewhere(NamedTuple):
    """A call of another replica, as it is waited for."""

    shared: SharedWrites
    memory: Memory
    found: Written

    async def landed(self, until_s: float) -> bool:
        """As `Flight.landed`; what is cached by then is known here."""
        resident = self.found.resident or await self.shared.landed(self.found.digest, until_s)
        if resident is not None:
            self.memory.hear({self.found.digest: resident})
        return resident is not None or asyncio.get_running_loop().time() < until_s


class Fanout:
    """The calls in flight. One per engine. A call that comes back from `queue` must `depart` before it gives the loop away:
    so of those that wake together the first departs, and the others see it."""

    def __init__(self) -> None:
        self._shared: tuple[SharedWrites, Memory] | None = None
        self._led: dict[str, Sequence[bytes]] = {}  # calls that are about to depart
        self._writing: dict[bytes, Flight] = {}
        self._flights: dict[bytes, dict[Flight, None]] = {}

    def share(self, writes: SharedWrites, memory: Memory) -> None:
        """See calls of other replicas from now on. `memory` knows what is cached."""
        self._shared = writes, memory

    def pending(self, chain: Sequence[bytes]) -> int | None:
        """Index of the deepest block that this prompt shares with a call in flight: the evidence, before any answer, that a
        prefix is used more than once. None where it shares nothing."""
        flights = self._flights.get(chain[0]) if chain else None
        if not flights:
            return None
        recent = [flight for flight, _ in zip(reversed(flights), range(RECENT), strict=False)]
        return max([_shared(chain, flight.chain) for flight in recent]) - 1

    def ahead(self, state: State, plan: Plan) -> tuple[Flight, State] | None:
        """The call in flight that is writing the deepest prefix which this one would have to write or to send again, and the
        state as it will be when that call's answer has begun. None where there is nothing to wait for."""
        if not self._writing:
            return None
        chain, cumulative = state.prefix.chain, state.cumulative
        known = max(plan.forecast.tokens.read, state.capability.cache_min_tokens - 1)
        for at in range(len(chain) - 1, -1, -1):
            if cumulative[at] <= known:
                return None
            flight = self._writing.get(chain[at])
            if flight is not None:
                return flight, _as_written(state, chain[at])
        return None

    def depart(self, state: State, plan: Plan, call_id: str = "") -> Flight:
        """This call is about to be sent. Every flight must `land`."""
        chain, writes = state.prefix.chain, _written(state, plan)
        flight = Flight(chain, writes, call_id, self._led.pop(call_id, ()))
        for digest in writes:
            self._writing.setdefault(digest, flight)
        if chain:
            self._flights.setdefault(chain[0], {})[flight] = None
        return flight

    def land(self, flight: Flight) -> None:
        """The answer has begun, or none will: wake those who wait. Harmless when it has landed before."""
        for digest in flight.writes:
            if self._writing.get(digest) is flight:
                del self._writing[digest]
        if flight.chain and (beside := self._flights.get(flight.chain[0])) is not None:
            beside.pop(flight, None)
            if not beside:
                del self._flights[flight.chain[0]]
        flight.land()
        led, flight.led = flight.led, ()
        self._tell_landed(flight.id, led)

    def give_up(self, call_id: str) -> None:
        """This call will not be sent. Harmless where it has departed."""
        self._tell_landed(call_id, self._led.pop(call_id, ()))

    def _tell_landed(self, call_id: str, led: Sequence[bytes]) -> None:
        if led and self._shared is not None:
            writes, memory = self._shared
            cached = memory.residency_of(led)
            writes.land(call_id, led, [cached.get(digest) for digest in led])

    async def queue(
        self,
        snapshot: Snapshot,
        plan: Plan,
        *,
        call_id: str = "",
        wait_s: float,
        planned: Callable[[], tuple[Snapshot, Plan]],
        cost_pico: Callable[[State], int],
    ) -> tuple[Snapshot, Plan]:
        """Where a call in flight is writing a prefix that this one would write or send again, let its answer begin, then
        plan anew; at most `wait_s` in all. Who wakes first after a leader that failed is the next one.

        `planned` takes a fresh snapshot and plans; `cost_pico` tells what the call is expected to cost in another state.
        """
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        waited = False
        for _ in range(ROUNDS):
            found = self.ahead(snapshot.state, plan) or await self._ahead_elsewhere(call_id, snapshot.state, plan, wait_s)
            if found is None:
                break
            leader, informed = found
            if cost_pico(informed) >= plan.forecast.pico:
                break
            waited = True
            landed = await leader.landed(began_s + wait_s)
            snapshot, plan = planned()
            if not landed:
                break
        if waited:
            reason = (
                f"waited {(loop.time() - began_s) * 1e3:.0f} ms for the first byte of a call that was writing this prefix"
            )
            plan = replace(plan, decisions=(*plan.decisions, Decision("cache.fanout", "warned", reason)))
        return snapshot, plan

    async def _ahead_elsewhere(
        self, call_id: str, state: State, plan: Plan, wait_s: float
    ) -> tuple[_Elsewhere, State] | None:
        """As `ahead`, of calls of other replicas. Where there is none they are told that this one writes."""
        writes = _written(state, plan) if self._shared is not None and call_id else []
        if self._shared is None or not writes:
            return None
        shared, memory = self._shared
        found = await shared.lead(call_id, writes, wait_s)
        if found is not None:
            return _Elsewhere(shared, memory, found), _as_written(state, found.digest)
        self._led[call_id] = writes
        return None


def _written(state: State, plan: Plan) -> list[bytes]:
    """The prefixes that this call puts into the cache, shallow to deep."""
    chain, tokens = state.prefix.chain, plan.forecast.tokens
    if not tokens.write_5m and not tokens.write_1h:
        return []
    known = max(tokens.read, state.capability.cache_min_tokens - 1)
    return [chain[mark.at] for mark in plan.breakpoints if state.cumulative[mark.at] > known]


def _shared(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """How many blocks two chains have in common. Each digest stands for all before it, so halving finds it."""
    low, high = 1, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[middle - 1] == other[middle - 1]:
            low = middle
        else:
            high = middle - 1
    return low


def _as_written(state: State, digest: bytes) -> State:
    entry = Resident("5m", state.now_s, state.now_s + TTL_S["5m"])
    return replace(state, residency={**state.residency, digest: entry})
