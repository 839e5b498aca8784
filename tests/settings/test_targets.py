"""Targets as they are set."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.settings import Settings, load
from thriftgate.settings.targets import TargetRow, check_targets

ROW: dict[str, Any] = {"name": "one", "provider": "anthropic", "key": "sk-secret-1"}


def row(**members: Any) -> TargetRow:
    return TargetRow.model_validate(ROW | members)


def test_a_target_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "thriftgate.toml"
    path.write_text(
        "[[targets]]\nname = 'eu'\nprovider = 'anthropic'\nurl = 'https://eu.example'\nkey = 'sk-secret-1'\norder = 1\n"
        "price_factor = '1.1'\nmodels = { 'claude-opus-5-5' = 'opus' }\n[failover]\ndeadline_s = 20\n"
    )
    settings = load(path, environ={})
    (found,) = settings.targets
    models = {"claude-opus-5-5": "opus"}
    assert (found.name, found.order, found.price_factor, found.models) == ("eu", 1, Decimal("1.1"), models)
    assert settings.failover.deadline_s == 20
    endpoint = found.endpoint()
    assert (endpoint.url, endpoint.key, endpoint.models) == (
        "https://eu.example",
        "sk-secret-1",
        models,
    )
    assert "sk-secret-1" not in repr(settings)


def test_without_any_nothing_is_set() -> None:
    assert Settings().targets == ()
    check_targets(())


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"provider": "nobody"}, r"targets\[0\] \(one\): there is no provider 'nobody'; anthropic"),
        ({"url": "ftp://x"}, r"targets\[0\] \(one\): url: 'ftp://x' is not"),
        ({"key": "sk\n"}, r"targets\[0\] \(one\): api_key: holds a line break"),
    ],
)
def test_a_target_that_cannot_work_is_refused_at_once(members: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        check_targets((row(**members),))


@pytest.mark.parametrize("members", [{"name": "a b"}, {"weight": 0}, {"price_factor": 0}, {"order": -1}, {"regoin": "x"}])
def test_values_out_of_bounds_are_refused(members: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=next(iter(members))):
        row(**members)
