"""Everything that can be set on the simulator. All defaults are quick and deterministic; assumed rules are switches here."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from thriftgate.simulator.accuracy import AccuracyShift, within
from thriftgate.simulator.clock import SimClock
from thriftgate.simulator.faults import Faults
from thriftgate.simulator.tables import settings_table


@dataclass(frozen=True, slots=True)
class CacheRules:
    """How the prompt cache behaves. Fields marked "doc" are documented, "assumed" ones are open and may be switched.

    Source: platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10.
    """

    lookback: int = 20
    """doc: positions checked backwards from a breakpoint, itself the first"""
    collapse_runs: bool = True
    """doc (first-party API): a run of consecutive tool_use, or of tool_result, blocks is one position"""
    min_tokens: int | None = None
    """None = the documented minimum of the model; a number replaces it"""
    grant_1h: bool = True
    """False = a 1h breakpoint is silently kept and billed as 5m"""
    readable_after_s: float | None = None
    """None = an entry is readable from the first byte of the response that wrote it (doc); a number = that many
    seconds after the request started, but never before the first byte"""
    refresh: str = "hit_and_marked"
    """assumed: which entries a hit renews: "hit_only", "hit_and_marked" (also shallower marked ones) or "ancestors" (all)"""
    free_insert: bool = True
    """assumed: a breakpoint inside the part that was read, where no entry is, makes one at no charge"""
    late_upgrade: bool = True
    """assumed: a 1h breakpoint behind a live 5m prefix makes a 1h entry for the whole prefix; False = the class
    is fixed at the first write: what is written behind, or freely inserted into, a 5m prefix lives as a 5m entry"""
    in_place_upgrade: bool = False
    """assumed: a 1h marker exactly on a live 5m entry turns it into a 1h entry for free"""
    speed_shares_tools: bool = False
    """The pages disagree: "fast and standard never share entries" (fast-mode page; default) against a table that keeps the
    tools level valid across a switch (True)"""

    def __post_init__(self) -> None:
        if self.refresh not in {"hit_only", "hit_and_marked", "ancestors"}:
            raise ValueError(f'refresh must be "hit_only", "hit_and_marked" or "ancestors", not {self.refresh!r}')
        if self.lookback < 1:
            raise ValueError("lookback counts the breakpoint itself, so it is at least 1")


@dataclass(frozen=True, slots=True)
class Latency:
    """How slow replies are, in seconds of the simulator's `sleep`."""

    first_byte_s: float = 0.0
    per_input_1k_s: float = 0.0
    """added to the first byte per 1,000 input tokens that were not read from the cache"""
    per_output_token_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LimitRules:
    """Rate and spend limits. With `tier` None nothing is limited and the headers show the Scale tier's figures."""

    tier: str | None = None
    """None, "start", "build" or "scale" (api/rate-limits, 2026-10)"""
    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    """each replaces the tier's figure for every model; setting one also switches the limit on"""
    batch_queue: int | None = None
    tier_spend_cap_usd: Decimal | None = None
    """reached: 429 with details.error_code "enforced_spend_limit_reached" """
    organization_spend_limit_usd: Decimal | None = None
    """reached: 400, the organisation's own limit"""
    workspace_spend_limit_usd: Decimal | None = None
    """reached: 400, the workspace's own limit"""

    def __post_init__(self) -> None:
        if self.tier not in {None, "start", "build", "scale"}:
            raise ValueError(f'tier must be None, "start", "build" or "scale", not {self.tier!r}')


