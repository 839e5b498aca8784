"""All a decision may know, frozen: a plan can be made again from it, live or in an audit."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from thriftgate.core.agents.limits import Guard
from thriftgate.core.brake import Verdict
from thriftgate.core.cache import CacheRules, Residency
from thriftgate.core.deadline import Choice
from thriftgate.core.models import Capabilities
from thriftgate.core.prefix import Prefix
from thriftgate.core.prices import PriceBook
from thriftgate.core.reduction.change import Change
from thriftgate.core.request import Ttl
from thriftgate.core.reuse import Outlook
from thriftgate.core.routing.choice import Route


class Shared(Struct, frozen=True):
    """What a job of a batch shares with other jobs that are planned together: the prompt up to and including block `at`, to
    be kept for `ttl`. With `at` -1 nothing is to be marked. `reason` is one sentence for `explain`."""

    at: int
    ttl: Ttl
    reason: str


class State(Struct, frozen=True):
    """A snapshot for one request.

    `cumulative[i]` and `upper[i]` are the expected and worst-case token counts up to and including block i. `usable_s` is
    when the answer is expected to begin. `in_thread` says that the prompt is longer than can be
    seen: the provider holds the rest. `output_tokens` is the expected length of the answer. `braked` says what this
    application's calls are to be left with, because our breakpoints have cost it more. `deferral` is what was found for
    a call whose caller has named a deadline; `shared` is set for jobs that are planned together; `route` is what was decided
    about the model, None where nothing asks; `changes` tell, by lever, what was done to the call before it was planned;
    `guard` is what is known of the agent that calls, None where nothing is guarded; `provider` names where the call goes,
    and `place` the geography by which it is priced there, "" for the list's prices.
    """

    now_s: float
    usable_s: float
    capability: Capabilities
    book: PriceBook
    prefix: Prefix
    cumulative: tuple[int, ...]
    upper: tuple[int, ...]
    output_tokens: int
    residency: Residency
    outlook: Outlook
    rules: CacheRules = CacheRules()
    in_thread: bool = False
    braked: Verdict = ""
    deferral: Choice | None = None
    shared: Shared | None = None
    route: Route | None = None
    changes: Mapping[str, Change] = {}
    guard: Guard | None = None
    provider: str = "anthropic"
    place: str = ""
