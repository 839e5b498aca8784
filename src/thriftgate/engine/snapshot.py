"""Gather all that one decision may know into a frozen `State`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.belief_book import BeliefBook
from thriftgate.core.brake import Brake, in_billed_tokens, prompt_cost
from thriftgate.core.cache import Breakpoint
from thriftgate.core.evidence import Evidence
from thriftgate.core.generations import Ageing
from thriftgate.core.looks import Looks
from thriftgate.core.memo import PartMemo
from thriftgate.core.models import Capabilities, ModelTable, TokenizerFamily
from thriftgate.core.output.lengths import Lengths
from thriftgate.core.placement import CacheMode, ratios_of
from thriftgate.core.prefix import Prefix, read_prefix
from thriftgate.core.prices import PriceBook, Rates
from thriftgate.core.request import Request
from thriftgate.core.reuse import Outlook, Reuse
from thriftgate.core.reuse_tree import UNUSED_S
from thriftgate.core.state import State
from thriftgate.core.tokens import PromptTokens, TokenMemory, framing_tokens
from thriftgate.core.trail import Trails
from thriftgate.core.usage import Tokens
from thriftgate.engine.keeping import Keepable
from thriftgate.engine.memory import Memory
from thriftgate.engine.targets import Site
from thriftgate.engine.unreduced import Shadows
from thriftgate.logs import log

RESIDENTS_MAX = 100_000  # entries believed live: two or three a call, for an hour of ten calls a second


class Snapshot(Struct, frozen=True):
    """The state for the planner, and the token estimate to be compared with the bill afterwards, with the tokens that the
    provider adds before each block."""

    state: State
    estimate: PromptTokens
    framing: Sequence[int] = ()


class KnownPrompt(Struct, frozen=True):
    """A prompt told by a log: its prefix, and the tokens up to and including each block. With `framing` the planner is not
    told these, but estimates them as it did when the call was made."""

    prefix: Prefix
    cumulative: tuple[int, ...]
    framing: tuple[int, ...] | None = None


class Knowledge:
    """Everything the engine learned and was told: price book, capability table, memories. One per engine. `quiet` where
    what is learned is not of today: then the log is told nothing of it. `trails`: entries shall tell the boundaries of their
    prompts."""

    def __init__(
        self,
        book: PriceBook,
        models: ModelTable,
        provider: str = "anthropic",
        *,
        cache_mode: CacheMode = "ttl-only",
        boundaries_max: int = 250_000,
        quiet: bool = False,
        trails: bool = False,
    ) -> None:
        self.book = book
        self.models = models
        self.provider = provider
        self.sites: Mapping[str, Site] = {}
        self.beliefs = BeliefBook()
        self.memory = Memory(min(boundaries_max, RESIDENTS_MAX))
        self.reuse = Reuse(boundaries_max=boundaries_max)
        self.brake = Brake(may_drop=cache_mode == "full")
        self.tokens = TokenMemory(min(boundaries_max, RESIDENTS_MAX))
        self.parts = PartMemo()
        self.looks = Looks()
        self.shadows = Shadows()
        self.lengths = Lengths()
        self.memories: dict[str, Keepable] = {
            "beliefs": self.beliefs,
            "reuse": self.reuse,
            "brake": self.brake,
            "residency": self.memory,
            "lengths": self.lengths,
        }
        self._ageing = Ageing(UNUSED_S)
        self._drifted: set[str] = set()
        self._quiet = quiet
        self.trails = Trails() if trails else None

    def _pass_time(self, now_s: float) -> None:
        self.reuse.pass_time(now_s)
        if self._ageing.is_due(now_s):
            self.memory.age()
            self.tokens.age()

    def snapshot(
        self,
        request: Request,
        key: str,
        now_s: float,
        known: KnownPrompt | None = None,
        *,
        outlook: bool = True,
        supposed: bool = False,
        upstream: str = "",
    ) -> Snapshot:
        """Read the request's prefix and freeze what is known about it; `known` is the prefix of one whose body is not at
        hand. Without `outlook` nothing is expected of later calls. `supposed`: of a prompt that is not sent as it is.
        `upstream` names the provider's key that it is sent with, where that is not the client's own. Raises InputError for
        malformed content."""
        site = self.sites.get(upstream) or Site(self.provider)
        capability = self._capability(request.model, site)
        cache = upstream or key
        prefix = known.prefix if known is not None else read_prefix(request, capability, self.parts, cache.encode())
        added: Sequence[int] = ()
        if known is not None and known.framing is None:
            estimate = PromptTokens(known.cumulative, known.cumulative)
        else:
            added = known.framing or () if known is not None else framing(prefix, request, capability)
            parts = [block.part for block in prefix.blocks]
            estimate = self.tokens.estimate(capability.id, prefix.chain, parts, added, supposed=supposed)
        self._pass_time(now_s)
        scope, minimum = _scope(key, capability), capability.cache_min_tokens
        ahead = self.reuse.look(scope, prefix, estimate.cumulative, now_s, minimum=minimum) if outlook else Outlook()
        state = State(
            now_s=now_s,
            usable_s=now_s + self.beliefs.readable_s(site.provider, capability.id),
            capability=capability,
            book=self.book,
            prefix=prefix,
            cumulative=estimate.cumulative,
            upper=estimate.upper,
            output_tokens=self.memory.expected_output(key, request.model, request.max_tokens),
            residency=self.memory.residency_of(prefix.chain),
            outlook=ahead,
            rules=self.beliefs.rules(site.provider, capability.id),
            in_thread=request.in_thread,
            braked=self.brake.holds(ahead.app) if outlook else "",
            provider=site.provider,
            place=site.place,
        )
        return Snapshot(state, estimate, added)

    def prefix(self, request: Request) -> Prefix:
        """The prompt as it is in nobody's cache in particular. Raises InputError for malformed content."""
        return read_prefix(request, self._capability(request.model, Site(self.provider)), self.parts, b"")

    def _capability(self, model: str, site: Site) -> Capabilities:
        """The row of the model at a provider, with the minimum prefix that its bills have shown."""
        row = self.models[model]
        row = row if site.fit is None else site.fit(row)
        least = self.beliefs.minimum(site.provider, row.id, row.cache_min_tokens)
        return row if least == row.cache_min_tokens else replace(row, cache_min_tokens=least)

    def learn_cache(
        self, snapshot: Snapshot, breakpoints: Sequence[Breakpoint], billed: Tokens, began_s: float, *, split: bool
    ) -> None:
        """Believe the bill: what it shows of the provider's cache, and what of this prompt is really held. Says so when a
        belief changes. `split` where it tells five-minute writes from those of an hour."""
        state = snapshot.state
        model = state.capability.id
        lesson = self.beliefs.learn(
            state.provider,
            model,
            Evidence(
                prefix=state.prefix,
                cumulative=state.cumulative,
                breakpoints=breakpoints,
                residency=state.residency,
                billed=billed,
                now_s=state.now_s,
                usable_s=began_s + self.beliefs.readable_s(state.provider, model),
                cache_min_tokens=self.models[model].cache_min_tokens,
                split=split,
            ),
        )
        self.memory.evicted(lesson.gone)
        if lesson.warnings:  # what was taken to be written when the answer began was taken by rules that do not hold
            self.memory.evicted(state.prefix.chain[mark.at] for mark in breakpoints)
        changed = lesson.gone or lesson.warnings
        self.memory.cached(lesson.entries if changed else self.memory.news(lesson.entries))
        for warning in lesson.warnings:
            self._warn("cache belief changed", model=model, belief=warning)

    def observe(self, snapshot: Snapshot, key: str) -> None:
        """The request is being sent: its prefixes are in use from now. `key` is the client's: how soon prefixes come again
        is its habit, whatever they are sent with."""
        state = snapshot.state
        self.reuse.observe(_scope(key, state.capability), state.prefix, state.cumulative, state.now_s)

    def learn_cost(
        self, snapshot: Snapshot, client: Sequence[Breakpoint], expected: Tokens, billed: Tokens, rates: Rates
    ) -> Tokens | None:
        """Hold the bill of the prompt against what the client's own breakpoints would have cost. Says so when the brake
        begins or ceases to hold.

        Returns how the prompt would have been billed as the client sent it, None where it set no breakpoints. `expected` is
        the forecast of what was sent.
        """
        state = snapshot.state
        if not state.outlook.prospects:  # nothing of it can be cached
            return billed if client else None
        sent = Tokens(input=billed.prompt)
        if client:
            shadow = self.brake.shadow(
                state.prefix,
                state.cumulative,
                client,
                now_s=state.now_s,
                usable_s=state.usable_s,
                minimum=state.capability.cache_min_tokens,
                rules=state.rules,
            )
            sent = in_billed_tokens(shadow, expected, billed)
        ratios = ratios_of(rates)
        app = state.outlook.app
        plain = float(billed.prompt)
        if self.brake.book(app, prompt_cost(billed, ratios), prompt_cost(sent, ratios), plain, state.now_s):
            self._warn("cache brake", model=state.capability.id, left_with=self.brake.holds(app) or "ours")
        return sent if client else None

    def _warn(self, event: str, **values: object) -> None:
        if not self._quiet:
            log.warning(event, **values)

    def learn_tokens(self, snapshot: Snapshot, exact: int) -> None:
        """Take in how long a prompt really was. Says so, once a model, when estimates are off for good: the model may have a
        vocabulary this version does not know."""
        state = snapshot.state
        model = state.capability.id
        self.tokens.learn(model, state.prefix.chain[-1], exact, snapshot.estimate)
        if model not in self._drifted and self.tokens.correction(model).drifted():
            self._drifted.add(model)
            self._warn("token estimates are off", model=model, ratio=round(self.tokens.correction(model).ratio, 2))


def _scope(key: str, capability: Capabilities) -> bytes:
    """Whose habits are counted together: those of one key with one model."""
    return f"{key}/{capability.id}/".encode()


def framing(prefix: Prefix, request: Request, capability: Capabilities) -> list[int]:
    """Tokens the provider adds just before each block: once a request, once a message, and with any tool its own prompt."""
    choice = request.raw("tool_choice")
    forced = b'"any"' in choice or b'"tool"' in choice
    tool_prompt = capability.tool_prompt_forced_tokens if forced else capability.tool_prompt_tokens
    request_alone, message = _frames(capability.tokenizer)
    fixed = request_alone + (tool_prompt if "tools" in request.members else 0)
    framing = [message if block.section == "messages" and block.item == 0 else 0 for block in prefix.blocks]
    if framing:
        framing[0] += fixed
    return framing


@cache
def _frames(family: TokenizerFamily) -> tuple[int, int]:
    """Tokens that a request holds besides its messages, and those of each message besides its blocks."""
    request_alone = framing_tokens(family, messages=0).tokens
    return request_alone, framing_tokens(family, messages=1).tokens - request_alone
