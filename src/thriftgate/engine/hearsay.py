"""What this engine has learned and tells its replicas, and what it takes in from them: digests and numbers, no text.

Planning never waits for any of it: it is told in the background, a few times a second, and taken into the same memories that
the engine's own calls teach.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from thriftgate.clock import Clock
from thriftgate.core.cache import Resident
from thriftgate.core.reuse import Sighting
from thriftgate.engine.health import Health, Verdict
from thriftgate.engine.snapshot import Knowledge
from thriftgate.logs import log

SIGHTINGS_MAX = 500  # told at a time; those beyond it are a sample the worse
RESIDENTS_MAX = 5_000
BELIEFS_EVERY_S = 5.0


class _News(Struct, array_like=True, omit_defaults=True):
    sightings: list[Sighting] = []
    cached: list[tuple[bytes, Resident | None]] = []
    verdicts: list[Verdict] = []
    beliefs: bytes = b""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_News)


class Hearsay:
    """One per engine that shares what it learns."""

    def __init__(self, knowledge: Knowledge, health: Health, clock: Clock) -> None:
        self._knowledge = knowledge
        self._health = health
        self._clock = clock
        self._sightings: list[Sighting] = []
        self._cached: dict[bytes, Resident | None] = {}
        self._verdicts: list[Verdict] = []
        self._beliefs = b""
        self._beliefs_s = -BELIEFS_EVERY_S
        self.left_out = 0

    def listen(self) -> None:
        """Gather from now on."""
        self._knowledge.reuse.outbox = self._sightings
        self._knowledge.memory.outbox = self._cached
        self._health.outbox = self._verdicts
        self._beliefs = self._knowledge.beliefs.kept()

    def gathered(self) -> bytes:
        """What is new since the last time; b"" where nothing is."""
        self.left_out += max(0, len(self._sightings) - SIGHTINGS_MAX) + max(0, len(self._cached) - RESIDENTS_MAX)
        told = _News(
            self._sightings[-SIGHTINGS_MAX:],
            list(self._cached.items())[-RESIDENTS_MAX:],
            self._verdicts[:],
            self._new_beliefs(),
        )
        self._sightings.clear()
        self._cached.clear()
        self._verdicts.clear()
        return _ENCODER.encode(told) if told != _NOTHING else b""

    def take_in(self, told: bytes) -> None:
        """What another replica has gathered. What cannot be read, such as that of another version, is left aside."""
        try:
            news = _DECODER.decode(told)
            if news.beliefs:
                self._knowledge.beliefs.restore(news.beliefs)
                self._beliefs = self._knowledge.beliefs.kept()  # what is the same everywhere goes round no further
        except (msgspec.MsgspecError, ValueError) as error:
            log.warning("news of a replica cannot be read", error=type(error).__name__)
            return
        for verdict in news.verdicts:
            self._health.hear(verdict)
        self._knowledge.memory.hear(dict(news.cached))
        for sighting in news.sightings:
            self._knowledge.reuse.hear(sighting)

    def _new_beliefs(self) -> bytes:
        now_s = self._clock.monotonic_s()
        if now_s - self._beliefs_s < BELIEFS_EVERY_S:
            return b""
        self._beliefs_s = now_s
        before, self._beliefs = self._beliefs, self._knowledge.beliefs.kept()
        return self._beliefs if self._beliefs != before else b""


_NOTHING = _News()
