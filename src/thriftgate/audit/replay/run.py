"""Replay a stream of calls under several policies at once, and add up what each would have cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.audit.placing.clients import client
from thriftgate.audit.placing.world import PlacementPolicy, World
from thriftgate.audit.replay.asks import Asked
from thriftgate.audit.replay.growth import Changed
from thriftgate.audit.replay.least import Least
from thriftgate.audit.replay.pings import PingedReplay
from thriftgate.audit.replay.policies import Candidate
from thriftgate.audit.traces.trace import Ask
from thriftgate.core.cache import Breakpoint, CacheRules, Resident, forecast
from thriftgate.core.cost import day_of, pico_at
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.generations import Generations
from thriftgate.core.misses import Cause, Miss
from thriftgate.core.models import ModelTable
from thriftgate.core.plan import Policy
from thriftgate.core.prices import PriceBook, Rates, Terms
from thriftgate.core.usage import Tokens
from thriftgate.engine.replay import Costed, Replay
from thriftgate.engine.snapshot import Knowledge

NO_TOKENS = Tokens()
BOUNDARIES_MAX = 50_000  # of prefixes that one planner remembers: a log is replayed under several at once
HELD_MAX = 40_000  # entries of each placement rule, of which there are thirty: what lives within the hour is less
GROUPS = 16
"""Conversations are dealt out to so many groups, to tell from the differences between them how sure a sum is."""


class Tally(Struct):
    """What the replayed calls come to under one policy (pico-USD), in all and by group of conversations. `failed` are calls
    that could not be planned; they count with what they did cost. `pings` were sent besides: they are in `pico`, cost
    `pings_pico` of it, and are no calls. `rewritten` calls were sent with another prompt than the log's."""

    name: str
    calls: int = 0
    failed: int = 0
    rejected: int = 0
    pico: int = 0
    read: int = 0
    prompt: int = 0
    groups: list[int] = []
    levers: dict[str, int] = {}
    pings: int = 0
    pings_pico: int = 0
    rewritten: int = 0

    def add(self, one: Asked, pico: int, tokens: Tokens) -> None:
        if not self.groups:
            self.groups = [0] * GROUPS
        self.calls += 1
        self.pico += pico
        self.read += tokens.read
        self.prompt += tokens.prompt
        self.groups[one.conversation % GROUPS] += pico

    def ping(self, conversation: int, pico: int) -> None:
        """Add a ping; its conversation has made calls before."""
        self.pings += 1
        self.pings_pico += pico
        self.pico += pico
        self.groups[conversation % GROUPS] += pico

    def charge(self, fees: Tally) -> None:
        """Add what the same calls cost whatever the policy."""
        self.pico += fees.pico
        self.groups = [one + two for one, two in zip(self.groups, fees.groups, strict=True)]

    def merged(self, other: Tally) -> Tally:
        """Both together."""
        levers = dict(self.levers)
        for lever, pico in other.levers.items():
            levers[lever] = levers.get(lever, 0) + pico
        groups = [one + two for one, two in zip(self.groups or [0] * GROUPS, other.groups or [0] * GROUPS, strict=True)]
        return Tally(
            self.name,
            self.calls + other.calls,
            self.failed + other.failed,
            self.rejected + other.rejected,
            self.pico + other.pico,
            self.read + other.read,
            self.prompt + other.prompt,
            groups,
            levers,
            self.pings + other.pings,
            self.pings_pico + other.pings_pico,
            self.rewritten + other.rewritten,
        )


class MissTally(Struct):
    """Misses of one cause."""

    calls: int = 0
    tokens: int = 0
    pico: int = 0
    avoidable_pico: int = 0
    example: str = ""

    def add(self, miss: Miss) -> None:
        self.calls += 1
        self.tokens += miss.tokens
        self.pico += miss.pico
        self.avoidable_pico += miss.pico if miss.avoidable else 0
        self.example = self.example or miss.detail

    def merged(self, other: MissTally) -> MissTally:
        return MissTally(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.pico + other.pico,
            self.avoidable_pico + other.avoidable_pico,
            self.example or other.example,
        )


class Done(Struct):
    """The results of one run. `observed` are the calls as the log tells them, `differing` those that the as-is replay bills
    differently."""

    observed: Tally
    as_is: Tally
    plain: Tally
    tallies: dict[str, Tally]
    misses: dict[Cause, MissTally]
    differing: int = 0

    def merged(self, other: Done) -> Done:
        """Both together."""
        tallies = {name: tally.merged(other.tallies.get(name) or Tally(name)) for name, tally in self.tallies.items()}
        misses = dict(self.misses)
        for cause, missed in other.misses.items():
            misses[cause] = misses[cause].merged(missed) if cause in misses else missed
        return Done(
            self.observed.merged(other.observed),
            self.as_is.merged(other.as_is),
            self.plain.merged(other.plain),
            tallies,
            misses,
            self.differing + other.differing,
        )


