"""The cost model as a calculator: what a month costs today, and after each lever, without any log.

How the sums balance. Requests are whole: a mix is handed out by largest remainder, a routed share is rounded (half to even).
Tokens are whole over the month, never per request: for each model and origin, prompt, cached part and output are requests ×
tokens × shares as exact fractions, rounded once; what is read is a rounded share of the cached part and what is written is
the rest of it, what is plain is the prompt without it. A batch takes a rounded share of every kind of token, the rest stays.
So each state is a sum of whole tokens at listed rates, and what a step saves is the difference of two such sums: before =
after + all steps, to the pico-dollar. Length steps and the minimum of a cached prefix are judged on one request.

Low and high bound what nobody can know beforehand: how many tokens another tokenizer makes of the same text, and how often a
batch hits the cache. Both are evaluated at their ends and, as costs may fall there, on both sides of a cache minimum.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from msgspec import Struct

from thriftgate.audit.findings import Money
from thriftgate.audit.records import COUNT_MAX
from thriftgate.core.cost import pico_at
from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.core.models import ModelTable
from thriftgate.core.prices import NO_GEO, Mode, PriceBook, Rates, Terms, iso_from_day
from thriftgate.core.usage import Tokens

Name = Literal["caching", "routing", "batch", "output"]

GROWTH = (Fraction(11, 10), Fraction(13, 10), Fraction(15, 10))
"""Tokens the newer tokenizer (Claude 4.7 on) makes of what was one token of the older: least, expected, most. About 30 %
more (platform.claude.com/docs/en/about-claude/pricing, 2026-08); it depends on the text, and the ends are our margin."""

BATCH_HITS = (Fraction(30, 100), Fraction(98, 100))
"""Share of cache uses that hit within batches, by traffic
(platform.claude.com/docs/en/build-with-claude/batch-processing, 2026-08)."""

HIT = Fraction(9, 10)
SPELLINGS_SHOWN = 3


class Scenario(Struct, frozen=True, kw_only=True):
    """A month. `mix` are models with their shares of the requests; tokens are those of one request as its model bills them;
    `day` counts UTC days since 1970.

    A lever that is None is not pulled. `cached`: share of each prompt that repeats and is marked; `hit`: share of the uses
    of it that read, the others write. `route`: share of the requests that go to `route_to` instead. `batch`: share of all
    tokens sent in batches. `out_saved`: share of the output that is no longer written.
    """

    requests: int
    tokens_in: int
    tokens_out: int
    mix: tuple[tuple[str, Fraction], ...]
    day: int
    cached: Fraction | None = None
    ttl: Literal["5m", "1h"] = "5m"
    hit: Fraction = HIT
    route: Fraction | None = None
    route_to: str = ""
    batch: Fraction | None = None
    out_saved: Fraction | None = None
    geo: str = "global"
    fast: bool = False


class Step(Struct, frozen=True):
    """One lever on top of those before it: the month's `cost` from then on, and what it took off (negative: dearer)."""

    name: Name
    text: str
    cost: Money
    saved_pico: int


class OnModel(Struct, frozen=True):
    """What runs on one model after all steps."""

    model: str
    requests: int
    pico: int


class Calculation(Struct, frozen=True):
    """Before, each step, after. `before_pico` is `after.pico` plus what all steps saved."""

    scenario: Scenario
    before_pico: int
    steps: tuple[Step, ...]
    by_model: tuple[OnModel, ...]
    price_book: str
    assumptions: tuple[str, ...]

    @property
    def after(self) -> Money:
        """The month with every lever pulled."""
        return self.steps[-1].cost if self.steps else Money(self.before_pico, self.before_pico, self.before_pico)


def calculate(scenario: Scenario, book: PriceBook, models: ModelTable) -> Calculation:
    """Work out a month.

    Raises InputError naming the flag of `thriftgate calc` that holds something impossible, UnknownPrice for a model, mode,
    day or geography the book does not list.
    """
    sheet = _Sheet(scenario, book, models)
    _check(sheet)
    on: frozenset[Name] = frozenset()
    before = cost = sheet.cost(on)
    steps: list[Step] = []
    for name, pulled in _levers(scenario):
        if not pulled:
            continue
        on |= {name}
        then = sheet.bounded(on)
        steps.append(Step(name, _step_text(name, sheet, cost - then.pico), then, cost - then.pico))
        cost = then.pico
    return Calculation(scenario, before, tuple(steps), sheet.by_model(on), book.id, tuple(_assumptions(sheet)))


