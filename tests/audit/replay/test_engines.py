"""What names an engine, and what does not."""

from __future__ import annotations

import importlib.util

import pytest

from thriftgate.audit.replay.engines import Where
from thriftgate.core.errors import ConfigError, InputError


@pytest.mark.parametrize(
    ("engine", "address"),
    [
        ("ray", "local"),
        ("ray:auto", "auto"),
        ("ray:10.0.0.7:6379", "10.0.0.7:6379"),
        ("ray://head.example:10001", "ray://head.example:10001"),
    ],
)
def test_addresses(engine: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where = Where(engine)
    assert where.address == address
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r'pip install "thriftgate\[ray\]"'):
        where.check()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: "found")
    where.check()


@pytest.mark.parametrize("engine", ["", "daft", "rays", "ray:", "ray://", "local:2"])
def test_what_is_no_engine(engine: str) -> None:
    with pytest.raises(InputError, match=f"--engine {engine}: there are local, ray, "):
        Where(engine).check()


def test_processes() -> None:
    Where(processes=3).check()
    with pytest.raises(InputError, match="--processes -1"):
        Where(processes=-1).check()
