"""What a finding says."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from thriftgate.core.anomalies.finding import Finding, Kind, Level
from thriftgate.core.money import PICO_PER_USD

ONE = Finding("errors", "key", "key_a", "", "m", 60.0, 660.0, 40, 0.01, 0.5, 7 * PICO_PER_USD)


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("level", get_args(Level))
def test_every_kind_says_something_with_its_numbers(kind: Kind, level: Level) -> None:
    finding = replace(ONE, kind=kind, level=level, task="triage")
    assert "7.00 USD an hour" in finding.sentence
    assert finding.action
    assert finding.measure
    names = {"key": "key_a", "task": "triage", "model": "model m", "all": "installation"}
    assert names[level] in finding.sentence


def test_the_signature_is_that_of_the_trouble_not_of_its_size() -> None:
    later = replace(ONE, since_s=9e5, found_s=1e6, calls=7, after=0.9, excess_pico_per_h=1, model="other")
    assert later.signature == ONE.signature
    others = [replace(ONE, key="key_b"), replace(ONE, kind="pace"), replace(ONE, level="task"), replace(ONE, task="t")]
    assert ONE.signature not in {other.signature for other in others}
    model = replace(ONE, level="model", key="")
    assert model.signature != replace(model, model="other").signature


@pytest.mark.parametrize(("usd", "severity"), [(1, "info"), (5, "warning"), (49, "warning"), (50, "critical")])
def test_severity_is_money(usd: int, severity: str) -> None:
    assert replace(ONE, excess_pico_per_h=usd * PICO_PER_USD).severity == severity
