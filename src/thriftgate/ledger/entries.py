"""The words of the books.

A call opens a hold before anything is sent and resolves it with exactly one entry, under the same id. An entry's postings
sum to zero:

    baseline                  +1_000_000_000   what the call would have cost as the client sent it
    upstream                    -412_000_000   what the provider bills
    saved:cache.breakpoints     -588_000_000   the difference, lever by lever
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from thriftgate.core.plan import Decision
from thriftgate.core.usage import Usage

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
    since 1970."""

    id: str
    opened_us: int
    key: str
    model: str
    worst_pico: int
    forecast_pico: int


class Entry(Struct, frozen=True):
    """One settled call. Never holds prompt or answer text."""

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

    def balance(self) -> int:
        """Zero, or the books are wrong."""
        return sum(posting.pico for posting in self.postings)

    def posted(self, account: str) -> int:
        """Sum on one account (pico-USD)."""
        return sum(posting.pico for posting in self.postings if posting.account == account)


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


class Report(Struct, frozen=True):
    """What the books say over a span of time. `estimated` counts the calls whose usage is our estimate."""

    calls: int
    estimated: int
    open_holds: int
    baseline_pico: int
    paid_pico: int
    levers: Mapping[str, int]
    by_model: tuple[Group, ...]
    by_key: tuple[Group, ...]
    by_outcome: tuple[Group, ...]


class Ledger(Protocol):
    """Where the books are kept. All verbs raise LedgerError when the books cannot be written or read.

    `hold` and `settle` return once the rows are durable; they hand the rows over before they first wait, so a caller that is
    cancelled while it waits has still written them. A hold id is used once; an entry resolves the hold of its id, and
    the second entry for an id is an error: no call is booked twice. Postings come back in order of account.
    """

    async def hold(self, hold: Hold) -> None: ...

    async def settle(self, entry: Entry) -> None: ...

    async def entry(self, entry_id: str) -> Entry | None: ...

    async def entries(
        self, *, since_us: int = 0, until_us: int = 2**62, after: str = "", limit: int = 1000
    ) -> Sequence[Entry]:
        """Entries in order of id, from just behind `after`."""

    async def open_holds(self) -> Sequence[Hold]: ...

    async def report(self, *, since_us: int = 0, until_us: int = 2**62) -> Report: ...

    async def unbalanced(self) -> Sequence[str]:
        """Ids of entries whose postings do not sum to zero: empty, or the file was tampered with."""

    async def close(self) -> None: ...