def _levers(scenario: Scenario) -> tuple[tuple[Name, bool], ...]:
    """All steps in their order, and whether they are asked for."""
    return (
        ("caching", scenario.cached is not None),
        ("routing", scenario.route is not None),
        ("batch", scenario.batch is not None),
        ("output", scenario.out_saved is not None),
    )


# --- the arithmetic ----------------------------------------------------------------------------------------------------


class _World(NamedTuple):
    """One way in which what is not known may be: `scale` tokens come of one token of a request that changes tokenizers;
    `batch_hit` of the cache uses in batches hit, None for as often as elsewhere."""

    scale: Fraction
    batch_hit: Fraction | None = None


class _Group(NamedTuple):
    """Requests of one origin on one model. `scaled`: they come from a model with another tokenizer."""

    model: str
    requests: int
    scaled: bool = False


class _Sheet:
    """A scenario with ids as the book lists them, and what it costs with some of its levers on."""

    def __init__(self, scenario: Scenario, book: PriceBook, models: ModelTable) -> None:
        self.scenario = scenario
        self.book = book
        self.models = models
        self.mix = tuple((book.canonical(model), share) for model, share in scenario.mix)
        self.to = book.canonical(scenario.route_to)
        least, expected, most = GROWTH
        if models[self.to].tokenizer == "claude3":  # back to the older tokenizer: fewer tokens
            least, expected, most = 1 / most, 1 / expected, 1 / least
        self.scale_ends = (least, most)
        self.expected = _World(expected)

    def is_scaled(self, model: str) -> bool:
        """Whether a request routed from this model changes its tokenizer."""
        return bool(self.to) and self.models[model].tokenizer != self.models[self.to].tokenizer

    def is_cached(self, model: str, scale: Fraction) -> bool:
        """Whether the cached part of one request reaches the model's minimum."""
        return self.prefix() * scale >= self.models[model].cache_min_tokens

    def prefix(self) -> Fraction:
        """Tokens of one request that are marked for the cache, on the model it has today."""
        return self.scenario.tokens_in * (self.scenario.cached or Fraction())

    def steps_of_length(self, model: str) -> list[int]:
        """Prompt lengths above which the model's rates rise on this day."""
        day = self.scenario.day
        rows = (row for row in self.book.rows if row.model == model and row.from_day <= day < row.until_day)
        return sorted({row.above_tokens for row in rows if row.above_tokens})

    def groups(self, on: frozenset[Name]) -> list[_Group]:
        counts = _hand_out(self.scenario.requests, [share for _, share in self.mix])
        if "routing" not in on:
            return [_Group(model, count) for (model, _), count in zip(self.mix, counts, strict=True)]
        share = self.scenario.route or Fraction()
        found = []
        for (model, _), count in zip(self.mix, counts, strict=True):
            away = round(count * share)
            found += [_Group(model, count - away), _Group(self.to, away, self.is_scaled(model))]
        return found

    def month(self, group: _Group, on: frozenset[Name], scale: Fraction) -> Tokens:
        """All tokens of a group in the month."""
        plan = self.scenario
        kept = 1 - plan.out_saved if "output" in on and plan.out_saved else Fraction(1)
        prompt = round(group.requests * plan.tokens_in * scale)
        output = round(group.requests * plan.tokens_out * scale * kept)
        if "caching" not in on or not self.is_cached(group.model, scale):
            return Tokens(input=prompt, output=output)
        prefix = round(group.requests * self.prefix() * scale)
        return self.cached_tokens(Tokens(input=prompt - prefix, output=output), prefix, round(prefix * plan.hit))

    def cached_tokens(self, others: Tokens, prefix: int, read: int) -> Tokens:
        five, hour = (prefix - read, 0) if self.scenario.ttl == "5m" else (0, prefix - read)
        return others + Tokens(write_5m=five, write_1h=hour, read=read)

    def batched(self, tokens: Tokens, hit: Fraction | None) -> Tokens:
        """The part of them that is sent in batches."""
        share = self.scenario.batch or Fraction()
        part = Tokens(**{kind: round(getattr(tokens, kind) * share) for kind in Rates.__struct_fields__})
        if hit is None:
            return part
        prefix = part.prompt - part.input
        return self.cached_tokens(Tokens(input=part.input, output=part.output), prefix, round(prefix * hit))

    def cost_of(self, group: _Group, on: frozenset[Name], world: _World) -> int:
        if not group.requests:
            return 0
        plan = self.scenario
        scale = world.scale if group.scaled else Fraction(1)
        tokens = self.month(group, on, scale)
        length = math.ceil(plan.tokens_in * scale)  # above a whole step exactly when its next whole token is
        mode: Mode = "fast" if plan.fast else "standard"
        rates = self.book.rates(Terms(group.model, plan.day, mode, plan.geo), length)
        if "batch" not in on or not plan.batch:
            return pico_at(tokens, rates)
        batch_rates = self.book.rates(Terms(group.model, plan.day, "batch", plan.geo), length)
        part = self.batched(tokens, None)
        return pico_at(_less(tokens, part), rates) + pico_at(self.batched(tokens, world.batch_hit), batch_rates)

    def cost(self, on: frozenset[Name], world: _World | None = None) -> int:
        """Pico-USD a month; in the expected world, where none is given."""
        return sum(self.cost_of(group, on, world or self.expected) for group in self.groups(on))

    def bounded(self, on: frozenset[Name]) -> Money:
        """The expected cost with its bounds over all worlds."""
        expected = self.cost(on)
        costs = [expected, *(self.cost(on, world) for world in self.worlds(on))]
        return Money(expected, min(costs), max(costs))

    def worlds(self, on: frozenset[Name]) -> Iterator[_World]:
        changes = any(group.scaled and group.requests for group in self.groups(on))
        hits: tuple[Fraction | None, ...] = (None, *BATCH_HITS) if "batch" in on else (None,)
        for scale in self.scales() if changes else (self.expected.scale,):
            for hit in hits:
                yield _World(scale, hit)

    def scales(self) -> list[Fraction]:
        """Where in the interval the cost can have its extremes: at its ends, and at the whole tokens on both sides of the
        cache minimum. Everywhere else it rises with the tokens, at a length step too."""
        least, most = self.scale_ends
        minimum, prefix = self.models[self.to].cache_min_tokens, self.prefix()
        edges = [(minimum - 1) / prefix, minimum / prefix] if prefix else []
        return [least, most, *(edge for edge in edges if least < edge < most)]

    def by_model(self, on: frozenset[Name]) -> tuple[OnModel, ...]:
        found: dict[str, OnModel] = {}
        for group in self.groups(on):
            so_far = found.get(group.model, OnModel(group.model, 0, 0))
            pico = so_far.pico + self.cost_of(group, on, self.expected)
            found[group.model] = OnModel(group.model, so_far.requests + group.requests, pico)
        return tuple(found.values())


