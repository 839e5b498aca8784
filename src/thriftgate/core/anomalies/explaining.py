"""Which findings say what another one says already: one trouble is told once, at the place that explains most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from thriftgate.core.anomalies.finding import Finding, Kind, Level

REMEMBERED_MINUTES = 60  # after it was seen last, a finding still explains
PART = 0.4  # of the excess above, which those below must come to
SHARED = 3  # keys with the same trouble at once: it is not theirs

_RATES = frozenset({"loop", "pace", "spend"})
_UNITS = frozenset({"tier_switch", "long_prompt", "cache_collapse", "output_drift", "unit_cost"})
_ORDER: tuple[Kind, ...] = (
    "loop", "tier_switch", "cache_collapse", "long_prompt", "output_drift", "unit_cost", "errors", "pace", "spend"
)  # fmt: skip
_LEVELS: tuple[Level, ...] = ("key", "task", "model", "all")


class Told(Struct):
    """A finding that explains others for as long as it lasts."""

    finding: Finding
    minute: int
    excess_pico_per_h: int


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Those that explain before those that are explained."""
    return sorted(findings, key=lambda one: (_LEVELS.index(one.level), _ORDER.index(one.kind), one.signature))


def is_explained(finding: Finding, told: Iterable[Told]) -> bool:
    """Whether those told explain it."""
    below = 0
    for one in told:
        other = one.finding
        if finding.level in ("all", "model"):
            if other.level in ("key", "task") and finding.model in ("", other.model):
                below += one.excess_pico_per_h
            elif _same_trouble(finding.kind, other.kind):
                return True
        elif other.level in ("all", "model"):
            mine = other.model in ("", finding.model)
            if mine and other.kind == finding.kind and finding.excess_pico_per_h < PART * one.excess_pico_per_h:
                return True
        elif other.key == finding.key and _on_one_key(finding, other):
            return True
    return below > PART * finding.excess_pico_per_h


def shared(findings: Sequence[Finding]) -> list[Finding]:
    """Without those of single keys where several have the same at once and their model has it, too."""
    above = [one for one in findings if one.level in ("model", "all")]
    kept = []
    for one in findings:
        alike = {each.key for each in findings if each.kind == one.kind and each.level == one.level}
        wider = any(each.kind == one.kind and each.model in ("", one.model) for each in above)
        if one.level in ("model", "all") or len(alike) < SHARED or not wider:
            kept.append(one)
    return kept


def _same_trouble(kind: Kind, other: Kind) -> bool:
    return kind == other or (kind in _UNITS and other in _UNITS) or (kind in _RATES and (other in _RATES or other in _UNITS))


def _on_one_key(finding: Finding, other: Finding) -> bool:
    overlap = finding.level == "key" or other.level == "key" or finding.task == other.task
    if other.kind in _RATES:
        return True  # more calls than ever: of another kind, too
    if other.kind in _UNITS:
        return finding.kind == "spend" or (overlap and finding.kind in _UNITS)
    return overlap and (finding.kind == "errors" or finding.kind in ("pace", "spend") or finding.kind in _UNITS)
