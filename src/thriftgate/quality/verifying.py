"""Ask a model how likely answers are right: the signal `verifier` of a cascade, gathered by an evaluation (`--verifier`).

Of every arm but the last, which has nobody to escalate to, the first answer to each item is shown. The call is the one that
the cascade makes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from thriftgate.core.models import Capabilities
from thriftgate.core.routing.signals import text_of, verifier_body, verifier_score
from thriftgate.quality.answers import Stored, key_of
from thriftgate.quality.grading import Place
from thriftgate.quality.items import Answer, read_answer
from thriftgate.quality.signals import content_of

_SHOWN = 40


class Try(NamedTuple):
    """The first answer of an arm to an item."""

    item: str
    arm: str


class Verified(NamedTuple):
    """What was said of an answer (0 to 1, None for nothing), why not, and what the call costs by itself (pico-USD)."""

    score: float | None = None
    trouble: str = ""
    pico: int = 0


class Verifier:
    """One model, asked about `tries`. `asked` is what the user asks in each item."""

    def __init__(self, model: Capabilities, tries: Mapping[Try, Answer], asked: Mapping[str, str]) -> None:
        self._model = model
        self._bodies = {
            place: body
            for place, answer in tries.items()
            if (body := verifier_body(model, asked[place.item], content_of(answer)))
        }
        self._keys = {place: key_of(body, 0) for place, body in self._bodies.items()}

    def questions(self) -> dict[str, bytes]:
        """All calls, by the key that their answers are kept under: one for answers that are the same."""
        return {self._keys[place]: body for place, body in self._bodies.items()}

    def verified(self, kept: Mapping[str, Stored], failed: Mapping[str, str]) -> dict[Try, Verified]:
        """What came of it, for every answer that there was something to ask about."""
        return {place: self._read(kept.get(key), failed.get(key, "none came")) for place, key in self._keys.items()}

    def _read(self, one: Stored | None, why_not: str) -> Verified:
        if one is None:
            return Verified(None, f"no answer: {why_not}")
        try:
            reply = text_of(content_of(read_answer(one.message)))
        except ValueError as error:
            return Verified(None, str(error), one.baseline_pico)
        score = verifier_score(reply)
        trouble = "" if score is not None else f"{self._model.id} replied {reply[:_SHOWN]!r}, which is no number"
        return Verified(score, trouble, one.baseline_pico)


def tries_of(answers: Mapping[Place, Answer], arms: Iterable[str]) -> dict[Try, Answer]:
    """The first answer of each of these arms to each item. `answers` are in the order of their repeats."""
    wanted, found = frozenset(arms), dict[Try, Answer]()
    for place, answer in answers.items():
        if place.arm in wanted:
            found.setdefault(Try(place.item, place.arm), answer)
    return found


def unverified(verified: Mapping[Try, Verified]) -> dict[str, int]:
    """Why answers have no score, each with how often, the most frequent first."""
    return dict(Counter(one.trouble for one in verified.values() if one.trouble).most_common())
