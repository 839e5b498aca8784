"""Do one call. Four verbs: `messages` (planned and booked), `forward` (free endpoints), `recover` and `close`."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.agents.limits import GuardLimits
from thriftgate.core.generations import Generations
from thriftgate.core.keepalive import Bounds
from thriftgate.core.plan import Policy
from thriftgate.core.reduction.further import Further
from thriftgate.core.stability.watch import MEMORY as STABILITY
from thriftgate.core.stability.watch import StabilityWatch
from thriftgate.engine.again import BAD_REQUEST, Again
from thriftgate.engine.budgeting import Budgeting
from thriftgate.engine.call import Call, Reply, WholeReply
from thriftgate.engine.carrying import Carrier
from thriftgate.engine.cascade import Cascading
from thriftgate.engine.conversations import Conversations
from thriftgate.engine.doubts import Doubts
from thriftgate.engine.failover import Failover
from thriftgate.engine.fanout import Fanout
from thriftgate.engine.governing import Governor
from thriftgate.engine.guarding import Guarding
from thriftgate.engine.hedging import Attempt
from thriftgate.engine.history import Historian
from thriftgate.engine.keepalive import KeepAlive
from thriftgate.engine.keeping import Keepable, Keeper
from thriftgate.engine.leading import Leading
from thriftgate.engine.limiting import NO_LIMITS, Limiting, LimitsTable
from thriftgate.engine.limits import Limits
from thriftgate.engine.manners import Manners
from thriftgate.engine.preparing import Preparer, Rooms
from thriftgate.engine.provider_side import ProviderSide, with_betas
from thriftgate.engine.reducing import Reducer
from thriftgate.engine.reply import forwarded
from thriftgate.engine.retry import attempts_allowed
from thriftgate.engine.reusing.room import Reusing
from thriftgate.engine.routes import NO_ROUTING, RoutingTable
from thriftgate.engine.routing import Router
from thriftgate.engine.runs import KEPT_S, Runs
from thriftgate.engine.runs import MEMORY as RUNS
from thriftgate.engine.sending import Sender, Tries
from thriftgate.engine.shaping import NOTHING_ASKED, OutputTable, Shaper
from thriftgate.engine.sharing import Sharing
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.sweeping import Sweeper
from thriftgate.engine.talks import Talks
from thriftgate.engine.targets import Pool
from thriftgate.engine.tasks import Tasks
from thriftgate.engine.touch import Toucher
from thriftgate.engine.turns import Turns
from thriftgate.engine.unsent import Books
from thriftgate.engine.upstreams import Upstreams
from thriftgate.engine.ways import Ways
from thriftgate.engine.witness import Witness
from thriftgate.ledger.budgets import BudgetBook
from thriftgate.ledger.connection import Presence
from thriftgate.ledger.entries import UPSTREAM, Entry, Ledger
from thriftgate.providers.transport import Transport

_T = TypeVar("_T")


class GuardTable(Struct, frozen=True):
    """How far agents may go, and how long what they spent is remembered (seconds)."""

    limits: GuardLimits = GuardLimits()
    kept_s: float = KEPT_S


NO_CEILINGS = GuardTable()


class Engine:
    """One per process. Built by `build.build_engine`; everything it touches is handed in. `liveness` tells which processes
    that write these books are alive, `leading` whether this one leads them. `own_key` is the key that
    `provider` puts in the place of the clients'; "" where it passes theirs through."""

    def __init__(
        self,
        *,
        pool: Pool,
        transport: Transport,
        ledger: Ledger,
        knowledge: Knowledge,
        policy: Policy,
        limits: Limits,
        clock: Clock,
        new_id: Callable[[], str],
        key_salt: bytes,
        liveness: Presence | None = None,
        leading: Leading | None = None,
        routing: RoutingTable = NO_ROUTING,
        guard: GuardTable = NO_CEILINGS,
        output: OutputTable = NOTHING_ASKED,
        keeps_summaries: bool = False,
        own_key: str = "",
        draw: Callable[[], float] = lambda: 0.0,
        budgets: BudgetBook | None = None,
        callers: LimitsTable = NO_LIMITS,
    ) -> None:
        self.provider, self.own_key, self.transport = pool.default, own_key, transport
        self.ledger, self.knowledge = ledger, knowledge
        self.policy, self.limits, self.clock = policy, limits, clock
        self.tasks, self.reusing = Tasks(), Reusing()
        self.sharing: Sharing | None = None
        self.leading = leading or Leading()
        self.sweeper = Sweeper(ledger, liveness, self._books, clock=clock, tasks=self.tasks)
        self.budgeting = Budgeting(budgets, clock, self.tasks)
        self.limiting = Limiting(callers, clock, self.tasks)
        ledger.heard.extend((self.budgeting.settled, self.limiting.settled))
        self.fanout = Fanout()
        self.governor = Governor(limits.governor, clock, self.tasks) if limits.governor is not None else None
        self.upstreams = Upstreams(
            pool, limits.choice, governor=self.governor, knowledge=knowledge, policy=policy, clock=clock
        )
        self._turns = Turns(self.governor) if self.governor is not None else None
        self._failover = Failover(self.upstreams, limits.failover, clock)
        self.toucher = self._made_toucher(new_id)
        self._sender = Sender(transport, clock, limits.timeouts, limits.retry, draw)
        self._keepalive = self._made_keepalive(limits.keepalive)
        self._liveness = liveness
        self.new_id = new_id
        self._key_salt = key_salt
        self._keys: Generations[str, str] = Generations(10_000)
        self._stability = StabilityWatch()
        self.router = Router(routing, knowledge, key_salt)
        conversations, runs, manners = Conversations(keeps_summaries=keeps_summaries), Runs(guard.kept_s), Manners()
        talks, further = Talks(), Further()
        self._shaper = Shaper(output, manners, self.router, knowledge)
        self._historian = Historian(knowledge, self.toucher, talks, further)
        self._guarding = Guarding(runs, guard.limits, knowledge)
        self.toucher.booked = lambda entry: self._guarding.booked(entry, self.clock.now_s())
        memories: dict[str, Keepable] = {
            "conversations": conversations,
            "manners": manners,
            "talks": talks,
            "further": further,
            RUNS: runs,
            "routes": self.router.standings,
            "spending": self.router.spending,
            STABILITY: self._stability,
        }
        self._keeper = Keeper({**knowledge.memories, **memories}, ledger, clock, self.tasks)
        self._provider_side = ProviderSide(knowledge)
        self.carrier = self._made_carrier(output.cap_rate)
        self._ways = self._made_ways()
        self._preparer = self._made_preparer(conversations)

    def _made_ways(self) -> Ways:
        ways = Ways(
            cascade=Cascading(self.toucher, self.router, self.knowledge, self.clock),
            again=Again(self.toucher),
            carrier=self.carrier,
            failover=self._failover,
            hedging=self.limits.hedging,
            guarding=self._guarding,
            fanout=self.fanout,
            sweeper=self.sweeper,
            ledger=self.ledger,
            clock=self.clock,
            tasks=self.tasks,
            prepare=self._prepared,
            booked=self._booked,
            books=self._books,
        )
        self.ledger.heard.append(ways.hedging.settled)
        return ways

    def _made_toucher(self, new_id: Callable[[], str]) -> Toucher:
        return Toucher(
            upstreams=self.upstreams,
            turns=self._turns,
            failover=self._failover,
            transport=self.transport,
            ledger=self.ledger,
            knowledge=self.knowledge,
            timeouts=self.limits.timeouts,
            clock=self.clock,
            new_id=new_id,
        )

    def _made_keepalive(self, bounds: Bounds | None) -> KeepAlive | None:
        if bounds is None:
            return None
        keepalive = KeepAlive(
            bounds=bounds,
            clock=self.clock,
            tasks=self.tasks,
            knowledge=self.knowledge,
            toucher=self.toucher,
            leads=lambda: self.leading.leads,
        )
        self.leading.changed.append(lambda leads: keepalive.led(self.ledger, leads=leads))
        return keepalive

    def _made_carrier(self, cap_rate: float) -> Carrier:
        return Carrier(
            upstreams=self.upstreams,
            turns=self._turns,
            sender=self._sender,
            ledger=self.ledger,
            knowledge=self.knowledge,
            clock=self.clock,
            tasks=self.tasks,
            fanout=self.fanout,
            guarding=self._guarding,
            historian=self._historian,
            keepalive=self._keepalive,
            budgeting=self.budgeting,
            failover=self._failover,
            retry=self.limits.retry,
            drain=self.limits.drain,
            cap_rate=cap_rate,
            booked=self._booked,
            provider_side=self._provider_side,
        )

    def _made_preparer(self, conversations: Conversations) -> Preparer:
        reducer = Reducer(
            self.knowledge,
            conversations,
            historian=self._historian,
            doubts=Doubts(self.forward, self.upstreams.count_path),
            provider_side=self._provider_side,
            shaper=self._shaper,
        )
        return Preparer(
            Rooms(
                knowledge=self.knowledge,
                router=self.router,
                reducer=reducer,
                guarding=self._guarding,
                shaper=self._shaper,
                provider_side=self._provider_side,
                fanout=self.fanout,
                upstreams=self.upstreams,
                stability=self._stability,
                keepalive=self._keepalive,
                budgeting=self.budgeting,
                limiting=self.limiting,
                ledger=self.ledger,
                clock=self.clock,
                books=self._books,
                forward=self.forward,
                count_path=self.upstreams.count_path,
            ),
            policy=self.policy,
            wait_s=lambda key, headers: self.limits.fanout_wait_s if self.limits.may_wait(key, headers) else 0.0,
            new_id=self.new_id,
            payer_of=self.payer_of,
        )

    async def messages(self, call: Call) -> Reply:
        """Plan, hold, send, meter, settle one Messages call.

        Raises PolicyRefusal, UnknownPrice (nothing sent, booked as refused), UpstreamError (booked as such) and
        LedgerError (nothing sent, or the answer is withheld because it could not be booked).
        """
        return await self.limiting.within(call, self.reusing.around(self._answered))

    async def _answered(self, call: Call) -> Reply:
        attempt = await self._prepared(call)
        if attempt.prepared.plan.tries:
            tried = await self._ways.tried(attempt)
            if isinstance(tried, WholeReply):
                return tried
            attempt = await self._prepared(tried)
            self.router.standings.escalated(attempt.prepared.snapshot.state.prefix.chain, attempt.prepared.request.model)
        while isinstance(found := await self._ways.carried(attempt), Call):
            attempt = await self._prepared(found)
        if attempt.call.refused and found.status < BAD_REQUEST:
            self._shaper.refused(attempt.call.refused, self.clock.now_s())
        return found

    async def _prepared(self, call: Call) -> Attempt:
        """The planned call, and the call as it is to be made."""
        prepared, flight = await self._preparer.prepare(call)
        if call.upstream != prepared.upstream:
            call = replace(call, upstream=prepared.upstream)
        return Attempt(with_betas(call, prepared.added.betas), prepared, flight)

    async def count(self, call: Call) -> WholeReply:
        """How many tokens a prompt has, free: of the prompt as it would be sent, in a conversation that was made shorter
        the short one. Raises UpstreamError and LimitExceeded."""
        return await self.forward(replace(call, body=await self._preparer.as_sent(call)))

    async def forward(self, call: Call) -> WholeReply:
        """Send a free call (model list, token counting, batches) on as it is. Raises UpstreamError."""
        provider = self.upstreams.asked(call)
        outgoing = provider.prepare(call.method, call.path, call.query, call.headers, call.body)
        sent = await self._sender.send(outgoing, attempts_allowed(self.limits.retry, call.headers), Tries())
        body = sent.other_body
        if body is None:
            try:
                body = await sent.incoming.read()
            finally:
                sent.incoming.close()
        return WholeReply(sent.incoming.status, forwarded(sent.incoming.headers), body)

    async def recover(self) -> int:
        """Take up what was learned, and close what killed processes left open. Returns how many holds that were."""
        await self._keeper.restore()
        found = await self.sweeper.sweep()
        self.leading.duties.append(self.sweeper.sweep)
        await self.leading.told()
        await self.budgeting.refresh()
        await self.limiting.refresh()
        return found

    @property
    def worker_name(self) -> str:
        """The name of this process in the ids of its calls."""
        return self.sweeper.worker_name

    def is_alive(self, process: str) -> bool:
        """Whether another process of that name is at work on these books."""
        return self.sweeper.is_alive(process)

    def in_doubt(self, process: str) -> bool:
        """Whether that is not known yet, and is soon."""
        return self.sweeper.in_doubt(process)

    def stopping(self) -> None:
        """The end is near: calls that wait to be sent are told so, and no other may begin to wait."""
        if self.governor is not None:
            self.governor.stop()

    async def close(self) -> None:
        """Settle what is under way, then let go of everything."""
        self.stopping()
        if self._keepalive is not None:
            self._keepalive.stop()
        await self.leading.close()
        await self.tasks.finish(self.limits.shutdown_s)
        if self.leading.leads:
            await self._keeper.keep()
        await self.transport.close()
        await self.reusing.close()
        if self.sharing is not None:
            await self.sharing.close()
        await self.ledger.close()
        if self._liveness is not None:
            self._liveness.close()

    async def abandon(self) -> None:
        """Let go of everything and put nothing down: it was never begun."""
        await self.leading.close()
        await self.transport.close()
        await self.reusing.close()
        await self.ledger.close()
        if self._liveness is not None:
            self._liveness.close()

    def payer_of(self, call: Call) -> str:
        """The name in the books of the key that a call is made with."""
        return call.key or self.key_of(call.credential)

    def key_of(self, credential: str) -> str:
        """A stable name for a key that does not give it away: keyed hash, 12 hex digits."""
        known = self._keys.get(credential)
        if known is None:
            known = "key_" + hmac_digest(self._key_salt, credential.encode(), sha256).hex()[:12] if credential else "none"
            self._keys[credential] = known
        return known

    @property
    def witness(self) -> Witness | None:
        """Who hears answered calls."""
        return self.carrier.witness

    @witness.setter
    def witness(self, witness: Witness | None) -> None:
        self.carrier.witness = witness

    async def witnessed(self, name: str, witness: Witness, memory: Keepable) -> None:
        """Let `witness` hear answered calls. What it learns is kept as `name`, and taken up from there. Raises
        LedgerError."""
        await self.remember(name, memory)
        self.witness = witness

    async def remember(self, name: str, memory: Keepable) -> None:
        """Keep what `memory` learns as `name`, and take it up from there. Raises LedgerError."""
        await self._keeper.add(name, memory)

    def keep_soon(self) -> None:
        """Put down what was learned, in the background."""
        self.tasks.spawn(self._keeper.keep())

    def _booked(self, entry: Entry) -> None:
        self.router.spending.add(entry.key, -entry.posted(UPSTREAM), self.clock.now_s())
        if self.leading.leads:
            self._keeper.keep_if_due()

    def _books(self) -> Books:
        return Books(self.provider.name, self.knowledge.book.id, int(self.clock.now_s() * 1e6))
