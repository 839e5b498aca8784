"""What an audit found: the one document behind the terminal summary, `--json`, `--csv` and the HTML report.

Money is integer pico-USD, times are microseconds since 1970 (UTC), tokens are counts. An interval is what is known: the true
figure lies between `low` and `high`; where everything is told they equal `pico`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from thriftgate.audit.records import Depth
from thriftgate.core.misses import Cause

Family = Literal["as-is", "plain", "config", "lever", "levers", "client", "what-if", "bound"]


class Money(Struct, frozen=True):
    """A sum with its error bar."""

    pico: int = 0
    low: int = 0
    high: int = 0

    def __add__(self, other: Money) -> Money:
        return Money(self.pico + other.pico, self.low + other.low, self.high + other.high)


class Kinds(Struct, frozen=True):
    """Tokens by how they were billed, and what each kind cost (pico-USD). `fees` are web searches and other charges."""

    input: int = 0
    write_5m: int = 0
    write_1h: int = 0
    read: int = 0
    output: int = 0
    input_pico: int = 0
    write_5m_pico: int = 0
    write_1h_pico: int = 0
    read_pico: int = 0
    output_pico: int = 0
    fees_pico: int = 0

    @property
    def prompt(self) -> int:
        """All prompt tokens."""
        return self.input + self.write_5m + self.write_1h + self.read


class SourceSum(Struct, frozen=True):
    """What was read of one format: `records` before copies were merged. `depth` is what was really found in it, not what the
    format could tell; `cannot_know` are sentences."""

    format: str
    title: str
    files: int
    bytes: int
    records: int
    depth: Depth
    input_includes_cache: bool | None
    cannot_know: tuple[str, ...]
    first_us: int = 0
    last_us: int = 0


class Unpriced(Struct, frozen=True):
    """Calls that the price book cannot price: not in any sum. An error line of the report, never zero."""

    model: str
    calls: int
    tokens: int
    reason: str


class Part(Struct, frozen=True):
    """A share of the whole: one model, day, key, project or session. `baseline_pico` is the same without any caching."""

    name: str
    calls: int
    cost: Money
    kinds: Kinds
    baseline_pico: int = 0
    note: str = ""


class DayModel(Struct, frozen=True):
    """Spend of one model on one UTC day (days since 1970)."""

    day: int
    model: str
    calls: int
    kinds: Kinds
    pico: int


class Gap(Struct, frozen=True):
    """Calls that came between `from_s` and `until_s` seconds after the previous one of their conversation, and the prompt
    tokens they repeated."""

    from_s: float
    until_s: float
    calls: int
    tokens: int


class MissSum(Struct, frozen=True):
    """Prompt tokens that had been sent before and were not read, by cause; `pico` is what they cost above reading."""

    cause: Cause
    calls: int
    tokens: int
    pico: int
    avoidable_pico: int
    example: str = ""


class PolicyResult(Struct, frozen=True):
    """What the log would have cost under one policy.

    `saved_pico` is as-is minus this (negative: dearer), over the `calls` that could be replayed; `levers` are the shares of
    the saving by lever (pico-USD) and sum to it. `safe`: no answer changes. `note` says what was assumed.
    """

    name: str
    family: Family
    title: str
    calls: int
    cost: Money
    saved: Money
    levers: dict[str, int] = {}
    safe: bool = True
    note: str = ""


class Action(Struct, frozen=True):
    """Something to do, dearest first: dollars a month with interval (pico-USD), and the settings that do it (TOML), "" where
    it is not a setting. `effort` and `risk` are "none", "low", "medium" or "high"."""

    text: str
    month: Money
    effort: str
    risk: str
    config: str = ""
    why: str = ""


class Lever(Struct, frozen=True):
    """Whether a lever could be judged from these logs, and if not, what it would take."""

    id: str
    judged: bool
    needs: Depth
    reason: str


class Replayed(Struct, frozen=True):
    """How well the replay of the log as it is reproduces it: the calls that could be replayed, what they did cost and what
    the cache model says they did (pico-USD). The difference is the error bar of every replayed policy."""

    calls: int
    observed_pico: int
    replayed_pico: int
    differing_calls: int = 0


class Books(Struct, frozen=True):
    """What a gateway's own ledger claims (pico-USD), and whether it stands up: `claimed` is the saving by lever as it was
    booked, `replayed` that of planning and billing the same calls once more."""

    calls: int
    baseline_pico: int
    paid_pico: int
    claimed: dict[str, int]
    replayed: dict[str, int]


class Findings(Struct, frozen=True, kw_only=True):
    """One audit. `duplicates` are copies of calls that were merged away, `skipped` counts what was read and is no call, by
    reason; `skipped_examples` are a few places for each. `months` is the length of the log in months of 30 days, by which
    monthly figures are scaled."""

    sources: tuple[SourceSum, ...]
    depth: Depth
    calls: int
    duplicates: int
    skipped: dict[str, int]
    skipped_examples: dict[str, tuple[str, ...]]
    unpriced: tuple[Unpriced, ...]
    first_us: int
    last_us: int
    months: float
    price_book: str
    cost: Money
    baseline_pico: int
    reported_pico: int | None
    kinds: Kinds
    by_model: tuple[Part, ...]
    by_key: tuple[Part, ...]
    by_project: tuple[Part, ...]
    by_session: tuple[Part, ...]
    sessions: int
    days: tuple[DayModel, ...]
    gaps: tuple[Gap, ...]
    replay: Replayed | None
    policies: tuple[PolicyResult, ...]
    misses: tuple[MissSum, ...]
    actions: tuple[Action, ...]
    levers: tuple[Lever, ...]
    notes: tuple[str, ...] = ()
    books: Books | None = None