@dataclass(frozen=True, slots=True)
class BatchRules:
    """How batches are processed, in seconds of the simulator's clock (build-with-claude/batch-processing, 2026-10).

    Each batch has its own workers and keeps the rules it was created under. A busy provider that does not stall is
    workers=200, service_s=9, spread=0.5, stagger=False, readable_s=1, read_per_token_s=1e-4 (assumed); a stall adds to
    `service_s`.
    """

    duration_s: tuple[float, float] = (60.0, 1800.0)
    """a batch takes a time drawn log-uniformly between the two, its items shuffled over it; not used with `workers`"""
    workers: int = 0
    """assumed: so many items of a batch run at a time; 0 = `duration_s` decides"""
    service_s: float = 3.0
    """assumed: a worker spends so long on one item, so that workers / service_s items start a second"""
    spread: float = 0.0
    """assumed: each item takes service_s × (1 ± spread), drawn evenly; 0 = all take the same"""
    stagger: bool = True
    """assumed: the workers of a batch start evenly over the first `service_s`; False = all at once"""
    start_s: tuple[float, float] = (0.0, 0.0)
    """assumed: the first item of a batch waits so long in a queue, drawn evenly between the two; only with `workers`"""
    order: str = "file"
    """assumed: workers take the items in the order of the file ("file") or "shuffled"; without workers always shuffled"""
    readable_s: float = 2.0
    """assumed: a cache entry written by a batch item is readable this long after the item started, and …"""
    read_per_token_s: float = 0.0
    """assumed: … this much later for each token of its prompt"""
    cancel_s: float = 2.0
    """assumed: a canceled batch ends this long after the request"""
    stuck_share: float = 0.0
    """share of items that are never reached and expire after 24 h"""
    max_requests: int = 100_000
    max_bytes: int = 256_000_000

    def __post_init__(self) -> None:
        if self.order not in {"file", "shuffled"}:
            raise ValueError(f'order must be "file" or "shuffled", not {self.order!r}')
        for name in ("stuck_share", "spread"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)!r}")
        for name in ("workers", "readable_s", "read_per_token_s", "cancel_s", "max_requests", "max_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, but is {getattr(self, name)!r}")
        if self.service_s <= 0:
            raise ValueError(f"service_s must be more than 0, not {self.service_s!r}")
        if not 0 < self.duration_s[0] <= self.duration_s[1]:
            raise ValueError(f"duration_s must be two ascending numbers above 0, not {self.duration_s!r}")
        if not 0 <= self.start_s[0] <= self.start_s[1]:
            raise ValueError(f"start_s must be two ascending numbers from 0 on, not {self.start_s!r}")

    @classmethod
    def parse(cls, raw: object, where: str = "batches") -> BatchRules:
        """Rules from a decoded document. ValueError names an unknown, mistyped or impossible value."""
        table = settings_table(raw, [field.name for field in dataclasses.fields(cls)], where)
        try:
            return msgspec.convert(table, cls)
        except msgspec.ValidationError as problem:
            raise ValueError(f"{where}: {problem}") from None


@dataclass(slots=True)
class SimulatorConfig:
    """One simulator.

    `clock` tells Unix seconds (a `SimClock` can also be moved over HTTP); `sleep` waits (None: the clock's own `sleep` if it
    has one). `instance_id` makes ids unique between processes: None draws one from the operating system.
    """

    seed: int = 0
    clock: Callable[[], float] = field(default_factory=SimClock.real)
    sleep: Callable[[float], Awaitable[None]] | None = None
    instance_id: str | None = None
    tokenizer: str | Callable[[str, str], int] = "auto"
    """ "ctok", "estimate", "auto" (ctok where it is installed) or a function (text, family) -> tokens; families are "3.0",
    "4.7" and "5.0" """
    rules: CacheRules = field(default_factory=CacheRules)
    latency: Latency = field(default_factory=Latency)
    limits: LimitRules = field(default_factory=LimitRules)
    batches: BatchRules = field(default_factory=BatchRules)
    faults: Faults = field(default_factory=Faults)
    enforce_prefix_binding: bool = True
    """accounts created since 2026-08-31; 5.2 models enforce for every account whatever is set here"""
    accept_foreign_signatures: bool = False
    """True lets thinking blocks pass that this simulator did not sign (replays of recorded traffic)"""
    lifecycle: bool = True
    """False lets retired and not yet released models answer"""
    default_inference_geo: str = "global"
    """the workspace's default"""
    accuracy_shift: float = 0.0
    """added (−1…1) to every probability of a right answer in `tasks`"""
    accuracy_shifts: tuple[AccuracyShift, ...] = ()
    """the same for single models, or for their answers to one task set; `POST /_sim/accuracy` changes them in mid-run"""
    variety: float = 0.0
    """share (0…1) of right or wrong outcomes that are drawn anew for each call; 0 = a task that a model got right once it
    always gets right. The chance of a right answer is the same whatever is set here"""
    max_body_bytes: int = 32_000_000
    disconnect_bills_all: bool = False
    """assumed (the documentation is silent): a client that leaves mid-stream is billed the output streamed so far;
    True bills the whole answer"""
    public_url: str = "http://127.0.0.1"
    """put before the path in a batch's `results_url` when the request carried no Host header"""

    def __post_init__(self) -> None:
        within("accuracy_shift", self.accuracy_shift, -1.0, 1.0)
        within("variety", self.variety, 0.0, 1.0)
