"""The calls replayed as they were, and as wished; and what can be said of the difference."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.audit.calc import GROWTH
from thriftgate.audit.findings import Money
from thriftgate.audit.judge import results
from thriftgate.audit.replay.asks import Asked
from thriftgate.audit.replay.plan import Replays
from thriftgate.audit.replay.run import Done, run
from thriftgate.core.cost import day_of, pico_at
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.models import ModelTable
from thriftgate.core.plan import Policy
from thriftgate.core.prices import PriceBook, Terms
from thriftgate.core.usage import Tokens
from thriftgate.dashboard.whatif.traffic import Traffic
from thriftgate.dashboard.whatif.wish import NAME, NONE, Wish
from thriftgate.engine.snapshot import KnownPrompt
from thriftgate.wire.usage import ApiUsage, CacheCreation


class Known(Struct, frozen=True):
    """What prices and models are reckoned with, and the policy in force."""

    book: PriceBook
    models: ModelTable
    policy: Policy


class Answer(Struct, frozen=True):
    """Pico-USD. `paid` is what the replayed calls did cost, `would` what they would have; both are over `calls` of the
    `found`. `low` and `high` are its error bar. `off` is by how much the replay of the calls as they were misses their
    bill. `batched` and `moved` calls went through batches and to the other model; `failed` could not be planned and count as
    they were. `hits` are shares of prompt tokens read from the cache."""

    found: int
    calls: int
    first_us: int
    last_us: int
    paid: int
    would: int
    low: int
    high: int
    off: int
    batched: int
    moved: int
    failed: int
    pings: int
    pings_pico: int
    hit_was: float
    hit_would: float
    models: tuple[str, ...] = ()


def as_it_was(traffic: Traffic, known: Known) -> Done:
    """The calls as they were: what others are held against."""
    return run(traffic.calls, [], known.book, known.models, explain=False)


def answered(wish: Wish, traffic: Traffic, was: Done, known: Known) -> Answer:
    """What a wish comes to."""
    changed = _Changed(wish, traffic, known)
    done = run(changed, [wish.candidate(known.policy)], known.book, known.models, explain=False)
    tally = done.plain if wish.caching == NONE else done.tallies[NAME]
    together = Done(was.observed, was.as_is, was.plain, {NAME: tally}, {}, was.differing)
    paid = was.observed.pico
    (found,) = [
        one
        for one in results(
            Replays(together, together, sampled=False),
            [wish.candidate(known.policy)],
            Money(paid, paid, paid),
            untold=False,
        )
        if one.name == NAME
    ]
    share = Fraction(100 - wish.discount, 100)
    spread = changed.spread_pico
    return Answer(
        found=traffic.found,
        calls=was.observed.calls,
        first_us=traffic.first_us,
        last_us=traffic.last_us,
        paid=paid,
        would=int(found.cost.pico * share),
        low=int((found.cost.low - spread) * share),
        high=int((found.cost.high + spread) * share),
        off=was.as_is.pico - paid,
        batched=changed.batched,
        moved=changed.moved,
        failed=tally.failed,
        pings=tally.pings,
        pings_pico=tally.pings_pico,
        hit_was=was.as_is.read / was.as_is.prompt if was.as_is.prompt else 0.0,
        hit_would=tally.read / tally.prompt if tally.prompt else 0.0,
        models=tuple(sorted({one.model for one in traffic.calls})),
    )


class _Changed:
    """The calls as they would be sent. Which of them change is drawn by their id: the same for the same share, and those of
    a smaller share are among those of a larger one."""

    def __init__(self, wish: Wish, traffic: Traffic, known: Known) -> None:
        self._wish = wish
        self._traffic = traffic
        self._known = known
        self.batched = 0
        self.moved = 0
        self.spread_pico = 0

    def __iter__(self) -> Iterator[Asked]:
        for call in self._traffic.calls:
            one = call
            if self._wish.moves and one.model == self._wish.model and self._drawn(one, "move", self._wish.move):
                one = self._on_the_other_model(one)
            if self._wish.batch and one.mode == "standard" and one.logged.id in self._traffic.alone:
                one = self._in_a_batch(one)
            yield one

    def _drawn(self, one: Asked, what: str, percent: int) -> bool:
        digest = sha256(f"{what} {one.conversation} {one.logged.id if what == 'batch' else ''}".encode()).digest()
        return int.from_bytes(digest[:4], "big") % 10_000 < percent * 100

    def _in_a_batch(self, one: Asked) -> Asked:
        if not self._known.models[one.model].batch or not self._drawn(one, "batch", self._wish.batch):
            return one
        self.batched += 1
        return replace(one, mode="batch", logged=replace(one.logged, usage=replace(one.logged.usage, service_tier="batch")))

    def _on_the_other_model(self, one: Asked) -> Asked:
        models, target = self._known.models, self._wish.to
        low, factor, high = _factors(models[one.model].tokenizer, models[target].tokenizer)
        billed = _scaled(one.billed, factor)
        terms = Terms(target, day_of(one.logged.at_s), one.mode, one.geo)
        try:
            cost = pico_at(billed, self._known.book.rates(terms, billed.prompt))
        except ThriftgateError:  # no price for it on that day: it stays where it is
            return one
        self.moved += 1
        self.spread_pico += int(cost * max(high - factor, factor - low) / factor)
        prompt, request = one.logged.prompt, one.logged.request
        assert prompt is not None
        assert request is not None
        logged = replace(
            one.logged,
            usage=_usage(one.logged.usage, billed),
            request=replace(request, model=target),
            prompt=prompt if factor == 1 else _longer(prompt, factor),
        )
        return replace(one, model=target, billed=billed, logged=logged)


def _factors(before: str, after: str) -> tuple[Fraction, Fraction, Fraction]:
    """How many times the tokens the same text has on another model: at least, about, at most."""
    if before == after:
        return Fraction(1), Fraction(1), Fraction(1)
    low, mid, high = GROWTH
    return (low, mid, high) if after == "claude47" else (1 / high, 1 / mid, 1 / low)


def _scaled(tokens: Tokens, factor: Fraction) -> Tokens:
    return tokens if factor == 1 else Tokens(*(round(getattr(tokens, name) * factor) for name in Tokens.__struct_fields__))


def _usage(usage: ApiUsage, billed: Tokens) -> ApiUsage:
    return replace(
        usage,
        input_tokens=billed.input,
        output_tokens=billed.output,
        cache_creation_input_tokens=billed.write_5m + billed.write_1h,
        cache_read_input_tokens=billed.read,
        cache_creation=CacheCreation(billed.write_5m, billed.write_1h),
    )


def _longer(prompt: KnownPrompt, factor: Fraction) -> KnownPrompt:
    """The same prompt in the tokens of another vocabulary."""
    return replace(prompt, cumulative=tuple(round(end * factor) for end in prompt.cumulative))
