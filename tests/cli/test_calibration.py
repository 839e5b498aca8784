"""What `calibrate` is told, checked before anything is fitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.cli import calibration
from thriftgate.cli.calibration import Told, calibrated
from thriftgate.core.errors import ConfigError
from thriftgate.settings import Settings


def test_without_the_numerics_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "NUMERICS", ("numpy", "no_such_package"))
    told = Told(
        data=Path("x.csv"),
        strong="claude-opus-5-5",
        candidates="",
        target=0.98,
        confidence=0.95,
        mode="default",
        only="both",
        agreement=False,
        traffic=None,
        out=Path("out.json"),
        days=30.0,
        audit=0.02,
        verifier="",
        samples=1,
        seed=0,
    )
    with pytest.raises(ConfigError, match=r"pip install thriftgate\[eval\]"):
        calibrated(Settings(), told)