def _hand_out(count: int, shares: Sequence[Fraction]) -> list[int]:
    """Whole parts that sum to `count` where the shares sum to 1: by largest remainder, the earlier first."""
    exact = [count * share for share in shares]
    parts = [math.floor(part) for part in exact]
    order = sorted(range(len(parts)), key=lambda at: parts[at] - exact[at])
    for at in order[: count - sum(parts)]:
        parts[at] += 1
    return parts


def _less(tokens: Tokens, part: Tokens) -> Tokens:
    return Tokens(**{kind: getattr(tokens, kind) - getattr(part, kind) for kind in Rates.__struct_fields__})


# --- what cannot be ----------------------------------------------------------------------------------------------------


def _check(sheet: _Sheet) -> None:
    """Raises InputError or UnknownPrice, see `calculate`."""
    plan = sheet.scenario
    for flag, count, least in (("--requests", plan.requests, 1), ("--in", plan.tokens_in, 0), ("--out", plan.tokens_out, 0)):
        if not least <= count <= COUNT_MAX:
            raise InputError(f"{flag}: {count} cannot be; write a whole number from {least} to {COUNT_MAX:,}")
    shares = {"--cached": plan.cached, "--hit": plan.hit, "--route": plan.route, "--batch": plan.batch}
    for flag, share in (shares | {"--out-saved": plan.out_saved}).items():
        if share is not None and not 0 <= share <= 1:
            raise InputError(f"{flag}: {float(share):g} is no share; write a number from 0 to 1, like 0.8 for 80 %")
    if plan.batch is not None and plan.fast:
        raise InputError("--batch and --fast cannot be combined: fast mode is not available in batches; leave one out")
    if (plan.route is None) != (not plan.route_to):
        raise InputError("--route and --to belong together; write --route 0.4 --to claude-haiku-5-5")
    _check_mix(plan, sheet.mix)
    flag = "--mix" if len(sheet.mix) > 1 else "--model"
    for model, _ in sheet.mix:
        _check_model(flag, model, Fraction(1), sheet)
    if sheet.to:
        scaled = any(sheet.is_scaled(model) for model, _ in sheet.mix)
        _check_model("--to", sheet.to, sheet.expected.scale if scaled else Fraction(1), sheet)
        if sheet.models[sheet.to].is_retired(plan.day):
            gone = sheet.models[sheet.to].retired
            raise InputError(f"--to: {sheet.to} is retired since {gone}, calls to it fail; name a model that is served")


