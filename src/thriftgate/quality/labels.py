"""Graded examples: the same prompt, answered by several models, each answer judged."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from thriftgate.core.routing.features import Surroundings


class Outcome(Struct, frozen=True):
    """How one arm did on one example. `quality` is in 0…1, mostly 0 or 1; `pico` what the call cost (pico-USD) and
    `latency_ms` how long it took; `signals` are what its answer gave away of its own worth, by name, and `signals_pico` what
    those of them cost that take further calls of the same arm or of a verifier (pico-USD); `agreement:ARM` costs what ARM
    does."""

    quality: float
    pico: int = 0
    latency_ms: int = 0
    output_tokens: int = 0
    signals: Mapping[str, float] = {}
    signals_pico: int = 0


class Labelled(Struct, frozen=True):
    """One example. `outcomes` by arm, which is a model, or a model with an effort (`claude-sonnet-5-5@low`). Examples of one
    `cluster` (a conversation, a document) are not independent; "" stands alone."""

    id: str
    text: str
    around: Surroundings
    outcomes: Mapping[str, Outcome]
    cluster: str = ""
