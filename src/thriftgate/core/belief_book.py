"""What is believed of each provider and model, between calls: asked before a call, taught after it, kept over restarts."""

from __future__ import annotations

import msgspec

from thriftgate.core.beliefs import Beliefs, merge, minimum, readable_s, rules
from thriftgate.core.cache import CacheRules
from thriftgate.core.evidence import Evidence, Lesson, Worlds

PAIRS_MAX = 64


class BeliefBook:
    """Owned by one engine. Holds the beliefs of at most `PAIRS_MAX` pairs of provider and model; the pair that was taught
    longest ago makes room. Forgetting costs money at worst, never an answer."""

    def __init__(self, entries_max: int = 4_096) -> None:
        self._entries_max = entries_max
        self._beliefs: dict[tuple[str, str], Beliefs] = {}
        self._worlds: dict[tuple[str, str], Worlds] = {}
        self._rules: dict[tuple[str, str], CacheRules] = {}

    def of(self, provider: str, model: str) -> Beliefs:
        return self._beliefs.get((provider, model), _NONE)

    def rules(self, provider: str, model: str) -> CacheRules:
        """The cache model to forecast with."""
        return self._rules.get((provider, model), _DOCUMENTED)

    def minimum(self, provider: str, model: str, documented: int) -> int:
        """The shortest prefix that is cached (tokens)."""
        beliefs = self._beliefs.get((provider, model))
        return documented if beliefs is None else minimum(beliefs, documented)

    def readable_s(self, provider: str, model: str) -> float:
        """How long after the start of an answer its entries can be read: to be added to `usable_s`."""
        beliefs = self._beliefs.get((provider, model))
        return 0.0 if beliefs is None else readable_s(beliefs)

    def learn(self, provider: str, model: str, evidence: Evidence) -> Lesson:
        """Take in an answered call. The caller corrects its residency by the lesson (first `gone`, then `entries`) and tells
        the warnings."""
        pair = provider, model
        worlds = self._worlds.pop(pair, None) or Worlds(self._entries_max)
        self._worlds[pair] = worlds  # the last one taught stands last
        lesson = worlds.learn(evidence, self.of(provider, model), model)
        self._set(pair, lesson.beliefs, assumed=not lesson.warnings)
        return lesson

    def teach(self, provider: str, model: str, beliefs: Beliefs) -> None:
        """Take in what another process or an experiment found."""
        self._set((provider, model), merge(self.of(provider, model), beliefs))

    def kept(self) -> bytes:
        """For the next start, and for other processes."""
        return _ENCODER.encode([(provider, model, beliefs) for (provider, model), beliefs in self._beliefs.items()])

    def restore(self, kept: bytes) -> None:
        """Merge what was kept. Raises ValueError for what is no such thing; then nothing is changed."""
        try:
            rows = _DECODER.decode(kept)
        except msgspec.DecodeError as error:
            raise ValueError(f"these are no kept beliefs: {error}") from None
        for provider, model, beliefs in rows:
            self.teach(provider, model, beliefs)

    def _set(self, pair: tuple[str, str], beliefs: Beliefs, *, assumed: bool = False) -> None:
        """`assumed`: what these beliefs amount to is the same as before."""
        before = self._beliefs.get(pair, _NONE)
        if beliefs is before or beliefs == before:
            return
        self._beliefs.pop(pair, None)
        self._beliefs[pair] = beliefs
        if not assumed or pair not in self._rules:
            self._rules[pair] = rules(beliefs)
        if len(self._beliefs) > PAIRS_MAX:
            oldest = next(iter(self._beliefs))
            del self._beliefs[oldest], self._rules[oldest]
        if len(self._worlds) > PAIRS_MAX:
            del self._worlds[next(iter(self._worlds))]


_NONE = Beliefs()
_DOCUMENTED = CacheRules()
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(list[tuple[str, str, Beliefs]])
