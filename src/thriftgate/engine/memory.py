"""What the engine remembers between calls, bounded: live cache entries, prefixes seen, answer lengths.

All of it is advice for forecasts and for where to place breakpoints; losing it costs money at worst, never an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from thriftgate.core.cache import TTL_S, Resident
from thriftgate.core.generations import Generations
from thriftgate.core.state import Sighting

OUTPUT_TOKENS_FIRST_GUESS = 400
OUTPUT_WEIGHT = 0.2  # of the newest answer in the running mean


class Memory:
    """Owned by one engine; see the module."""

    def __init__(self, boundaries_max: int = 100_000) -> None:
        self._residency: Generations[bytes, Resident] = Generations(boundaries_max)
        self._sightings: Generations[bytes, Sighting] = Generations(boundaries_max)
        self._output: Generations[tuple[str, str], float] = Generations(10_000)

    def see(self, chain: Sequence[bytes], now_s: float) -> None:
        """Note that these prefix boundaries were sent now."""
        fresh, lapsed = Sighting(now_s), Sighting(now_s, lapsed=True)
        sightings = self._sightings
        for digest in chain:
            before = sightings.get(digest)
            sightings[digest] = lapsed if before is not None and _lapsed(before, now_s) else fresh

    def sightings_of(self, chain: Sequence[bytes], now_s: float) -> dict[bytes, Sighting]:
        """What is known of these boundaries, as it is when they come back now."""
        known = self._sightings.among(chain)
        for digest, sighting in known.items():
            if sighting.lapsed != _lapsed(sighting, now_s):
                known[digest] = replace(sighting, lapsed=not sighting.lapsed)
        return known

    def residency_of(self, chain: Sequence[bytes]) -> dict[bytes, Resident]:
        return self._residency.among(chain)

    def cached(self, entries: Mapping[bytes, Resident]) -> None:
        for digest, entry in entries.items():
            self._residency[digest] = entry

    def evicted(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            self._residency.discard(digest)

    def expected_output(self, key: str, model: str, max_tokens: int) -> int:
        """How long an answer of this key and model tends to be (tokens)."""
        mean = self._output.get((key, model))
        return min(max_tokens, OUTPUT_TOKENS_FIRST_GUESS if mean is None else round(mean))

    def answered(self, key: str, model: str, output_tokens: int) -> None:
        mean = self._output.get((key, model))
        fresh = output_tokens if mean is None else mean + OUTPUT_WEIGHT * (output_tokens - mean)
        self._output[key, model] = float(fresh)


def _lapsed(before: Sighting, now_s: float) -> bool:
    """Whether a boundary that comes back now has outlived five minutes and is one that comes back within the hour. A return
    in time says nothing new; beyond the hour the boundary is no longer one that comes back."""
    gap_s = now_s - before.last_s
    return TTL_S["5m"] < gap_s <= TTL_S["1h"] or (before.lapsed and gap_s <= TTL_S["5m"])
