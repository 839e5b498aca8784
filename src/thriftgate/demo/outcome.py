"""What the books say of each workload. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from thriftgate.ledger.entries import BASELINE, SAVED, UPSTREAM, Entry


class Outcome(Struct, frozen=True):
    """Sums over a workload's calls in pico-USD. `example` is the call to have explained: the one that saved the most."""

    name: str
    calls: int
    baseline_pico: int
    paid_pico: int
    levers: Mapping[str, int]
    example: str

    @property
    def saved_pico(self) -> int:
        return self.baseline_pico - self.paid_pico


def outcomes(entries: Iterable[Entry], names: Mapping[str, str]) -> tuple[Outcome, ...]:
    """One outcome for each of `names` (ledger key -> workload), in that order."""
    by_key: dict[str, list[Entry]] = {key: [] for key in names}
    for entry in entries:
        if entry.key in by_key:
            by_key[entry.key].append(entry)
    return tuple(summed(names[key], found) for key, found in by_key.items())


def summed(name: str, entries: Iterable[Entry]) -> Outcome:
    """The sums over some entries."""
    found = list(entries)
    levers: dict[str, int] = {}
    for entry in found:
        for posting in entry.postings:
            if posting.account.startswith(SAVED):
                lever = posting.account.removeprefix(SAVED)
                levers[lever] = levers.get(lever, 0) - posting.pico
    best = max(found, key=lambda entry: entry.posted(BASELINE) + entry.posted(UPSTREAM), default=None)
    return Outcome(
        name=name,
        calls=len(found),
        baseline_pico=sum(entry.posted(BASELINE) for entry in found),
        paid_pico=-sum(entry.posted(UPSTREAM) for entry in found),
        levers=levers,
        example=best.id if best is not None else "",
    )
