"""Keep pausing conversations in the provider's cache where that is expected to pay. Off by default: nobody asked for it.

What was last sent of a conversation is kept in memory only. It is forgotten as soon as the conversation goes on, a ping is
not worth its price (`core/keepalive.py`), or an answer says anything but that the whole prefix was read.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable, Sequence

from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.cache import TTL_S, client_breakpoints
from thriftgate.core.cost import day_of
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.keepalive import AFTER_429_S, REFILL_S, SPARE_SHARE, Bounds, Ping, is_quiet, objection, spare_share
from thriftgate.core.money import price_tokens
from thriftgate.core.prices import SECONDS_PER_DAY, Rates, Terms
from thriftgate.core.request import Ttl, parse_request
from thriftgate.engine.call import Call
from thriftgate.engine.settle import Prepared
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.tasks import Tasks
from thriftgate.engine.touch import Purpose, Touched, Toucher
from thriftgate.ledger.entries import UPSTREAM, Entry, Ledger
from thriftgate.providers.transport import Headers, Incoming
from thriftgate.wire.assemble import Answer, Assembler, read_answer
from thriftgate.wire.ping import forbids_ping, plain_ping, upgrading_ping

ACCOUNT, ENDPOINT = "cache.keepalive", "keepalive"
EARLY_S = 15.0  # before the end of an entry's life
TICK_S = 5.0  # how often it is looked whether a ping is due: well within EARLY_S
CONVERSATIONS_MAX = 1_000
BYTES_MAX = 32 * 1024 * 1024
ANSWER_BYTES_MAX = 1024 * 1024
PLACEHOLDER_TOKENS = 16  # the message behind the answer, and its frame


class Kept:
    """A conversation that is silent: the call as it was sent, what of it is cached, and what was spent since."""

    __slots__ = (
        "answer",
        "call",
        "covered",
        "curve",
        "fresh",
        "held",
        "key",
        "number",
        "read_s",
        "spent",
        "started_s",
        "terms",
        "ttl",
    )

    def __init__(self, call: Call, prepared: Prepared, entry: Entry, ttl: Ttl, answer: Answer | None) -> None:
        tokens = entry.usage.total
        # Nothing of the connection that it came by: that is over, and its buffers would be held as long as this.
        self.call = replace(call, body=prepared.plan.body, parent=entry.id, left=None, admission=None)
        self.key = prepared.key
        self.terms: Terms = prepared.plan.terms
        self.curve = prepared.snapshot.state.outlook.prospects[-1].curve
        self.started_s = self.read_s = prepared.snapshot.state.now_s
        self.covered = tokens.read + tokens.write_5m + tokens.write_1h
        self.ttl = ttl
        self.answer = answer if answer is not None and answer.stop_reason == "end_turn" and ttl == "5m" else None
        self.fresh = tokens.output if self.answer is not None else 0
        self.held: list[tuple[int, float]] = []
        self.spent = 0.0
        self.number = 0

    @property
    def due_s(self) -> float:
        return self.read_s + TTL_S[self.ttl] - EARLY_S

    def held_beyond(self, moment_s: float) -> tuple[int, float]:
        """Tokens of the prefix that the deepest of the entries that outlive that moment holds, and until when."""
        return max(((tokens, until_s) for tokens, until_s in self.held if until_s > moment_s), default=(0, 0.0))

    @property
    def weight(self) -> int:
        return len(self.call.body) + 8 * self.fresh


class Watched:
    """An answer on its way, with a copy of it put together. See `transport.Incoming`."""

    def __init__(self, incoming: Incoming) -> None:
        self.status = incoming.status
        self.headers = incoming.headers
        self._incoming = incoming
        self._assembler = Assembler(ANSWER_BYTES_MAX)

    def answer(self) -> Answer | None:
        return self._assembler.answer()

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._incoming.chunks():
            self._assembler.feed(chunk)
            yield chunk

    async def read(self) -> bytes:
        return await self._incoming.read()

    def at_end(self) -> bool:
        return self._incoming.at_end()

    def close(self) -> None:
        self._incoming.close()


class KeepAlive:
    """One per engine. The engine tells it of each call (`moved_on`, `heard`, `ended`); it pings by itself, as long as this
    process leads."""

    def __init__(
        self,
        *,
        bounds: Bounds,
        clock: Clock,
        tasks: Tasks,
        knowledge: Knowledge,
        toucher: Toucher,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._bounds = bounds
        self._clock = clock
        self._tasks = tasks
        self._knowledge = knowledge
        self._toucher = toucher
        self._leads = leads
        self._kept: dict[bytes, Kept] = {}
        self._bytes = 0
        self._due: list[tuple[float, int, bytes]] = []
        self._numbers = itertools.count(1)
        self._spent: dict[tuple[int, str], int] = {}  # (day, key, or "" for all) -> pico-USD, what is under way included
        self._spare: dict[tuple[str, str], tuple[float, float]] = {}  # (key, model) -> share left, when
        self._paused_until_s = 0.0
        self._stopped = False
        self._runner: asyncio.Task[None] | None = None

    async def led(self, ledger: Ledger, *, leads: bool) -> None:
        """This process leads from now on, or no longer: one keeps to the caps for all. Raises LedgerError."""
        if leads:
            await self.load(ledger)
        else:
            self._kept.clear()
            self._bytes = 0

    async def load(self, ledger: Ledger) -> None:
        """What was spent today before this process: the caps hold over restarts. Raises LedgerError."""
        self._spent.clear()
        day = day_of(self._clock.now_s())
        after = ""
        while entries := await ledger.entries(since_us=day * SECONDS_PER_DAY * 10**6, after=after):
            for entry in entries:
                if entry.endpoint == ENDPOINT:
                    self._spend(day, entry.key, -entry.posted(UPSTREAM))
            after = entries[-1].id

    def moved_on(self, chain: Sequence[bytes]) -> None:
        """A call with this prefix is sent: the conversations it goes on with are not silent any more."""
        if self._kept:
            for digest in chain:
                self._forget(digest)

    def heard(self, key: str, model: str, headers: Headers, *, limited: bool) -> None:
        """What an answer says of the rate limits; `limited` where one was hit: no pings for a while."""
        now_s = self._clock.now_s()
        if limited:
            self._paused_until_s = now_s + AFTER_429_S
        share = spare_share(headers)
        if share is not None:
            if len(self._spare) > CONVERSATIONS_MAX:
                self._spare.clear()
            self._spare[key, model] = share, now_s

    def ended(self, call: Call, prepared: Prepared, entry: Entry, answer: bytes | Watched) -> None:
        """A call was answered and booked: its conversation is silent from now on."""
        plan, state = prepared.plan, prepared.snapshot.state
        if entry.outcome != "answered" or entry.usage_source != "exact" or entry.usage.iterations or state.in_thread:
            return
        if not state.outlook.prospects:
            return
        if not plan.breakpoints or plan.breakpoints[-1].at != state.prefix.last_markable() or forbids_ping(prepared.request):
            return
        digest = state.prefix.chain[plan.breakpoints[-1].at]
        resident = self._knowledge.memory.residency_of([digest]).get(digest)
        if resident is None or self._stopped or not self._leads():
            return
        content = read_answer(answer) if isinstance(answer, bytes) else answer.answer()
        kept = Kept(call, prepared, entry, resident.ttl, content)
        kept.held = self._held(prepared, digest)
        if not kept.covered or kept.weight > BYTES_MAX:
            return
        self._keep(digest, kept)

    def _held(self, prepared: Prepared, end: bytes) -> list[tuple[int, float]]:
        """The other entries on the way, by their tokens and when they end."""
        state = prepared.snapshot.state
        known = self._knowledge.memory.residency_of(state.prefix.chain)
        return [
            (tokens, known[digest].expires_s)
            for digest, tokens in zip(state.prefix.chain, state.cumulative, strict=True)
            if digest in known and digest != end
        ]

    def stop(self) -> None:
        """No further ping."""
        self._stopped = True
        self._kept.clear()
        self._due.clear()
        if self._runner is not None:
            self._runner.cancel()

    def _keep(self, digest: bytes, kept: Kept) -> None:
        self._forget(digest)
        kept.number = next(self._numbers)
        self._kept[digest] = kept
        self._bytes += kept.weight
        while len(self._kept) > CONVERSATIONS_MAX or self._bytes > BYTES_MAX:
            self._forget(next(iter(self._kept)))
        if len(self._due) > 2 * CONVERSATIONS_MAX:  # most of them have gone on
            self._due = [(one.due_s, one.number, at) for at, one in self._kept.items()]
            heapq.heapify(self._due)
        else:
            heapq.heappush(self._due, (kept.due_s, kept.number, digest))
        if self._runner is None or self._runner.done():
            self._runner = self._tasks.spawn(self._run())

    def _forget(self, digest: bytes) -> None:
        kept = self._kept.pop(digest, None)
        if kept is not None:
            self._bytes -= kept.weight

    async def _run(self) -> None:
        while self._due:
            due_s, number, digest = self._due[0]
            wait_s = due_s - self._clock.now_s()
            kept = self._kept.get(digest)
            if kept is None or kept.number != number:
                heapq.heappop(self._due)
            elif wait_s > 0:
                await self._clock.sleep(min(wait_s, TICK_S))
            else:
                heapq.heappop(self._due)
                self._forget(digest)
                self._tasks.spawn(self._consider(digest, kept))

    async def _consider(self, digest: bytes, kept: Kept) -> None:
        """Send a ping if it is worth it, and keep the conversation for the next one if all of it was read."""
        now_s = self._clock.now_s()
        body, ttl = self._body(kept)
        fresh = kept.fresh if ttl != kept.ttl else 0
        rates = self._knowledge.book.rates(kept.terms, kept.covered)
        ping = _ping(kept, rates, now_s, ttl, fresh)
        tokens_max = kept.covered + 2 * fresh + PLACEHOLDER_TOKENS  # the answer's length is what the model counted as output
        worst_pico = price_tokens(tokens_max, rates.write_1h if ttl == "1h" else rates.write_5m)
        late = now_s >= kept.read_s + TTL_S[kept.ttl]
        if late or self._stands_in_the_way(kept, worst_pico, now_s) or objection(ping, self._bounds):
            return
        chance = ping.chance(ping.dies_s, ping.lives_s)
        reason = f"{chance:.0%} come back in the time bought: {ping.cost:,.0f} tokens to save {ping.saving:,.0f} on average"
        call = replace(kept.call, body=body)
        touched = await self._sent(call, kept.key, reason, worst_pico)
        if touched is None or touched.entry.outcome != "answered" or touched.tokens.read < kept.covered:
            return
        written = touched.tokens.write_5m + touched.tokens.write_1h
        if written and not fresh:
            return
        kept.call = call
        kept.covered, kept.ttl, kept.read_s = touched.tokens.read + written, ttl, now_s
        kept.answer, kept.fresh = None, 0
        kept.spent += touched.paid_pico / max(1, price_tokens(1, rates.input))
        self._keep(digest, kept)

    async def _sent(self, call: Call, key: str, reason: str, worst_pico: int) -> Touched | None:
        """Send it within the caps; None where no answer came."""
        day = day_of(self._clock.now_s())
        self._spend(day, key, worst_pico)
        paid_pico = worst_pico  # may have been billed, where nothing tells
        try:
            prepared = self._toucher.plan(call, key)
            touched = await self._toucher.send(call, prepared, Purpose(ACCOUNT, ENDPOINT, reason), stands_back=True)
            paid_pico = touched.paid_pico
        except ThriftgateError:
            return None
        finally:
            self._spend(day, key, paid_pico - worst_pico)
        self.heard(key, prepared.request.model, touched.headers, limited=touched.entry.status == 429)
        return touched

    def _body(self, kept: Kept) -> tuple[bytes, Ttl]:
        """What to send, and how long the entry then lives."""
        if kept.answer is not None:
            request = parse_request(kept.call.body)
            state = self._knowledge.snapshot(request, kept.key, self._clock.now_s(), upstream=kept.call.upstream).state
            end = state.prefix.last_markable()
            if state.rules.late_upgrade and end is not None:
                body = upgrading_ping(request, state.prefix, end, kept.answer.content)
                if body is not None and self._all_hour(body, kept):
                    return body, "1h"
        return plain_ping(kept.call.body), kept.ttl

    def _all_hour(self, body: bytes, kept: Kept) -> bool:
        """Whether every breakpoint of it is one of an hour: a nested one that is not would make the request invalid."""
        request = parse_request(body)
        now_s = self._clock.now_s()
        prefix = self._knowledge.snapshot(request, kept.key, now_s, upstream=kept.call.upstream).state.prefix
        marks = client_breakpoints(request, prefix)
        return all(mark.ttl == "1h" for mark in marks)

    def _stands_in_the_way(self, kept: Kept, worst_pico: int, now_s: float) -> bool:
        day = day_of(now_s)
        if now_s < self._paused_until_s or is_quiet(self._bounds.quiet, now_s):
            return True
        share, heard_s = self._spare.get((kept.key, kept.terms.model), (1.0, 0.0))
        if share < SPARE_SHARE and now_s - heard_s < REFILL_S:
            return True
        if self._spent.get((day, ""), 0) + worst_pico > self._bounds.day_pico:
            return True
        return self._spent.get((day, kept.key), 0) + worst_pico > self._bounds.key_day_pico

    def _spend(self, day: int, key: str, pico: int) -> None:
        if (day, "") not in self._spent:
            self._spent = {known: spent for known, spent in self._spent.items() if known[0] >= day - 1}
        for account in ((day, ""), (day, key)):
            self._spent[account] = self._spent.get(account, 0) + pico


def _ping(kept: Kept, rates: Rates, now_s: float, ttl: Ttl, fresh: int) -> Ping:
    silent_s = now_s - kept.started_s
    held, held_until_s = kept.held_beyond(kept.read_s + TTL_S[kept.ttl])
    return Ping(
        curve=kept.curve,
        silent_s=silent_s,
        dies_s=kept.read_s + TTL_S[kept.ttl] - kept.started_s,
        lives_s=silent_s + TTL_S[ttl],
        tokens=kept.covered,
        fresh=fresh,
        overhead=PLACEHOLDER_TOKENS,
        read=rates.read / rates.input,
        write_5m=rates.write_5m / rates.input,
        write_1h=rates.write_1h / rates.input,
        spent=kept.spent,
        kept=min(kept.covered, held),
        kept_until_s=held_until_s - kept.started_s,
    )
