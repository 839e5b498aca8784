"""Plans written down: `tests/golden/levers/<lever id>/*.toml`, each a request, what is known, exactly what must leave."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.core.planning import BOOK, MODELS, NOW_S, outlook_of, prefix_of, request_of, state_of
from tests.fixtures import call_of
from thriftgate.core.agents.limits import Guard
from thriftgate.core.cache import TTL_S, Resident
from thriftgate.core.deadline import Choice
from thriftgate.core.levers import LEVERS
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.core.output.directive import LEVERS as SHAPING
from thriftgate.core.output.rules import OutputRule
from thriftgate.core.placement import CacheMode
from thriftgate.core.plan import Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.reduction.change import Change
from thriftgate.core.reduction.further import Further
from thriftgate.core.reduction.recipe import HistoryPolicy, Recipe
from thriftgate.core.reduction.recognition import ends_of
from thriftgate.core.reduction.rewrites import REWRITES
from thriftgate.core.reduction.steps import Step
from thriftgate.core.request import Request, Ttl
from thriftgate.core.rewrite import Rewritten
from thriftgate.core.routing.choice import Route
from thriftgate.core.state import Shared, State
from thriftgate.engine.conversations import Conversations, Sent
from thriftgate.engine.doubts import Doubts
from thriftgate.engine.history import Historian
from thriftgate.engine.manners import Manners
from thriftgate.engine.provider_side import ProviderSide
from thriftgate.engine.reducing import Reducer
from thriftgate.engine.routes import NO_ROUTING
from thriftgate.engine.routing import Router
from thriftgate.engine.shaping import OutputTable, Shaper
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.talks import Talks

FOLDER = Path(__file__).parents[2] / "golden" / "levers"


class Expected5m1h(Struct, frozen=True, forbid_unknown_fields=True):
    """How likely the prefix up to a block is sent again within five minutes, and within the hour."""

    block: int
    p5: float
    p1: float


class Live(Struct, frozen=True, forbid_unknown_fields=True):
    """An entry that the provider holds, by the age of its last use."""

    block: int
    ttl: Ttl
    ago_s: float


class Deferred(Struct, frozen=True, forbid_unknown_fields=True):
    """What was found for a call whose caller has named a deadline."""

    batch: bool
    reason: str


class SharedUpTo(Struct, frozen=True, forbid_unknown_fields=True):
    """What other jobs begin with, too."""

    block: int
    ttl: Ttl
    reason: str


class Known(Struct, frozen=True, forbid_unknown_fields=True):
    """What the decision knows; every block counts `block_tokens`."""

    block_tokens: int
    output_tokens: int = 50
    expect: list[Expected5m1h] = []
    live: list[Live] = []
    deferral: Deferred | None = None
    shared: SharedUpTo | None = None
    route: Route | None = None
    guard: Guard | None = None
    changes: dict[str, Change] = {}
    step: Step | None = None
    """What was left out of the conversation before."""

    def told(self, state: State) -> State:
        """The state with what is known of a call that can wait, and of its model."""
        deferral, shared = self.deferral, self.shared
        return replace(
            state,
            deferral=None if deferral is None else Choice(deferral.batch, NOW_S + 3600.0, 1.0, deferral.reason),
            shared=None if shared is None else Shared(shared.block, shared.ttl, shared.reason),
            route=self.route,
            guard=self.guard,
            changes=self.changes,
        )


class Allowed(Struct, frozen=True, forbid_unknown_fields=True):
    """The bits of the policy that matter here."""

    cost_limit_usd: str | None = None
    on_cost_limit: Literal["refuse", "warn"] = "refuse"
    cache_mode: CacheMode = "ttl-only"
    recipe: dict[str, str | int | bool] = {}
    output: dict[str, Any] = {}

    def rule(self) -> OutputRule:
        """The one rule of the table; its schema is written as text."""
        schema = str(self.output.get("schema", "")).encode()
        return replace(msgspec.convert({"name": "the rule", **self.output, "schema": b""}, OutputRule), schema=schema)

    def recipe_of(self, lever: str) -> Recipe:
        """The recipe with the one lever on."""
        return msgspec.convert({"rewrites": (lever,), **self.recipe}, Recipe)


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the plan."""

    decision: str
    reason: str
    forecast_usd: str = "0"


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """The lever's line, and the body where it is not the client's own."""

    plan: Line
    outgoing: str | None = None


class Golden(Struct, frozen=True, forbid_unknown_fields=True):
    """One file."""

    title: str
    request: str
    state: Known
    expected: Expected
    policy: Allowed = Allowed()


STEPS = frozenset({"context.window", "context.compact"})
NOBODY: Any = None  # no provider is asked for anything here


