"""What the engine remembers between calls, bounded: live cache entries, answer lengths.

All of it is advice for forecasts and for where to place breakpoints; losing it costs money at worst, never an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from thriftgate.core.cache import Resident
from thriftgate.core.generations import Generations

OUTPUT_TOKENS_FIRST_GUESS = 400
ENTRIES_KEPT = 20_000  # over a restart: the last hour of 5 calls a second
OUTPUT_WEIGHT = 0.2  # of the newest answer in the running mean


class Memory:
    """Owned by one engine; see the module."""

    def __init__(self, boundaries_max: int = 100_000) -> None:
        self._residency: Generations[bytes, Resident] = Generations(boundaries_max)
        self._output: Generations[tuple[str, str], float] = Generations(10_000)
        self.outbox: dict[bytes, Resident | None] | None = None  # what other replicas are to be told; None: there are none

    def age(self) -> None:
        """Forget what was neither written nor renewed since the last time."""
        self._residency.age()

    def residency_of(self, chain: Sequence[bytes]) -> dict[bytes, Resident]:
        return self._residency.among(chain)

    def cached(self, entries: Mapping[bytes, Resident]) -> None:
        for digest, entry in entries.items():
            self._residency[digest] = entry
        if self.outbox is not None:
            self.outbox.update(entries)

    def news(self, entries: Mapping[bytes, Resident]) -> dict[bytes, Resident]:
        """Those of the entries that say more than what is held: other calls may have renewed one meanwhile."""
        held = self._residency.among(list(entries))
        return {
            digest: entry
            for digest, entry in entries.items()
            if (known := held.get(digest)) is None or entry.expires_s > known.expires_s
        }

    def evicted(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            self._residency.discard(digest)
            if self.outbox is not None:
                self.outbox[digest] = None

    def hear(self, told: Mapping[bytes, Resident | None]) -> None:
        """Take in what another replica has found: what is cached and lives longer than is known here, and what is not there
        any more (None)."""
        for digest, entry in told.items():
            if entry is None:
                self._residency.discard(digest)
        for digest, entry in self.news({digest: entry for digest, entry in told.items() if entry is not None}).items():
            self._residency[digest] = entry

    def kept(self) -> bytes:
        """The live entries, to be restored at the next start."""
        return msgspec.msgpack.encode(list(self._residency.recent(ENTRIES_KEPT)))

    def restore(self, data: bytes) -> None:
        """Take in what `kept` gave; entries that have expired meanwhile do no harm. Raises msgspec's errors."""
        entries = msgspec.msgpack.decode(data, type=list[tuple[bytes, Resident]])
        self.cached(dict(reversed(entries)))

    def expected_output(self, key: str, model: str, max_tokens: int) -> int:
        """How long an answer of this key and model tends to be (tokens)."""
        mean = self._output.get((key, model))
        return min(max_tokens, OUTPUT_TOKENS_FIRST_GUESS if mean is None else round(mean))

    def output_mean(self, key: str, model: str) -> float | None:
        """The usual length of an answer (tokens); None where none was seen."""
        return self._output.get((key, model))

    def answered(self, key: str, model: str, output_tokens: int) -> None:
        mean = self._output.get((key, model))
        fresh = output_tokens if mean is None else mean + OUTPUT_WEIGHT * (output_tokens - mean)
        self._output[key, model] = float(fresh)
