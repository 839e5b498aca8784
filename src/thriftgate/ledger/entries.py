"""The words of the books.

A call opens a hold before anything is sent and resolves it with exactly one entry, under the same id. An entry's postings
sum to zero:

    baseline                  +1_000_000_000   what the call would have cost as the client sent it
    upstream                    -412_000_000   what the provider bills
    saved:cache.breakpoints     -588_000_000   the difference, lever by lever
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from thriftgate.core.control.budgets import Standing
from thriftgate.core.control.whose import NOBODY, Whose
from thriftgate.core.misses import Cause, Miss
from thriftgate.core.plan import Decision
from thriftgate.core.routing.choice import Choice
from thriftgate.core.usage import Tokens, Usage

BASELINE = "baseline"
UPSTREAM = "upstream"
SAVED = "saved:"

# How a call ended, for the caller:
#   answered   a whole answer            failed   the provider answered with an error
#   cut        the answer broke off      left     the client went away before the end
#   unreachable, timeout, garbage        no usable answer came
#   refused    thriftgate sent nothing: bad input or a limit
#   lost       thriftgate was killed in between; found and closed at the next start
Outcome = Literal["answered", "failed", "cut", "left", "unreachable", "timeout", "garbage", "refused", "lost"]

# How the hold ended: post (a cost was booked), void (surely nothing was billed), expire (nobody came back for it).
Resolution = Literal["post", "void", "expire"]

# Where the usage comes from: the provider's own final word, our estimate, or there is none to book.
UsageSource = Literal["exact", "estimated", "none"]


class Posting(Struct, frozen=True):
    """Pico-USD on one account."""

    account: str
    pico: int


class Hold(Struct, frozen=True):
    """A call about to be sent: the most it can cost, and what it is expected to cost (pico-USD). Times in microseconds
    since 1970. `batch` is the batch that it waits for; a call under way has none. With `whose`, `task` and `provider` it is
    told which budgets it counts under."""

    id: str
    opened_us: int
    key: str
    model: str
    worst_pico: int
    forecast_pico: int
    batch: str = ""
    whose: Whose = NOBODY
    task: str = ""
    provider: str = ""


class Entry(Struct, frozen=True):
    """One settled call. Never holds prompt or answer text. `read_expected_tokens` and `write_expected_tokens` are what the
    forecast counted on; `miss` tells what the cache did not serve, and why; `sent_us` is when it was
    planned and sent, later than `opened_us` where it had to wait; `trail` are the boundaries of the prompt. `model` is what
    was sent, `asked_model` what the client named where that is another, and `choice` why. `task` is the call site, `arm` the
    side of an experiment that its `conversation` is on, drawn with probability `propensity`; `parent` is the call on whose
    behalf this one was made; `whose` tells who it is for beside its key, `upstream` which of the provider's keys served it,
    by its name."""

    id: str
    opened_us: int
    settled_us: int
    key: str
    model: str
    endpoint: str
    outcome: Outcome
    resolution: Resolution
    usage_source: UsageSource
    usage: Usage
    postings: tuple[Posting, ...]
    served_model: str = ""
    provider: str = ""
    mode: str = "standard"
    geo: str = "global"
    stream: bool = False
    status: int = 0
    price_book: str = ""
    forecast_pico: int = 0
    decisions: tuple[Decision, ...] = ()
    upstream_request_id: str = ""
    message_id: str = ""
    stop_reason: str = ""
    note: str = ""
    attempts: int = 0
    ttfb_ms: int = 0
    latency_ms: int = 0
    read_expected_tokens: int = 0
    write_expected_tokens: int = 0
    miss: Miss | None = None
    sent_us: int = 0
    trail: bytes = b""
    asked_model: str = ""
    task: str = ""
    arm: str = ""
    propensity: float = 1.0
    conversation: str = ""
    choice: Choice | None = None
    parent: str = ""
    whose: Whose = NOBODY
    upstream: str = ""

    def balance(self) -> int:
        """Zero, or the books are wrong."""
        return sum(posting.pico for posting in self.postings)

    def posted(self, account: str) -> int:
        """Sum on one account (pico-USD)."""
        pico = 0
        for posting in self.postings:  # a generator would take twice as long, a dozen times a call
            if posting.account == account:
                pico += posting.pico
        return pico


def balanced(baseline: int, paid: int, saved: Mapping[str, int]) -> tuple[Posting, ...]:
    """The postings of a call. Raises ValueError when baseline is not what was paid plus what was saved."""
    off = baseline - paid - sum(saved.values())
    if off:
        raise ValueError(f"postings do not balance: baseline is off by {off} pico-USD")
    savings = (Posting(SAVED + lever, -pico) for lever, pico in saved.items())
    return (Posting(BASELINE, baseline), Posting(UPSTREAM, -paid), *savings)


class Group(Struct, frozen=True):
    """Sums over a set of entries (pico-USD)."""

    name: str
    calls: int
    baseline_pico: int
    paid_pico: int


class Remarks(Struct, frozen=True):
    """What is to be said with an answer: from when on single calls are there (microseconds since 1970; 0: all of them),
    whether an end of the span was moved to the beginning of its hour for that, and whether any are under `(other)`."""

    kept_from_us: int = 0
    whole_hours: bool = False
    others: bool = False


NO_REMARKS = Remarks()


class Report(Struct, frozen=True):
    """What the books say over a span of time. `estimated` counts the calls whose usage is our estimate. `remarks` are to be
    said with it."""

    calls: int
    estimated: int
    open_holds: int
    baseline_pico: int
    paid_pico: int
    levers: Mapping[str, int]
    by_model: tuple[Group, ...]
    by_key: tuple[Group, ...]
    by_outcome: tuple[Group, ...]
    remarks: Remarks = NO_REMARKS


class MissSum(Struct, frozen=True):
    """The misses of one cause: calls, tokens, what they cost above reading (pico-USD), and the part that could have been
    avoided."""

    cause: Cause
    calls: int
    tokens: int
    pico: int
    avoidable_pico: int


class PromptSum(Struct, frozen=True):
    """Prompt tokens of some calls, by how they were billed. `miss_pico` is what their misses cost, cold ones left out."""

    name: str
    calls: int
    read: int
    write_5m: int
    write_1h: int
    plain: int
    miss_pico: int

    @property
    def prompt(self) -> int:
        """All of them."""
        return self.read + self.write_5m + self.write_1h + self.plain


class PricedAlike(Struct, frozen=True):
    """Prompt tokens of calls that share a rate card: one model, mode, geography and UTC day, prompts within one price step
    (`above_tokens`)."""

    model: str
    mode: str
    geo: str
    day: int
    above_tokens: int
    tokens: Tokens


class CacheReport(Struct, frozen=True):
    """How prompts were cached over a span of time. Calls without usage are left out."""

    total: PromptSum
    misses: tuple[MissSum, ...]
    by_model: tuple[PromptSum, ...]
    by_key: tuple[PromptSum, ...]
    priced_alike: tuple[PricedAlike, ...]


class Missed:
    """The misses of one cause: calls, tokens, and what they cost above reading (pico-USD)."""

    __slots__ = ("calls", "pico", "tokens")

    def __init__(self) -> None:
        self.calls = 0
        self.tokens = 0
        self.pico = 0


class Counters:
    """Totals of all that a ledger settled since it was opened, as plain integers: what `GET /thriftgate/metrics` shows.
    `saved_pico` is by lever, negative where one cost more than it saved so far; `open_holds` are the ids of calls that this
    process has held and not settled."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        self.read = 0
        self.write_5m = 0
        self.write_1h = 0
        self.plain = 0
        self.output = 0
        self.baseline_pico = 0
        self.paid_pico = 0
        self.saved_pico: dict[str, int] = {}
        self.misses: dict[Cause, Missed] = {}
        self.open_holds: set[str] = set()

    def count(self, entry: Entry) -> None:
        """Add one settled call."""
        self.open_holds.discard(entry.id)
        self.calls[entry.outcome] = self.calls.get(entry.outcome, 0) + 1
        tokens = entry.usage.total
        self.read += tokens.read
        self.write_5m += tokens.write_5m
        self.write_1h += tokens.write_1h
        self.plain += tokens.input
        self.output += tokens.output
        for posting in entry.postings:
            if posting.account == BASELINE:
                self.baseline_pico += posting.pico
            elif posting.account == UPSTREAM:
                self.paid_pico -= posting.pico
            elif posting.account.startswith(SAVED):
                lever = posting.account.removeprefix(SAVED)
                self.saved_pico[lever] = self.saved_pico.get(lever, 0) - posting.pico
        if entry.miss is not None:
            missed = self.misses.get(entry.miss.cause)
            if missed is None:
                missed = self.misses[entry.miss.cause] = Missed()
            missed.calls += 1
            missed.tokens += entry.miss.tokens
            missed.pico += entry.miss.pico