def _check_mix(plan: Scenario, mix: tuple[tuple[str, Fraction], ...]) -> None:
    names = [model for model, _ in mix]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise InputError(f"--mix: {twice} is named twice; add its shares up")
    for model, share in plan.mix:
        if not 0 <= share <= 1:
            raise InputError(f"--mix: {float(share):g} is no share of {model}; write a number from 0 to 1, like 0.2")
    total = sum(share for _, share in plan.mix)
    if total != 1:
        raise InputError(f"--mix: the shares add up to {float(total):.12g}; they must add up to 1")


def _check_model(flag: str, model: str, scale: Fraction, sheet: _Sheet) -> None:
    if not sheet.book.knows(model):
        names = {row.model for row in sheet.book.rows} | set(sheet.book.aliases)
        near = difflib.get_close_matches(model, sorted(names), n=SPELLINGS_SHOWN)
        advice = f"did you mean {' or '.join(near)}?" if near else "add it under [[prices.models]] in the settings"
        raise UnknownPrice(f"{flag}: no price for model {model!r} in price book {sheet.book.id}; {advice}")
    able = sheet.models[model]
    prompt, output = math.ceil(sheet.scenario.tokens_in * scale), math.ceil(sheet.scenario.tokens_out * scale)
    if able.known and prompt + output > able.context_tokens:
        raise InputError(
            f"{flag}: {prompt:,} tokens in and {output:,} out do not fit into the {able.context_tokens:,} tokens that "
            f"{model} takes; lower --in or name another model"
        )
    longest = max(able.output_tokens_max, able.output_tokens_max_batch)
    if able.known and output > longest:
        raise InputError(f"{flag}: {model} writes at most {longest:,} tokens, not {output:,}; lower --out")


# --- in words ----------------------------------------------------------------------------------------------------------


def _step_text(name: Name, sheet: _Sheet, saved_pico: int) -> str:
    plan = sheet.scenario
    if name == "caching":
        return _caching_text(sheet, saved_pico)
    if name == "routing":
        return _routing_text(sheet)
    if name == "batch":
        return f"{_share(plan.batch or Fraction())} of all tokens at batch prices; answers come within a day"
    return f"answers {_share(plan.out_saved or Fraction())} shorter"