class _Runner(Protocol):
    tally: Tally

    def take(self, one: Asked, ask: Ask, rates: Rates) -> None: ...


class _Planner:
    """The planner, learning as it goes, as the gateway would have."""

    def __init__(self, candidate: Candidate, book: PriceBook, models: ModelTable) -> None:
        policy = candidate.policy or Policy()
        knowledge = Knowledge(book, models, cache_mode=policy.cache_mode, boundaries_max=BOUNDARIES_MAX, quiet=True)
        self._pinged = PingedReplay(knowledge, policy, candidate.pings) if candidate.pings is not None else None
        self._replay = self._pinged or Replay(knowledge, policy)
        self._rewrites = candidate.rewrites
        self.tally = Tally(candidate.name)

    def take(self, one: Asked, ask: Ask, rates: Rates) -> None:
        if one.outside is not None:
            self._replay.found(*one.outside)
        if self._rewrites and one.rewritten is not None:
            one = replace(one, logged=replace(one.logged, prompt=one.rewritten))
            self.tally.rewritten += 1
        if self._pinged is not None:
            for ping in self._pinged.pings(one):
                self.tally.ping(*ping)
        try:
            done = self._replay.cost(one.logged)
        except ThriftgateError:
            self.tally.failed += 1
            self.tally.add(one, pico_at(one.billed, rates), one.billed)
            return
        if self._pinged is not None:
            self._pinged.silent(one, rates, done)
        self._book(one, done)

    def _book(self, one: Asked, done: Costed) -> None:
        settled = done.settlement
        for lever, pico in settled.saved.items():
            self.tally.levers[lever] = self.tally.levers.get(lever, 0) + pico
        self.tally.add(one, settled.cost.pico, done.tokens)


class _Placer:
    """A placement rule under the cache model; one copy of it for each workspace and model."""

    def __init__(self, name: str, rule: str, models: ModelTable) -> None:
        self.tally = Tally(name)
        self._rule = rule
        self._models = models
        self._held: Generations[bytes, Resident] = Generations(HELD_MAX)
        self._policies: dict[tuple[str, str], PlacementPolicy] = {}
        self._minimum: dict[str, int] = {}
        self._rules = CacheRules()

    def take(self, one: Asked, ask: Ask, rates: Rates) -> None:
        marks = self._marks(one, ask, rates)
        if marks is None:  # refused, and sent again without
            self.tally.rejected += 1
            marks = ()
        minimum = self._minimum.get(one.model)
        if minimum is None:
            minimum = self._minimum[one.model] = self._models[one.model].cache_min_tokens
        prefix = ask.prefix
        if one.outside is not None and self._held.get(one.outside[0]) is None:
            self._held[one.outside[0]] = one.outside[1]
        outcome = forecast(
            prefix,
            ask.cumulative,
            marks,
            self._held.among(prefix.chain),
            now_s=ask.at_s,
            usable_s=ask.begins_s,
            cache_min_tokens=minimum,
            rules=self._rules,
        )
        for digest, entry in outcome.entries.items():
            self._held[digest] = entry
        prompt = outcome.tokens
        behind = max(0, one.billed.prompt - ask.cumulative[-1])
        billed = Tokens(prompt.input + behind, prompt.write_5m, prompt.write_1h, prompt.read, one.billed.output)
        self.tally.add(one, pico_at(billed, rates), billed)
        self._answered(one, ask, marks, billed)

    def _marks(self, one: Asked, ask: Ask, rates: Rates) -> Sequence[Breakpoint] | None:
        place = (one.logged.key, one.model)
        policy = self._policies.get(place)
        if policy is None:
            base = rates.input or 1
            minimum = self._models[one.model].cache_min_tokens
            world = World(rates.read / base, rates.write_5m / base, rates.write_1h / base, minimum)
            policy = self._policies[place] = client(self._rule, world)
        return policy.place(ask)

    def _answered(self, one: Asked, ask: Ask, marks: Sequence[Breakpoint], tokens: Tokens) -> None:
        self._policies[one.logged.key, one.model].answered(ask, marks, tokens)


class _AsIs(_Placer):
    """The breakpoints that the bill shows."""

    def __init__(self, models: ModelTable) -> None:
        super().__init__("as-is", "none", models)
        self.differing = 0

    def _marks(self, one: Asked, ask: Ask, rates: Rates) -> Sequence[Breakpoint]:
        return one.placed

    def _answered(self, one: Asked, ask: Ask, marks: Sequence[Breakpoint], tokens: Tokens) -> None:
        told = one.billed
        if not one.untold and (tokens.read, tokens.write_5m, tokens.write_1h) != (told.read, told.write_5m, told.write_1h):
            self.differing += 1


