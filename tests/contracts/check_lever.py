"""What every lever must do. A lever is checked by handing it to each of `CHECKS`.

The requests come from the seeded traffic of the laws, the knowledge about them is drawn as well: levers must be harmless
whatever a snapshot says.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from tests.core.planning import curve_of
from tests.laws.traffic import Traffic
from thriftgate.core.agents.limits import Guard, GuardLimits
from thriftgate.core.cache import TTL_S, CacheRules, Resident, client_breakpoints
from thriftgate.core.cost import day_of
from thriftgate.core.deadline import Choice as Deferral
from thriftgate.core.memo import PartMemo
from thriftgate.core.placement import CacheMode
from thriftgate.core.plan import Draft, Lever, Policy, Proposal, Refuse, Skip, Without
from thriftgate.core.prefix import Prefix, read_prefix
from thriftgate.core.prices import Terms
from thriftgate.core.reduction.change import Change
from thriftgate.core.request import Request, parse_request
from thriftgate.core.reuse import Outlook, Prospect
from thriftgate.core.routing.choice import Asked, Choice, Route
from thriftgate.core.splice import apply
from thriftgate.core.state import Shared, State
from thriftgate.core.usage import Iteration, Tokens, Usage
from thriftgate.pricing.load import load_book, load_models

Check = Callable[[Lever], None]
BOOK, MODELS = load_book(), load_models()
SEEDS = 40
STEPS = 5
NOW_S = 1_795_262_400.0
DEFERRALS = (Deferral(True, NOW_S + 3600, 0.9, "due in 2 h"), Deferral(False, NOW_S - 60, 0.0, "due in 60 s"))
ROUTES = ("route.rules", "route.learned", "route.cascade")
MODES: tuple[CacheMode, ...] = ("observe", "ttl-only", "add", "full")
HEADINGS = ("What", "Why it saves", "When it must not", "Example", "Source")
ID = re.compile(r"[a-z]+\.[a-z_]+")


class Scene(NamedTuple):
    """A request, what is believed about it, and what may be done."""

    request: Request
    draft: Draft
    state: State
    policy: Policy

    @property
    def may_wait(self) -> bool:
        return self.state.deferral is not None and self.state.deferral.batch

    def ask(self, lever: Lever) -> Proposal | Skip | Refuse:
        return lever.propose(self.request, self.draft, self.state, self.policy)


@cache
def scenes(lever_id: str) -> tuple[Scene, ...]:
    """Requests of all sorts, each under a random belief."""
    return tuple(scene for seed in range(SEEDS) for scene in _sequence(seed, lever_id))


def _sequence(seed: int, lever_id: str) -> Iterator[Scene]:
    random, traffic = Random(seed), Traffic(seed)
    for _ in range(STEPS):
        step = traffic.step()
        traffic.answered(step, [])
        body = {key: value for key, value in step.body.items() if random.random() < 0.5 or key != "cache_control"}
        if random.random() < 0.6:
            body = _without_marks(body)
        yield _scene(parse_request(msgspec.json.encode(body)), random, lever_id)


def _scene(request: Request, random: Random, lever_id: str) -> Scene:
    prefix = read_prefix(request, MODELS[request.model], PartMemo(), b"org")
    counts = [random.choice((0, 1, 300, 5_000)) for _ in prefix.blocks]
    held = random.sample(prefix.chain, random.randint(0, min(3, len(prefix.chain))))
    ages = (0.0, 200.0, 400.0, 3_599.0, 5_000.0)
    state = State(
        now_s=NOW_S,
        usable_s=NOW_S,
        capability=MODELS[request.model],
        book=BOOK,
        prefix=prefix,
        cumulative=tuple(accumulate(counts)),
        upper=tuple(accumulate(2 * count for count in counts)),
        output_tokens=random.randint(0, 500),
        residency={digest: _resident(random, NOW_S - random.choice(ages)) for digest in held},
        outlook=_outlook(prefix, random),
        rules=CacheRules(),
        deferral=random.choice((None, *DEFERRALS)),
        shared=_shared(random, prefix),
        route=_route(request, random),
        changes=_changes(lever_id, random),
        guard=_guard(random),
    )
    choice = state.route.choice if state.route is not None else None
    model = choice.asked if choice is not None else request.model
    terms = Terms(model, day_of(NOW_S), request.mode, request.geo or "global")
    mode = random.choice(MODES)
    policy = Policy((lever_id,), random.choice((None, 0, 10**9, 10**13)), random.choice(("refuse", "warn")), mode)
    return Scene(request, Draft(terms, request.max_tokens, client_breakpoints(request, prefix)), state, policy)


def _outlook(prefix: Prefix, random: Random) -> Outlook:
    """Any expectation of the end and of some blocks before it."""
    tail = prefix.last_markable()
    if tail is None:
        return Outlook()
    markable = [at for at in range(tail) if prefix.blocks[at].part.markable]
    places = sorted(random.sample(markable, random.randint(0, min(4, len(markable)))))
    prospects: list[Prospect] = []
    for at in (*places, tail):
        p5 = random.random()
        prospects.append(Prospect(at, curve_of(p5, p5 + random.random() * (1 - p5)), random.random()))
    return Outlook(tuple(prospects), random.random(), random.random())


def _shared(random: Random, prefix: Prefix) -> Shared | None:
    """Whatever of the prompt other jobs share, or nothing; mostly there are none."""
    if random.random() < 0.7:
        return None
    at = random.randrange(-1, len(prefix.blocks)) if prefix.blocks else -1
    return Shared(at, random.choice(tuple(TTL_S)), "40 jobs share it")


def _route(request: Request, random: Random) -> Route | None:
    """Another model was asked for, by the word of some lever, or none has found anything."""
    if random.random() < 0.4:
        return None
    if random.random() < 0.3:
        return Route("task", asides={lever: f"{lever} found nothing" for lever in ROUTES[: random.randint(0, 3)]})
    lever, asked = random.choice(ROUTES), random.choice([row.model for row in BOOK.rows])
    reason = f"{asked} → {request.model}: rule 'a'"
    return Route("task", Choice(lever, asked, request.model, reason, ratio=random.choice((0.7, 1.0, 1.4))))


def _changes(lever_id: str, random: Random) -> dict[str, Change]:
    """What was done before, by this lever and by another."""
    mine = random.choice((None, Change(False, "it would not get shorter"), Change(True, "200 tokens became 90", 200, 90)))
    return {"compress.json": Change(True, "9 tokens became 8", 9, 8)} | ({lever_id: mine} if mine is not None else {})


def _guard(random: Random) -> Guard | None:
    """A ceiling on single calls, or nothing that is guarded."""
    if random.random() < 0.5:
        return None
    return Guard(GuardLimits(call_tokens=random.choice((0, 1, 10**7)), on_limit=random.choice(("stop", "warn"))))


def _resident(random: Random, since_s: float) -> Resident:
    ttl = random.choice(tuple(TTL_S))
    return Resident(ttl, since_s, since_s + TTL_S[ttl])


def _without_marks(value: Any) -> Any:
    """The value as if no breakpoint had ever been set."""
    if isinstance(value, dict):
        return {key: _without_marks(inner) for key, inner in value.items() if key != "cache_control"}
    return [_without_marks(inner) for inner in value] if isinstance(value, list) else value


def visible(body: bytes) -> Any:
    """What the model sees of a request, in one spelling: no breakpoints, text content as a list of blocks."""
    seen = _without_marks(json.loads(body))
    if isinstance(seen.get("system"), str):
        seen["system"] = [{"type": "text", "text": seen["system"]}]
    for message in seen["messages"]:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    return seen


def usages(seed: int) -> Iterator[tuple[Usage, Terms]]:
    """Usages of every shape, and terms of every model there is a price for."""
    random = Random(seed)
    kinds = ("message", "compaction", "advisor_message", "fallback_message", "of_tomorrow")

    def tokens() -> Tokens:
        plain, five, hour, read = (random.choice((0, 1, random.randint(0, 300_000))) for _ in range(4))
        output = random.choice((0, 1, random.randint(0, 100_000)))
        return Tokens(plain, five, hour, read, output, random.randint(0, output))

    for row in BOOK.rows:
        steps = tuple(
            Iteration(random.choice(kinds), tokens(), random.choice(("", row.model)))
            for _ in range(random.choice((0, 0, 3)))
        )
        yield Usage(tokens(), random.randint(0, 3), steps), Terms(row.model, random.randint(0, 30_000), row.mode)


# --- the checks -----------------------------------------------------------------------------------------------------------


def its_id_is_an_account_of_the_ledger(lever: Lever) -> None:
    assert ID.fullmatch(lever.id)
    assert type(lever)().id == lever.id
    assert isinstance(lever.safe, bool)


def it_says_what_it_is(lever: Lever) -> None:
    told = inspect.getdoc(sys.modules[type(lever).__module__])
    assert told is not None
    assert told.startswith(f"`{lever.id}` ({'safe' if lever.safe else 'unsafe'}):")
    found = [heading for heading in HEADINGS if re.search(rf"^{heading}: \S", told, re.MULTILINE)]
    assert found == list(HEADINGS)
    source = told[told.index("\nSource:") :]
    assert re.search(r"20\d\d-\d\d", source), "the source has no date"


def it_is_pure(lever: Lever) -> None:
    """The same question, the same answer; nothing asked about is changed."""
    for scene in scenes(lever.id):
        before = _spelled(scene)
        first = scene.ask(lever)
        assert scene.ask(type(lever)()) == first
        assert _spelled(scene) == before


def _spelled(scene: Scene) -> str:
    return repr(
        (scene.request, scene.draft, scene.policy, scene.state.prefix.chain, scene.state.residency, scene.state.outlook)
    )


def it_gives_its_reasons(lever: Lever) -> None:
    for scene in scenes(lever.id):
        outcome = scene.ask(lever)
        reason = outcome.message if isinstance(outcome, Refuse) else outcome.reason
        assert reason
        assert "\n" not in reason


def it_acts_on_some_requests_and_stands_aside_on_others(lever: Lever) -> None:
    """Also: that the scenes are worth looking at."""
    acted = [isinstance(scene.ask(lever), Skip) for scene in scenes(lever.id)]
    assert {True, False} == set(acted)


def its_edits_can_be_made(lever: Lever) -> None:
    for scene in scenes(lever.id):
        outcome = scene.ask(lever)
        if isinstance(outcome, Proposal):
            body = apply(scene.request.body, outcome.edits)
            parse_request(body)
            assert (body is scene.request.body) == (not outcome.edits)


def if_safe_the_model_sees_the_same(lever: Lever) -> None:
    """In a batch, where the caller can wait, its answer is not streamed: that changes how it arrives, not what it says."""
    for scene in scenes(lever.id):
        outcome = scene.ask(lever)
        if lever.safe and isinstance(outcome, Proposal):
            seen, terms = visible(scene.request.body), scene.draft.terms
            if outcome.draft.terms.mode == "batch" and scene.may_wait:
                seen.pop("stream", None)
                terms = replace(terms, mode="batch")
            assert visible(apply(scene.request.body, outcome.edits)) == seen
            assert outcome.draft.terms == terms
            assert outcome.draft.max_tokens == scene.draft.max_tokens


def its_draft_is_what_it_sends(lever: Lever) -> None:
    """The breakpoints it forecasts are those in the body that leaves, and the model is its."""
    for scene in scenes(lever.id):
        outcome = scene.ask(lever)
        if isinstance(outcome, Proposal):
            sent = parse_request(apply(scene.request.body, outcome.edits))
            prefix = read_prefix(sent, MODELS[sent.model], PartMemo(), b"org")
            assert client_breakpoints(sent, prefix) == outcome.draft.breakpoints
            assert sent.max_tokens == outcome.draft.max_tokens
            assert not (sent.stream and outcome.draft.terms.mode == "batch")
            assert outcome.draft.terms.model in (sent.model, scene.draft.terms.model)
            assert outcome.draft.terms.model == sent.model or lever.id not in ROUTES


def its_breakpoints_are_legal(lever: Lever) -> None:
    """At most four, on blocks that may carry one, and in the request no 1h behind a 5m."""
    for scene in scenes(lever.id):
        outcome = scene.ask(lever)
        if not isinstance(outcome, Proposal) or outcome.draft.breakpoints == scene.draft.breakpoints:
            continue
        marks = outcome.draft.breakpoints
        assert len(marks) <= scene.state.rules.breakpoints_max
        assert all(scene.state.prefix.blocks[mark.at].part.markable for mark in marks)
        body = json.loads(apply(scene.request.body, outcome.edits))
        ordered = _in_document_order(body)
        if body.get("cache_control") and len(ordered) > len(marks):  # beside a breakpoint on the last block: the same TTL
            assert ordered.pop() == marks[-1].ttl == ordered[-1]
        assert len(ordered) == len(marks)
        assert ordered == sorted(ordered)  # "1h" before "5m"


def _in_document_order(body: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for section in (body.get("tools"), body.get("system"), *(message["content"] for message in body["messages"])):
        blocks = section if isinstance(section, list) else []
        found += [block["cache_control"].get("ttl", "5m") for block in blocks if block.get("cache_control")]
    if body.get("cache_control"):  # automatic caching stands on the last block
        found.append(body["cache_control"].get("ttl", "5m"))
    return found


def it_can_be_undone_for_any_usage(lever: Lever) -> None:
    """What a safe lever changes of the terms, batch or not, is what it takes back."""
    changed = [(scene, outcome) for scene in scenes(lever.id) if isinstance(outcome := scene.ask(lever), Proposal)]
    defers = any(outcome.draft.terms.mode == "batch" for _, outcome in changed)
    routes = any(outcome.draft.terms.model != scene.draft.terms.model for scene, outcome in changed)
    random = Random(0)
    for seed in range(5):
        for usage, terms in usages(seed):
            undone, undone_terms = lever.undo(usage, terms)
            assert lever.undo(usage, terms) == (undone, undone_terms)
            asked = Asked(random.choice([row.model for row in BOOK.rows]), random.choice((0.7, 1.0, 1.4)))
            routed, routed_terms = lever.undo(usage, terms, Without(asked=asked))
            assert routed_terms.model == (asked.model if routes else terms.model)
            assert (routed, routed_terms) == (undone, undone_terms) or routes
            if lever.safe:
                assert undone.total.prompt == usage.total.prompt
                assert undone.total.output == usage.total.output
                assert len(undone.billed()) == len(usage.billed())
                assert undone_terms == (replace(terms, mode="standard") if defers else terms)


CHECKS: tuple[Check, ...] = (
    its_id_is_an_account_of_the_ledger,
    it_says_what_it_is,
    it_is_pure,
    it_gives_its_reasons,
    it_acts_on_some_requests_and_stands_aside_on_others,
    its_edits_can_be_made,
    if_safe_the_model_sees_the_same,
    its_draft_is_what_it_sends,
    its_breakpoints_are_legal,
    it_can_be_undone_for_any_usage,
)
