"""The words of a decision: what a policy allows, what a lever proposes, what a plan says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from thriftgate.core.cache import Breakpoint
from thriftgate.core.placement import CacheMode
from thriftgate.core.prices import Terms
from thriftgate.core.reduction.recipe import NO_HISTORY, NO_RECIPE, HistoryPolicy, Recipe
from thriftgate.core.request import Request
from thriftgate.core.routing.choice import Asked, Route
from thriftgate.core.splice import Edit
from thriftgate.core.state import State
from thriftgate.core.usage import Tokens, Usage


class Policy(Struct, frozen=True):
    """What planning may do. `levers` names the levers that are on; unsafe ones only work when named here.

    `cost_limit_pico` is the most one call may cost in the worst case; `on_cost_limit` says what happens above it.
    `stabilise` names the switches of `cache.stabilise` that are on (`core/stability/rewrite.py`); `recipe` says what may be
    taken out of prompts (`core/reduction/recipe.py`).
    """

    levers: tuple[str, ...] = ("cache.breakpoints", "batch.defer", "count.guard")
    cost_limit_pico: int | None = None
    on_cost_limit: Literal["refuse", "warn"] = "refuse"
    cache_mode: CacheMode = "ttl-only"
    stabilise: tuple[str, ...] = ()
    recipe: Recipe = NO_RECIPE
    history: HistoryPolicy = NO_HISTORY


class Draft(Struct, frozen=True):
    """The call as the levers so far have shaped it: what is needed to forecast it."""

    terms: Terms
    max_tokens: int
    breakpoints: tuple[Breakpoint, ...]


class Forecast(Struct, frozen=True):
    """Expected tokens and cost of a draft, and the most it can cost (pico-USD). An estimate, and meant as one."""

    tokens: Tokens
    pico: int
    worst_pico: int


class Proposal(Struct, frozen=True):
    """A lever acts: these edits, this draft. `reason` is one sentence for `explain`."""

    reason: str
    draft: Draft
    edits: tuple[Edit, ...] = ()
    warns: bool = False


class Skip(Struct, frozen=True):
    """A lever stands aside. Not an error: `reason` is one sentence for `explain`."""

    reason: str


class Refuse(Struct, frozen=True):
    """A lever forbids the call; `message` is what the caller reads."""

    message: str


class Without(Struct, frozen=True):
    """What is known of how the call would have gone without levers.

    `as_sent`: how the prompt would have been billed with the breakpoints that the client set itself; None where it set
    none. `asked`: the model that the client named, where another one served. `prompts`: by lever that took something out of
    the prompt, how the prompt would have been billed without it and those after it. `output`: how long answers like this
    one are where nothing shortens them (tokens); None where that is not known. `cut`: how long answers are that a cap has
    cut, had it not (tokens); None where this one repeats none.
    """

    as_sent: Tokens | None = None
    asked: Asked | None = None
    prompts: Mapping[str, Tokens] = {}
    output: int | None = None
    cut: int | None = None


NOTHING_ELSE = Without()


class Lever(Protocol):
    """One idea for saving, in one file. Must be pure, must not edit what the model sees unless `safe` is False.

    `id` is never renamed: it is an account of the ledger.
    """

    @property
    def id(self) -> str: ...

    @property
    def safe(self) -> bool: ...

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Proposal | Skip | Refuse:
        """What to do about this request. Raising is allowed and counts as a skip: savings fail open."""

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        """What the settled call would have used without this lever: the counterfactual behind its booked saving."""


class Decision(Struct, frozen=True):
    """One line of an explanation. `forecast_pico` is the saving expected of this lever (before minus after)."""

    lever: str
    decision: Literal["applied", "warned", "skipped", "refused"]
    reason: str
    forecast_pico: int = 0


class Plan(Struct, frozen=True):
    """What happens to one request, and why. `body` is what to send: the client's own bytes object when nothing is edited.
    `client` are the breakpoints the client set itself; `route` what was decided about the model."""

    body: bytes
    terms: Terms
    breakpoints: tuple[Breakpoint, ...]
    decisions: tuple[Decision, ...]
    baseline: Forecast
    forecast: Forecast
    refusal: str | None = None
    client: tuple[Breakpoint, ...] = ()
    route: Route | None = None

    @property
    def asked(self) -> Asked | None:
        """The model that the client named, where another one serves."""
        choice = self.route.choice if self.route is not None else None
        return Asked(choice.asked, choice.ratio) if choice is not None else None

    @property
    def held_out(self) -> bool:
        """Whether the conversation is left as its client sends it: no waiting, no pings."""
        return self.route is not None and self.route.arm == "holdout"

    @property
    def tries(self) -> bool:
        """Whether the answer is a try, to be judged before the client sees it."""
        choice = self.route.choice if self.route is not None else None
        return choice is not None and choice.cascade

    def applied(self) -> tuple[str, ...]:
        """Ids of the levers that changed the call, in order."""
        return tuple(decision.lever for decision in self.decisions if decision.decision == "applied")