class _Bound:
    """No policy, but what none can stay below."""

    def __init__(self, candidate: Candidate, models: ModelTable) -> None:
        self.tally = Tally(candidate.name)
        self._least = Least(models)

    def take(self, one: Asked, ask: Ask, rates: Rates) -> None:
        self._least.take(one, rates)
        self.tally.add(one, 0, one.billed)

    def close(self) -> None:
        """Work it out, once all calls are known."""
        self.tally.pico = self._least.pico()


class _Explainer:
    """Why what was not read was not, by the bill of the log."""

    def __init__(self, book: PriceBook, models: ModelTable) -> None:
        policy = Policy(levers=(), cache_mode="observe")
        self._replay = Replay(Knowledge(book, models, cache_mode="observe", quiet=True), policy, as_billed=True)
        self.misses: dict[Cause, MissTally] = {}

    def take(self, one: Asked, rates: Rates) -> None:
        try:
            miss = self._replay.cost(one.logged, explain=True).miss
        except ThriftgateError:
            return
        if one.worked_out and miss is not None and miss.cause in ("prefix_changed", "model_changed"):
            miss = None  # of blocks that only the bills tell, these say what has changed, and nothing else does
        if one.changed is not None and (miss is None or miss.cause == "cold" or miss.tokens < one.changed.tokens):
            miss = _of_change(one.changed, one.billed, rates)
        if miss is None or one.untold:
            return
        tally = self.misses.get(miss.cause)
        if tally is None:
            tally = self.misses[miss.cause] = MissTally()
        tally.add(miss)


def _of_change(changed: Changed, billed: Tokens, rates: Rates) -> Miss:
    """A miss that bills alone show: its tokens were billed as those behind what was read."""
    hour = min(changed.tokens, billed.write_1h)
    five = min(changed.tokens - hour, billed.write_5m)
    paid = Tokens(input=changed.tokens - hour - five, write_5m=five, write_1h=hour)
    pico = pico_at(paid, rates) - pico_at(Tokens(read=changed.tokens), rates)
    when = f"{changed.gap_s:,.0f} s after the call before"
    words = (
        f"the prompt was another from token {changed.behind:,} on, {when}"
        if changed.cause == "prefix_changed"
        else f"{changed.model} was asked before, {when}: each model has a cache of its own"
    )
    return Miss(changed.cause, changed.tokens, pico, words, avoidable=True, gap_s=changed.gap_s)


def _runner(candidate: Candidate, book: PriceBook, models: ModelTable) -> _Runner:
    if candidate.family == "bound":
        return _Bound(candidate, models)
    if candidate.client:
        return _Placer(candidate.name, candidate.client, models)
    return _Planner(candidate, book, models)


def run(
    stream: Iterable[Asked],
    candidates: Sequence[Candidate],
    book: PriceBook,
    models: ModelTable,
    *,
    explain: bool = True,
) -> Done:
    """Replay the calls of a stream, in order of time, under each candidate, as they were, and without caching."""
    observed, as_is, plain, fees = Tally("observed"), _AsIs(models), Tally("no-caching"), Tally("fees")
    runners: list[_Runner] = [_runner(candidate, book, models) for candidate in candidates]
    explainer = _Explainer(book, models) if explain else None
    for one in stream:
        logged = one.logged
        terms = Terms(one.model, day_of(logged.at_s), one.mode, one.geo)
        try:
            rates = book.rates(terms, one.billed.prompt)
        except ThriftgateError:
            continue
        prefix, ends = one.prefix, one.cumulative
        ask = Ask(logged.at_s, logged.began_s, one.conversation, prefix, ends, (), one.billed.output)
        observed.add(one, pico_at(one.billed, rates), one.billed)
        uncached = one.billed.uncached()
        plain.add(one, pico_at(uncached, rates), uncached)
        as_is.take(one, ask, rates)
        for runner in runners:
            runner.take(one, ask, rates)
        if explainer is not None:
            explainer.take(one, rates)
        fees.add(one, one.searches * book.web_search_pico, NO_TOKENS)
    for runner in runners:
        if isinstance(runner, _Bound):
            runner.close()
    for tally in (observed, plain, as_is.tally, *[runner.tally for runner in runners]):
        tally.charge(fees)
    return Done(
        observed=observed,
        as_is=as_is.tally,
        plain=plain,
        tallies={runner.tally.name: runner.tally for runner in runners},
        misses=explainer.misses if explainer is not None else {},
        differing=as_is.differing,
    )
