"""The goals that thriftgate must meet, and whether it did in this run."""

from dataclasses import dataclass

from benchmarks.gateway.bodies import CASES
from benchmarks.gateway.report import Summary
from benchmarks.gateway.targets import Books


@dataclass(frozen=True)
class Goal:
    """One goal. `value` is None when it could not be measured; then `passed` is None too."""

    name: str
    limit: float
    at_most: bool
    value: float | None

    @property
    def passed(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit


def judge(summaries: dict[str, Summary], books: Books | None, errors: int) -> list[Goal]:
    """All goals against the medians of this run."""
    small, small_sse, large, _ = (case.name for case in CASES)
    ours = summaries.get("thriftgate", Summary())
    added = [ours.latency[name] for name in (small, small_sse) if name in ours.latency]

    def times(peer: str) -> float | None:
        mine, theirs = ours.cpu_us.get(small), summaries.get(peer, Summary()).cpu_us.get(small)
        return None if mine is None or theirs is None else theirs / mine

    def most(values: list[float]) -> float | None:
        return max(values) if len(values) == 2 else None

    unbooked = None if books is None else float(books.wrong(ours.calls))
    return [
        Goal("CPU per 2 kB call, us", 300, True, ours.cpu_us.get(small)),
        Goal("CPU per 200 kB call, us", 900, True, ours.cpu_us.get(large)),
        Goal("CPU per 55-event burst stream, us", 350, True, ours.cpu_us.get(small_sse)),
        Goal("requests per core / LiteLLM's", 25, False, times("litellm")),
        Goal("requests per core / Portkey's", 4, False, times("portkey")),
        Goal("added p50 at 2 kB (json and sse, the worse), ms", 1.5, True, most([each.added_p50_ms for each in added])),
        Goal("added p99 at 2 kB (json and sse, the worse), ms", 5, True, most([each.added_p99_ms for each in added])),
        Goal("200 paced streams: added first-byte p99, ms", 10, True, ours.streams_added_p99_ms),
        Goal("200 paced streams: streams not complete", 0, True, ours.streams_incomplete),
        Goal("memory idle, MB", 80, True, ours.idle_mb),
        Goal("memory after load, MB", 150, True, ours.after_mb),
        Goal("start to first answer, s", 2, True, ours.start_s),
        Goal("errors, all targets", 0, True, float(errors)),
        Goal("calls not booked exactly once, holds not resolved", 0, True, unbooked),
    ]