def reduced(request: Request, policy: Policy) -> Rewritten:
    """The request as it is sent, by an engine that knows nothing yet."""
    knowledge = Knowledge(BOOK, MODELS)
    reducer = Reducer(
        knowledge,
        Conversations(),
        historian=Historian(knowledge, NOBODY, NOBODY, NOBODY),
        doubts=Doubts(NOBODY, lambda _: ""),
        provider_side=ProviderSide(knowledge),
        shaper=Shaper(OutputTable(), Manners(), Router(NO_ROUTING, knowledge, b""), knowledge),
    )
    return asyncio.run(reducer.reduce(Rewritten(request, ()), call_of(request.body), "key_a", policy, NOW_S))[0]


def gone_on(request: Request, policy: Policy, step: Step | None) -> Rewritten:
    """The request as it is sent by an engine that has taken this step of its conversation, or none."""
    knowledge, conversations = Knowledge(BOOK, MODELS), Conversations()
    turns = knowledge.snapshot(request, "key_a", NOW_S, outlook=False).state.prefix.turns
    if step is not None:
        conversations.note(ends_of(turns, "key_a")[step.upto - 1], Sent(conversations.named(Recipe()), step=step))
    reducer = Reducer(
        knowledge,
        conversations,
        historian=Historian(knowledge, NOBODY, Talks(), Further()),
        doubts=Doubts(NOBODY, lambda _: ""),
        provider_side=ProviderSide(knowledge),
        shaper=Shaper(OutputTable(), Manners(), Router(NO_ROUTING, knowledge, b""), knowledge),
    )
    policy = replace(policy, history=HistoryPolicy(clears=True))
    return asyncio.run(reducer.reduce(Rewritten(request, ()), call_of(request.body), "key_a", policy, NOW_S))[0]


def shaped(request: Request, policy: Policy, rule: OutputRule, live: Sequence[Live]) -> Rewritten:
    """The request with what the rule asks of its answer, by an engine that has seen none yet."""
    knowledge = Knowledge(BOOK, MODELS)
    chain = knowledge.snapshot(request, "key_a", NOW_S, outlook=False).state.prefix.chain
    knowledge.memory.cached(held(chain, live))
    shaper = Shaper(OutputTable((rule,)), Manners(), Router(NO_ROUTING, knowledge, b""), knowledge)
    return shaper.shape(Rewritten(request, ()), call_of(request.body), "key_a", policy, NOW_S)[0]


def held(chain: Sequence[bytes], live: Sequence[Live]) -> dict[bytes, Resident]:
    """The entries, by the digest that the provider finds them by."""
    return {chain[one.block]: Resident(one.ttl, NOW_S - one.ago_s, NOW_S - one.ago_s + TTL_S[one.ttl]) for one in live}


FILES = sorted(FOLDER.glob("*/*.toml"))


def load(path: Path) -> Golden:
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Golden)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_plan(path: Path) -> None:
    golden = load(path)
    request = request_of(golden.request.strip().encode())
    chain = prefix_of(request).chain
    known = golden.state
    state = state_of(
        request,
        tokens=known.block_tokens,
        output_tokens=known.output_tokens,
        outlook=outlook_of(*((one.block, one.p5, one.p1) for one in known.expect)) if known.expect else None,
        residency=held(chain, known.live),
    )
    limit = golden.policy.cost_limit_usd
    policy = Policy(
        (path.parent.name,),
        cost_limit_pico=pico_from_usd(limit) if limit is not None else None,
        on_cost_limit=golden.policy.on_cost_limit,
        cache_mode=golden.policy.cache_mode,
    )
    if known.step is not None or path.parent.name in STEPS:
        rewritten = gone_on(request, policy, known.step)
        state = state_of(rewritten.request, tokens=known.block_tokens, output_tokens=known.output_tokens)
        plan = rewritten.plan(known.told(state), policy)
    elif path.parent.name in REWRITES:
        rewritten = reduced(request, msgspec.structs.replace(policy, recipe=golden.policy.recipe_of(path.parent.name)))
        plan = rewritten.plan(known.told(state), policy)
    elif path.parent.name in SHAPING:
        rewritten = shaped(request, policy, golden.policy.rule(), known.live)
        state = state_of(rewritten.request, tokens=known.block_tokens, output_tokens=known.output_tokens)
        plan = rewritten.plan(known.told(state), policy)
    else:
        plan = make_plan(request, known.told(state), policy)
    (line,) = [one for one in plan.decisions if one.lever == path.parent.name]
    assert Line(line.decision, line.reason, usd_from_pico(line.forecast_pico)) == golden.expected.plan
    if golden.expected.outgoing is None:
        assert plan.body is request.body
    else:
        assert plan.body.decode() == golden.expected.outgoing.strip()


@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: lever.id)
def test_every_lever_is_written_down_acting_and_standing_aside(lever: object) -> None:
    lever_id = str(getattr(lever, "id", ""))
    decisions = {load(path).expected.plan.decision for path in FILES if path.parent.name == lever_id}
    assert "skipped" in decisions
    assert decisions - {"skipped"}


def test_every_folder_is_a_lever() -> None:
    assert {path.parent.name for path in FILES} == {lever.id for lever in LEVERS}