def _caching_text(sheet: _Sheet, saved_pico: int) -> str:
    plan = sheet.scenario
    idle = [model for model, _ in sheet.mix if not sheet.is_cached(model, Fraction(1))]
    nothing = "; ".join(f"on {model} {_too_short(sheet, model, Fraction(1))}" for model in idle)
    if len(idle) == len(sheet.mix):
        return f"does nothing: {nothing}"
    life = "5 minutes" if plan.ttl == "5m" else "an hour"
    text = f"{_share(plan.cached or Fraction())} of each prompt kept for {life}, {_share(plan.hit)} of its uses read"
    if nothing:
        text += f"; does nothing for a part: {nothing}"
    return f"{text}; dearer than no cache, too few reads for each write" if saved_pico < 0 else text


def _too_short(sheet: _Sheet, model: str, scale: Fraction) -> str:
    least = sheet.models[model].cache_min_tokens
    return f"{math.floor(sheet.prefix() * scale):,} tokens are below the minimum of {least:,} that is cached"


def _routing_text(sheet: _Sheet) -> str:
    plan = sheet.scenario
    moved = sum(group.requests for group in sheet.groups(frozenset(("routing",))) if group.model == sheet.to)
    text = f"{_share(plan.route or Fraction())} of the requests to {sheet.to}, which then has {moved:,}"
    scales = {sheet.expected.scale if sheet.is_scaled(model) else Fraction(1) for model, _ in sheet.mix if model != sheet.to}
    if sheet.expected.scale in scales:
        least, most = sheet.scale_ends
        text += f"; another tokenizer: {_times(sheet.expected.scale)} times the tokens ({_times(least)} to {_times(most)})"
    for scale in sorted(scales):
        if plan.cached and not sheet.is_cached(sheet.to, scale):
            text += f"; not cached there: {_too_short(sheet, sheet.to, scale)}"
        text += "".join(f"; {words}" for words in _length_texts(sheet, sheet.to, scale))
    return text


def _length_texts(sheet: _Sheet, model: str, scale: Fraction) -> Iterator[str]:
    length = math.ceil(sheet.scenario.tokens_in * scale)
    for above in sheet.steps_of_length(model):
        if length > above:
            yield f"prompts of {length:,} tokens are above the {above:,} from which {model} is dearer"


def _assumptions(sheet: _Sheet) -> Iterator[str]:
    plan = sheet.scenario
    where = "" if plan.geo in NO_GEO else f", inference_geo {plan.geo}"
    mode = ", fast mode" if plan.fast else ""
    yield f"Prices of {iso_from_day(plan.day)}{where}{mode}; no fees for tools or searches."
    yield "Today means no cache, no batches, no routing. All requests are alike, with tokens as today's model bills them."
    if plan.cached is not None:
        yield (
            f"Of all uses of a cached part {_share(plan.hit)} read it and the others write it, on every model; below a "
            "model's minimum nothing is cached."
        )
    if plan.route is not None:
        yield "Routed requests get an answer that is good enough the first time, and as much of them is cached."
    if any(sheet.is_scaled(model) for model, _ in sheet.mix):
        yield "How many tokens another tokenizer makes of a text depends on the text: see low and high."
    if plan.batch and plan.cached:
        low, high = BATCH_HITS
        yield (
            f"Batches hit the cache as often as other requests. That is best effort, {_share(low)} to {_share(high)} is "
            "documented: see low and high."
        )
    if plan.out_saved is not None:
        yield "Shorter answers need no second try."
    for model in dict.fromkeys((*(model for model, _ in sheet.mix), *([sheet.to] if sheet.to else []))):
        yield from _model_remarks(sheet, model)


def _model_remarks(sheet: _Sheet, model: str) -> Iterator[str]:
    able = sheet.models[model]
    if not able.known:
        yield f"{model} is not in the model table: taken to cache from {able.cache_min_tokens:,} tokens on, newer tokenizer."
    elif able.is_retired(sheet.scenario.day):
        yield f"{model} is retired since {able.retired}: calls to it fail, the price is history."
    if model != sheet.to:
        yield from (f"{words}." for words in _length_texts(sheet, model, Fraction(1)))


def _share(share: Fraction) -> str:
    return f"{float(100 * share):.6g} %"


def _times(scale: Fraction) -> str:
    return f"{float(scale):.2g}"
