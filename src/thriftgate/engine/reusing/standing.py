"""How the shelves of `reuse.semantic` stand, in figures that say nothing of what was asked: for the report."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from thriftgate.clock import Clock
from thriftgate.core.semantic.proof import lower, upper
from thriftgate.core.semantic.stages import Certificate, Stages
from thriftgate.engine.reusing.semantic import Scope, Semantic

NAME = "reuse.semantic.report"
LEVEL = 0.025  # of either end of an interval


class Standing(Struct, frozen=True):
    """One scope: a tenant's questions on one prompt. `tenant` is the beginning of its digest. `state` is in words; of
    `audits` hits `wrong` were; the share of these lies between `low` and `high`, surely to 95 %."""

    task: str
    tenant: str
    model: str
    state: str
    max_error: float
    confidence: float
    calls: int
    hits: int
    audits: int
    wrong: int
    low: float
    high: float
    alarms: int
    items: int
    stages: int
    watched: int
    needed: int
    certificates: tuple[Certificate, ...]


class Report(Struct, frozen=True):
    """All scopes, as they stood at `at_s`."""

    at_s: float
    scopes: tuple[Standing, ...]


class Told:
    """Puts the report down with what was learned; nothing is taken up from it."""

    def __init__(self, tier: Semantic, clock: Clock) -> None:
        self._tier = tier
        self._clock = clock

    def kept(self) -> bytes:
        standings = tuple(standing(scope) for scope in self._tier.scopes.values())
        return msgspec.json.encode(Report(self._clock.now_s(), standings))

    def restore(self, data: bytes) -> None:
        return


def report_in(data: bytes) -> Report:
    """What `Told.kept` gave. Raises msgspec's errors."""
    return msgspec.json.decode(data, type=Report)


def standing(scope: Scope) -> Standing:
    """How one scope stands."""
    stages, tally = scope.stages, scope.stages.tally
    watched = stages.watched
    return Standing(
        task=scope.task,
        tenant=scope.tenant.hex()[:12],
        model=scope.model,
        state=state_of(stages),
        max_error=stages.terms.max_error,
        confidence=stages.terms.confidence,
        calls=tally.calls,
        hits=tally.hits,
        audits=tally.audits,
        wrong=tally.audits_wrong,
        low=lower(tally.audits_wrong, tally.audits, LEVEL) if tally.audits else 0.0,
        high=upper(tally.audits_wrong, tally.audits, LEVEL) if tally.audits else 1.0,
        alarms=tally.alarms,
        items=len(stages.shelf),
        stages=len(stages.certified),
        watched=len(watched.samples) if watched is not None else 0,
        needed=watched.next_test if watched is not None else 0,
        certificates=tuple(stage.certificate for stage in stages.certified if stage.certificate is not None),
    )


def state_of(stages: Stages) -> str:
    """In a word or two."""
    if stages.answers:
        return "answers"
    if stages.watched is not None:
        return "watches"
    return "begins anew" if stages.tally.alarms else "fills"
