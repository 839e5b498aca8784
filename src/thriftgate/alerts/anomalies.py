"""What the detectors of `core/anomalies` find, told as alerts for as long as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from thriftgate.batch.booking import ENDPOINT as BATCHES
from thriftgate.core.alerting.alert import Sighting
from thriftgate.core.alerting.words import moment
from thriftgate.core.anomalies.call import Call, Ended
from thriftgate.core.anomalies.finding import Finding
from thriftgate.core.anomalies.watch import Watch
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.money import TOKENS_PER_MTOK
from thriftgate.core.prices import PriceBook, Terms
from thriftgate.ledger.entries import UPSTREAM, Entry

MEMORY = "alerts.anomalies"
_DAY_US = 86_400_000_000
_FINE = ("answered", "left")


class Anomalies:
    """See `watch.Detector`, and `engine.keeping.Keepable`: what is usual survives a restart."""

    def __init__(self, book: PriceBook, watch: Watch | None = None) -> None:
        self._book = book
        self._watch = watch or Watch()

    def see(self, entry: Entry) -> Iterable[Sighting]:
        return [sighting_of(one) for one in self._watch.see(self._call(entry))]

    def tick(self, now_s: float) -> Iterator[Sighting]:
        for one in self._watch.tick(now_s):
            yield sighting_of(one)
        for one in self._watch.standing():
            yield sighting_of(one)

    def kept(self) -> bytes:
        return self._watch.kept()

    def restore(self, data: bytes) -> None:
        """Raises ValueError for anything but what `kept` gave."""
        self._watch.restore(data)

    def _call(self, entry: Entry) -> Call:
        tokens = entry.usage.total
        ended: Ended = "refused" if entry.outcome == "refused" else "ok" if entry.outcome in _FINE else "error"
        return Call(
            settled_s=entry.settled_us / 1e6,
            key=entry.key,
            task=entry.task,
            model=entry.model,
            cost_pico=-entry.posted(UPSTREAM),
            rate_pico=self._rate_pico(entry),
            read=tokens.read,
            write=tokens.write_5m + tokens.write_1h,
            plain=tokens.input,
            output=tokens.output,
            ended=ended,
            run=entry.conversation,
            queued=entry.endpoint == BATCHES,
        )

    def _rate_pico(self, entry: Entry) -> int:
        try:
            rates = self._book.rates(Terms(entry.model, entry.settled_us // _DAY_US), 0)
        except UnknownPrice:
            return 0
        return rates.output // TOKENS_PER_MTOK


def sighting_of(finding: Finding) -> Sighting:
    """What is told of a finding."""
    named = (("key", finding.key), ("task", finding.task), ("model", finding.model))
    return Sighting(
        signature=f"anomaly:{finding.signature}",
        kind=finding.kind,
        sentence=finding.sentence,
        severity=finding.severity,
        labels=tuple(f"{name}={value}" for name, value in named if value),
        since_us=int(finding.since_s * 1e6),
        evidence=(
            f"{finding.measure}: {finding.before:,.4g} before, {finding.after:,.4g} now",
            f"{finding.calls:,} calls since {moment(int(finding.since_s * 1e6))}",
        ),
        action=finding.action,
        pico_per_h=finding.excess_pico_per_h,
        level=float(finding.excess_pico_per_h),
    )
