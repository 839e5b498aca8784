"""From a call at the door to a planned one: what is done to it, in order, and what it is expected to cost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.agents.limits import Amount, judge
from thriftgate.core.control.limit_shelf import Caller
from thriftgate.core.control.limits import needs_of
from thriftgate.core.control.whose import scopes_of
from thriftgate.core.errors import InputError, ThriftgateError
from thriftgate.core.levers.agent_guard import AgentGuard
from thriftgate.core.levers.count_guard import CountGuard
from thriftgate.core.levers.route_rules import RouteRules
from thriftgate.core.plan import Plan, Policy
from thriftgate.core.reduction.change import Change
from thriftgate.core.request import Request, parse_request
from thriftgate.core.rewrite import Rewritten, prepare, with_savings
from thriftgate.core.splice import Edit, apply
from thriftgate.core.stability.watch import StabilityWatch
from thriftgate.engine.admission import Admission
from thriftgate.engine.budgeting import NOTHING_ASKED, Budgeting, Squeeze
from thriftgate.engine.call import Call, WholeReply
from thriftgate.engine.fanout import Fanout, Flight
from thriftgate.engine.guarding import Guarding
from thriftgate.engine.keepalive import KeepAlive
from thriftgate.engine.limiting import Limiting
from thriftgate.engine.moving import moved
from thriftgate.engine.provider_side import ProviderSide
from thriftgate.engine.reducing import Reducer
from thriftgate.engine.routing import TASK_HEADER, Router
from thriftgate.engine.settle import Added, Prepared
from thriftgate.engine.shaping import Shaper, Wanted
from thriftgate.engine.snapshot import Knowledge, Snapshot
from thriftgate.engine.talks import Talking
from thriftgate.engine.unreduced import Unreduced, forecast_savings
from thriftgate.engine.unsent import Books, Opened, as_refusal, refuse, refused
from thriftgate.engine.upstreams import Upstreams
from thriftgate.ledger.entries import Ledger
from thriftgate.logs import log, where_raised
from thriftgate.providers.transport import Headers, header
from thriftgate.wire.anthropic_messages import count_body, read_count


class Rooms(NamedTuple):
    """What takes part in planning a call. `books` says what every entry says of where it comes from; `forward` sends a free
    call; `count_path` is where the tokens of a call can be counted for free, "" where they cannot."""

    knowledge: Knowledge
    router: Router
    reducer: Reducer
    guarding: Guarding
    shaper: Shaper
    provider_side: ProviderSide
    fanout: Fanout
    upstreams: Upstreams
    stability: StabilityWatch
    keepalive: KeepAlive | None
    budgeting: Budgeting
    limiting: Limiting
    ledger: Ledger
    clock: Clock
    books: Callable[[], Books]
    forward: Callable[[Call], Awaitable[WholeReply]]
    count_path: Callable[[Call], str]


class Chosen(NamedTuple):
    """What was chosen for a call."""

    rewritten: Rewritten
    snapshot: Snapshot
    plan: Plan
    wanted: Wanted | None
    talking: Talking | None
    added: Added


class Preparer:
    """One per engine. `may_wait` says whether a call of that key, with those headers, may wait for another."""

    def __init__(
        self,
        rooms: Rooms,
        *,
        policy: Policy,
        wait_s: Callable[[str, Headers], float],
        new_id: Callable[[], str],
        payer_of: Callable[[Call], str],
    ) -> None:
        self._rooms = rooms
        self._knowledge = rooms.knowledge
        self._policy = policy
        self._wait_s = wait_s
        self._new_id = new_id
        self._payer_of = payer_of

    async def prepare(self, call: Call) -> tuple[Prepared, Flight]:
        """Plan a call. One that may not be made is booked as refused. Raises InputError, PolicyRefusal, UnknownPrice and
        LedgerError."""
        now_s = self._rooms.clock.now_s()
        named = header(call.headers, TASK_HEADER)[:100]
        opened = Opened(self._new_id(), int(now_s * 1e6), self._payer_of(call), call.dialect.name, call.whose, named)
        try:
            return await self._prepare(call, opened, now_s)
        except BaseException:
            self._rooms.fanout.give_up(opened.id)
            raise

    async def _prepare(self, call: Call, opened: Opened, now_s: float) -> tuple[Prepared, Flight]:
        rooms, model = self._rooms, ""
        plan: Plan | None = None
        try:
            request = call.dialect.parse(call.body)
            model = request.model
            call = rooms.upstreams.chosen(call, request, opened.key)
            policy, route = rooms.router.enrol(request, opened.key, self._allowed(call))
            request, policy, squeeze = self._squeezed(call, request, opened.key, policy, now_s)
            rewritten = replace(prepare(request, self._knowledge.models[model], policy), route=route)
            guarded = rooms.guarding.look(call, request, opened.key, policy, now_s)
            rewritten, talking = await rooms.reducer.reduce(rewritten, call, opened.key, policy, now_s)
            rewritten = rooms.router.route(rewritten, call, opened.key, policy, now_s, first=squeeze.rule)
            home = call
            call, rewritten = moved(rooms.upstreams, call, rewritten, opened.key)
            rewritten = replace(
                rewritten,
                guard=guarded.guard if guarded is not None else None,
                changes={**rewritten.changes, **{lever: Change(False, why) for lever, why in call.unreused}},
            )
            unshaped = rewritten
            rewritten, wanted = rooms.shaper.shape(unshaped, call, opened.key, policy, now_s)
            rewritten, added = rooms.provider_side.asked(rewritten, call, opened.key, policy, now_s)
            snapshot, plan = await self._permitted(call, rewritten, opened.key, policy)
            if plan.refusal is not None and rewritten.asked is not None:  # no lever shall forbid a call
                call, unshaped = home, unshaped.unrouted("it would take this call over its limit")
                rewritten, wanted = rooms.shaper.shape(unshaped, call, opened.key, policy, now_s)
                rewritten, added = rooms.provider_side.asked(rewritten, call, opened.key, policy, now_s)
                snapshot, plan = await self._permitted(call, rewritten, opened.key, policy)
            wait_s = 0.0 if plan.refusal is not None or plan.held_out else self._wait_s(opened.key, call.headers)
            if wait_s > 0:
                snapshot, plan = await rooms.fanout.queue(
                    snapshot,
                    plan,
                    call_id=opened.id,
                    wait_s=wait_s,
                    planned=lambda: self._planned(rewritten, call, opened.key, policy),
                    cost_pico=lambda state: rewritten.plan(state, policy).forecast.pico,
                )
            admission = call.admission if plan.refusal is None else None
            if admission is not None and await self._let_in(admission, call, opened, rewritten, plan):  # it has waited
                snapshot, plan = self._planned(rewritten, call, opened.key, policy)
            refusal = plan.refusal
            if refusal is None and guarded is not None:  # nothing may wait between this and the call
                refusal = rooms.guarding.take(opened.id, guarded, plan, rewritten.request.max_tokens, snapshot.state)
            if refusal:
                refuse(refusal)
        except Exception as raised:
            error = as_refusal(raised)
            error.call_id = opened.id
            await rooms.ledger.settle(refused(opened, model, plan, error, rooms.books()))
            if isinstance(error, InputError):
                raise error from None
            raise
        try:
            return self._prepared(call, opened, request, Chosen(rewritten, snapshot, plan, wanted, talking, added), policy)
        except BaseException:
            rooms.guarding.runs.release(opened.id)
            raise

    def _squeezed(
        self, call: Call, request: Request, key: str, policy: Policy, now_s: float
    ) -> tuple[Request, Policy, Squeeze]:
        """The call as the stages of its budgets leave it. Raises BudgetExceeded."""
        rooms = self._rooms
        if not rooms.budgeting.on:
            return request, policy, NOTHING_ASKED
        task = rooms.router.task_of(request, key, call.headers)
        scopes = scopes_of(key, call.whose, model=request.model, provider=self._provider_of(call), task=task)
        squeeze = rooms.budgeting.look(scopes, int(now_s * 1e6))
        squeeze.check(waits=call.waited)
        if squeeze.no_fast and "speed" in request.members:
            request = call.dialect.parse(apply(request.body, [Edit(("speed",), None)]))
        if squeeze.rule is not None and RouteRules.id not in policy.levers:
            policy = replace(policy, levers=(*policy.levers, RouteRules.id))
        return request, policy, squeeze

    async def _let_in(self, admission: Admission, call: Call, opened: Opened, rewritten: Rewritten, plan: Plan) -> bool:
        """Take what the call needs of its limits; whether it had to wait for that. Raises LimitExceeded."""
        task = plan.route.task if plan.route is not None else ""
        caller = Caller(opened.key, opened.whose, rewritten.request.model, self._provider_of(call), task)
        needs = needs_of(plan.forecast.tokens, plan.forecast.pico, requests=1, concurrency=1)
        return await self._rooms.limiting.let_in(admission, opened.id, caller, needs, call.left)

    async def _asks(self, call: Call) -> None:
        """A question about a prompt is a request, too. Raises LimitExceeded."""
        rooms = self._rooms
        if not rooms.limiting.on:
            return
        key, model, task = self._payer_of(call), "", ""
        with suppress(ThriftgateError, RecursionError):  # the provider says what is wrong with it
            request = parse_request(call.body, needs_max_tokens=False)
            model, task = request.model, rooms.router.task_of(request, key, call.headers)
        caller = Caller(key, call.whose, model, self._provider_of(call), task)
        await rooms.limiting.asked(caller)

    def _provider_of(self, call: Call) -> str:
        return self._rooms.upstreams.provider(call.upstream).name

    async def as_sent(self, call: Call) -> bytes:
        """The body of a question about a prompt, with the prompt as it would go out now: thinking that answered a shortened
        conversation fits no other. As it came where it cannot be read: the provider says what is wrong with it. Raises
        LimitExceeded."""
        rooms = self._rooms
        await self._asks(call)
        try:
            request = parse_request(call.body, needs_max_tokens=False)
            rewritten = prepare(request, self._knowledge.models[request.model], self._policy)
            key = self._payer_of(call)
            now_s = rooms.clock.now_s()
            sent = await rooms.reducer.as_sent(rewritten, call, key, self._policy, now_s)
            sent, _ = rooms.shaper.shape(sent, call, key, self._policy, now_s)
            return call.body if sent.request is request else count_body(sent.request)
        except ThriftgateError:
            return call.body
        except Exception as error:  # noqa: BLE001  law 4: savings fail open
            log.error("prompt not counted as it is sent", error=type(error).__name__, at=where_raised(error))
            return call.body

    def _prepared(
        self, call: Call, opened: Opened, request: Request, chosen: Chosen, policy: Policy
    ) -> tuple[Prepared, Flight]:
        """The call is going out: what is to be known of it by then."""
        rooms = self._rooms
        rewritten, snapshot, plan, wanted, talking, added = chosen
        self._watch(opened.key, request)
        self._knowledge.observe(snapshot, opened.key)
        if rooms.keepalive is not None:
            rooms.keepalive.moved_on(snapshot.state.prefix.chain)
        plan, unreduced = self._told(rewritten, (opened.key, call.upstream), snapshot, plan, policy)
        prepared = Prepared(
            opened.id,
            opened.opened_us,
            opened.key,
            rewritten.request,
            snapshot,
            plan,
            call.dialect,
            call.parent,
            rewritten.asked,
            unreduced,
            wanted,
            call.cut,
            talking,
            added,
            call.whose,
            call.upstream,
            admission=call.admission,
            purses=call.purses,
            failed=call.failed,
        )
        return prepared, rooms.fanout.depart(snapshot.state, plan, opened.id)

    def _planned(self, rewritten: Rewritten, call: Call, key: str, policy: Policy) -> tuple[Snapshot, Plan]:
        now_s = self._rooms.clock.now_s()
        snapshot = self._knowledge.snapshot(rewritten.request, key, now_s, upstream=call.upstream)
        return snapshot, rewritten.plan(snapshot.state, policy)

    async def _permitted(self, call: Call, rewritten: Rewritten, key: str, policy: Policy) -> tuple[Snapshot, Plan]:
        """The plan; where it refuses a prompt by its estimate, the plan for its true length."""
        snapshot, plan = self._planned(rewritten, call, key, policy)
        if _rests_on_estimate(plan, rewritten) and await self._counted(call, rewritten.request, snapshot):
            snapshot, plan = self._planned(rewritten, call, key, policy)
        return snapshot, plan

    def _told(
        self, rewritten: Rewritten, keys: tuple[str, str], snapshot: Snapshot, plan: Plan, policy: Policy
    ) -> tuple[Plan, Unreduced | None]:
        """The plan with what the levers of the prompt are expected to save, and the prompt before they acted. `keys` are the
        client's and the provider's."""
        original = rewritten.original
        if original is None:
            return plan, None
        try:
            if original.model != rewritten.request.model:  # as the model reads it that serves
                model = Edit(("model",), b'"%b"' % rewritten.request.model.encode())
                original = parse_request(apply(original.body, [model]), needs_max_tokens=False)
            state = self._knowledge.snapshot(
                original, keys[0], snapshot.state.now_s, outlook=not plan.breakpoints, supposed=True, upstream=keys[1]
            ).state
            unreduced = self._knowledge.shadows.expect(
                original, state, plan, sent=snapshot.state.prefix, changes=rewritten.changes, policy=policy
            )
            return with_savings(plan, forecast_savings(unreduced, plan, self._knowledge.book)), unreduced
        except Exception as error:  # noqa: BLE001  the call goes on; what was saved on it is not known then
            log.error("prompt not priced as it came", error=type(error).__name__, at=where_raised(error))
            return plan, None

    def _watch(self, key: str, request: Request) -> None:
        """Look what breaks prefixes in what clients send. Whatever goes wrong with that, the call goes on."""
        rooms = self._rooms
        try:
            rooms.stability.see(key, request, self._knowledge.models[request.model].tokenizer, rooms.clock.now_s())
        except Exception as error:  # noqa: BLE001  a call without a remark on it is better than none
            log.error("prefix not examined", error=type(error).__name__, at=where_raised(error))

    async def _counted(self, call: Call, request: Request, snapshot: Snapshot) -> bool:
        """Have the provider count a prompt that our upper bound would refuse: free, and only worth a round trip here.

        True when the count is known now. Any failure leaves the estimate standing: money fails closed.
        """
        path = self._rooms.count_path(call)
        if not path or not snapshot.state.prefix.chain:
            return False
        try:
            body = count_body(request)
            reply = await self._rooms.forward(replace(call, path=path, body=body))
        except ThriftgateError:
            return False
        tokens = read_count(reply.body) if reply.status == 200 else None
        if tokens is None:
            return False
        self._knowledge.tokens.learn(snapshot.state.capability.id, snapshot.state.prefix.chain[-1], tokens)
        return True

    def _allowed(self, call: Call) -> Policy:
        """The policy under the limit that the caller has set."""
        limits = [limit for limit in (self._policy.cost_limit_pico, call.cost_limit_pico) if limit is not None]
        return replace(self._policy, cost_limit_pico=min(limits)) if call.cost_limit_pico is not None else self._policy


def _rests_on_estimate(plan: Plan, rewritten: Rewritten) -> bool:
    """Whether a call is refused by how long its prompt is taken to be: counting it may show that it is shorter."""
    refused = {one.lever for one in plan.decisions if one.decision == "refused"}
    if AgentGuard.id in refused and rewritten.guard is not None:
        return judge(rewritten.guard, Amount()).action != "stop"  # else it would be refused at any length
    return CountGuard.id in refused