class Ledger(Protocol):
    """Where the books are kept. All verbs raise LedgerError when the books cannot be written or read.

    `hold` and `settle` return once the rows are durable; they hand the rows over before they first wait, so a caller that is
    cancelled while it waits has still written them. A hold id is used once; an entry resolves the hold of its id, and
    the second entry for an id is an error: no call is booked twice. Budgets are part of both: whatever is taken and given
    back is durable with the row that it belongs to. Postings come back in order of account. `counters` adds
    up what this process settled; `heard` are told of each entry that it settled, once that is durable, within the loop.
    """

    @property
    def counters(self) -> Counters: ...

    @property
    def heard(self) -> list[Callable[[Entry], None]]: ...

    async def hold(self, hold: Hold) -> tuple[Standing, ...]:
        """Returns how the budgets stand that the call counts under. Raises BudgetExceeded, with nothing held, where one has
        no room for it."""

    async def settle(self, entry: Entry) -> None: ...

    async def entry(self, entry_id: str) -> Entry | None: ...

    async def entries(
        self, *, since_us: int = 0, until_us: int = 2**62, after: str = "", limit: int = 1000, but_of: str = ""
    ) -> Sequence[Entry]:
        """Entries in order of id, from just behind `after`; without those of the process named `but_of`."""

    async def open_holds(self, *, but_of: str = "") -> Sequence[Hold]: ...

    async def report(self, *, since_us: int = 0, until_us: int = 2**62) -> Report: ...

    async def cache_report(self, price_steps: Sequence[int], *, since_us: int = 0, until_us: int = 2**62) -> CacheReport:
        """`price_steps` are the prompt lengths (tokens) above which any price changes."""

    async def unbalanced(self) -> Sequence[str]:
        """Ids of entries whose postings do not sum to zero: empty, or the file was tampered with."""

    async def keep(self, name: str, value: bytes) -> None:
        """Put down what an engine learned, instead of what was kept under that name before."""

    async def kept(self, name: str) -> bytes | None:
        """What was last kept under that name; None if nothing ever was."""

    async def close(self) -> None: ...
