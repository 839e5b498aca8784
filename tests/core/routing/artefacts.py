"""Artefacts by hand: a score that is the task's alone, a confidence that is one signal's alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.core.planning import BOOK, NOW_S
from thriftgate.core.cost import day_of
from thriftgate.core.routing import features
from thriftgate.core.routing.artefact import Artefact, Cascade, Evidence, Saving, price_ratio
from thriftgate.core.routing.confidence import Confidence, Signal
from thriftgate.core.routing.features import NUMBERS, Features
from thriftgate.core.routing.score import Head, Scorer

SECRET = b"a secret of the books"
STRONG, CHEAP = "claude-opus-4-8", "claude-haiku-4-5"


def scorer_of(tasks: Mapping[str, float]) -> Scorer:
    """The chance of a loss of each task as a logit; nothing else speaks."""
    zeros, ones = (0.0,) * len(NUMBERS), (1.0,) * len(NUMBERS)
    return Scorer(features.VERSION, (Head(1.0, 0.0, dict(tasks), {}, zeros),), zeros, ones)


def features_for(task: str) -> Features:
    return Features(task, (), (0.0,) * len(NUMBERS))


def cascade_of(threshold: float, signal: str = "ok", **members: Any) -> Cascade:
    """Sure (0.95) where the signal is 1, unsure (0.05) where it is 0, in the middle where it is missing."""
    one = Signal(usual=0.5, deviation=0.5, weight=3.0, missing=0.0)
    return Cascade(Confidence(0.0, {signal: one}), threshold, **members)


def artefact_of(tasks: Mapping[str, float] | None = None, **members: Any) -> Artefact:
    """A valid one; without tasks, one that sends task "easy" to the cheap arm."""
    values: dict[str, Any] = {
        "id": "cal-1",
        "strong": STRONG,
        "cheap": CHEAP,
        "target": 0.98,
        "confidence": 0.95,
        "scorer": scorer_of(tasks if tasks is not None else {"easy": -5.0}),
        "threshold": 0.5,
        "evidence": Evidence(500, 400, 3, 2, 0.01, "exact"),
        "saving": Saving(0.4, 0.35, 0.45),
        "made_s": NOW_S - 1_000,
        "expires_s": NOW_S + 1_000_000,
    }
    values |= members
    if "price_ratio" not in values:
        values["price_ratio"] = price_ratio(values["strong"], values["cheap"], BOOK, day_of(NOW_S))
    return Artefact(**values)
