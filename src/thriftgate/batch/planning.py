"""Plan the jobs of a run: the one planner, told that a job can wait and what it shares with others."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from thriftgate.core.alike import Alike
from thriftgate.core.cache import TTL_S, Resident
from thriftgate.core.cost import day_of, pico_at
from thriftgate.core.deadline import Choice
from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.core.levers.batch_defer import BatchDefer, unfit
from thriftgate.core.plan import Decision, Plan, Policy
from thriftgate.core.prices import Mode, Rates, Terms
from thriftgate.core.request import Request, parse_request
from thriftgate.core.rewrite import Rewritten, prepare
from thriftgate.core.state import Shared
from thriftgate.core.usage import Tokens
from thriftgate.engine.snapshot import Knowledge, Snapshot
from thriftgate.ledger.jobs import Bound, Group, Role

BOUNDS_MAX = 4  # boundaries of a prompt that are looked at as a shared prefix
_ALONE = Shared(-1, "5m", "no other job of this run shares enough of its prompt")


class Drafted(NamedTuple):
    """A job that was read and measured: what there is to plan it by. `model` is the id that prices are under."""

    rewritten: Rewritten
    snapshot: Snapshot

    @property
    def request(self) -> Request:
        return self.rewritten.request


class Worth(NamedTuple):
    """What a job is expected to use and cost, each on its own and unmarked; at worst in a batch (tokens, pico-USD)."""

    prompt_tokens: int
    output_tokens: int
    standard_pico: int
    batch_pico: int
    worst_pico: int


class Planner:
    """Plans jobs of one key under one policy. `deferral` is what was found for their deadline; `alike` knows jobs that were
    found fit; `upstream` names the provider's key that they are sent with, where that is the gateway's own."""

    def __init__(
        self,
        knowledge: Knowledge,
        policy: Policy,
        key: str,
        deferral: Choice,
        alike: Alike | None = None,
        *,
        upstream: str = "",
    ) -> None:
        self.knowledge = knowledge
        self.policy = policy
        self.key = key
        self.upstream = upstream
        self.deferral = deferral
        self.alike = alike or Alike()

    def draft(self, params: bytes, now_s: float, key: str = "", *, outlook: bool = False) -> Drafted:
        """Read and measure a call, by what is known of its `key` (none: the planner's own). `outlook` where it may also be
        made by itself: then counts what is expected of later calls. Raises InputError for one that no batch takes, or whose
        model is not known or retired."""
        known = self.alike.cast(params)
        request = known or parse_request(params)
        capability = self.knowledge.models[request.model]
        if not capability.known:
            raise InputError(f"model: {request.model!r} is not known; name a model of the table in docs/reference/models.md")
        if capability.is_retired(day_of(now_s)):
            raise InputError(f"model: {request.model} was retired on {capability.retired}")
        aside = unfit(request) or ("" if capability.batch else f"{request.model} cannot be batched")
        if aside:
            raise InputError(aside)
        rewritten = prepare(request, capability, self.policy)
        snapshot = self.knowledge.snapshot(
            rewritten.request, key or self.key, now_s, outlook=outlook, upstream=self.upstream
        )
        if known is None:
            self.alike.learn(request)
        return Drafted(rewritten, snapshot)

    def plan(self, drafted: Drafted, group: Group | None, role: Role) -> Plan:
        """Plan a job as a member of its group. Raises UnknownPrice."""
        state = drafted.snapshot.state
        shared, residency = _ALONE, {}
        if group is not None and role != "plain" and group.ttl and group.digest in state.prefix.chain:
            why = "writes" if role == "lead" else "reads"
            shared = Shared(
                state.prefix.chain.index(group.digest),
                group.ttl,
                f"{why} the prefix of about {group.prefix_tokens} tokens that {group.items} jobs share ({group.ttl})",
            )
            if role == "follow":
                life_s = TTL_S[group.ttl]
                residency = {group.digest: Resident(group.ttl, state.now_s - 1, state.now_s + life_s)}
        state = replace(state, shared=shared, residency=residency, deferral=self.deferral, braked="")
        plan = drafted.rewritten.plan(state, self.policy)
        if BatchDefer.id not in plan.applied():
            why = next((one.reason for one in plan.decisions if one.lever == BatchDefer.id), "")
            raise InputError(f"this call cannot be put into a batch: {why}")
        return plan

    def worth(self, drafted: Drafted) -> Worth:
        """What the job would cost by itself. Raises UnknownPrice."""
        state, request = drafted.snapshot.state, drafted.request
        total = state.cumulative[-1] if state.cumulative else 0
        upper = state.upper[-1] if state.upper else 0
        standard, batch = self.rates(drafted, "standard", total), self.rates(drafted, "batch", total)
        tokens = Tokens(input=total, output=min(state.output_tokens, request.max_tokens))
        worst = Tokens(write_1h=upper, output=request.max_tokens)
        return Worth(
            total,
            tokens.output,
            pico_at(tokens, standard),
            pico_at(tokens, batch),
            pico_at(worst, self.rates(drafted, "batch", upper)),
        )

    def worst_call_pico(self, params: bytes, now_s: float) -> int:
        """The most that the job can cost as a synchronous call (pico-USD). Raises InputError, UnknownPrice."""
        drafted = self.draft(params, now_s)
        upper = drafted.snapshot.state.upper[-1] if drafted.snapshot.state.upper else 0
        worst = Tokens(write_1h=upper, output=drafted.request.max_tokens)
        return pico_at(worst, self.rates(drafted, "standard", upper))

    def rates(self, drafted: Drafted, mode: Mode, prompt_tokens: int) -> Rates:
        """The rate card of a job in one mode. Raises UnknownPrice."""
        request, state = drafted.request, drafted.snapshot.state
        if request.mode == "fast":
            raise UnknownPrice("speed: fast mode cannot be batched")
        terms = Terms(request.model, day_of(state.now_s), mode, request.geo or "global")
        return state.book.rates(terms, prompt_tokens)

    def bounds(self, drafted: Drafted, seq: int) -> list[Bound]:
        """The boundaries that other jobs may share: the end of tools and system, and the first ones behind it. None where
        the client marks for itself: it is left its own."""
        state = drafted.snapshot.state
        prefix, minimum = state.prefix, state.capability.cache_min_tokens
        if prefix.marks_count or drafted.request.automatic is not None or not state.cumulative:
            return []
        head = prefix.head_end()
        first = head if head is not None else 0
        places = [
            at
            for at in range(first, len(prefix.blocks) - 1)
            if prefix.blocks[at].part.markable and state.cumulative[at] >= minimum
        ][:BOUNDS_MAX]
        if not places:
            return []
        total = state.cumulative[-1]
        rates = self.rates(drafted, "batch", total)
        answer = state.output_tokens * rates.output // rates.input if rates.input else 0
        model = drafted.request.model
        return [
            Bound(seq, prefix.chain[at], model, state.cumulative[at], total - state.cumulative[at] + answer) for at in places
        ]


class Plans:
    """The distinct decisions of a batch's jobs, which are few: the forecasts of each, which are not, stay out of them."""

    def __init__(self) -> None:
        self._known: dict[tuple[Decision, ...], int] = {}

    def number(self, decisions: tuple[Decision, ...]) -> int:
        """Under which number these decisions are kept."""
        plain = tuple(replace(one, forecast_pico=0) if one.forecast_pico else one for one in decisions)
        return self._known.setdefault(plain, len(self._known))

    def encoded(self) -> bytes:
        return msgspec.json.encode(list(self._known))


def read_plans(data: bytes) -> list[tuple[Decision, ...]]:
    """Back from `Plans.encoded`."""
    return msgspec.json.decode(data, type=list[tuple[Decision, ...]])
