"""`[limits]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.core.control.limits import Limit
from thriftgate.core.errors import ConfigError
from thriftgate.settings import caller_limits, load

TEXT = """
[limits]
wait_s = 2

[[limits.rules]]
name = "each key"
metric = "requests"
amount = 60
burst = 10
scope = ["key=*"]

[[limits.rules]]
name = "money"
metric = "usd"
amount = 0.5
per = "hour"
"""


def test_rules_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(TEXT)
    settings = load(file, environ={"THRIFTGATE_LIMITS__WAIT_S": "3"})
    assert settings.limits.wait_s == 3
    assert caller_limits(settings.limits) == (
        Limit("settings:each key", "each key", "requests", 60, burst=10, scope=("key=*",)),
        Limit("settings:money", "money", "usd", 5 * 10**11, "hour"),
    )


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("60", "0.5", "no number of requests"),
        ('"usd"', '"euro"', "limits.rules.1.metric"),
        ('"hour"', '"day"', "limits.rules.1.per"),
        ('["key=*"]', '["colour=red"]', "limits.rules: limit 'each key': scope 'colour=red'"),
        ('"money"', '"each key"', "limits.rules: there are two limits 'each key'"),
        ("burst", "brust", "unknown setting; did you mean 'burst'"),
        ("0.5", "-1", "limits.rules.1.amount"),
        ("0.5", "1e-15", "finer than a pico-dollar"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, before: str, after: str, words: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text(TEXT.replace(before, after))
    with pytest.raises(ConfigError) as raised:
        load(file, environ={})
    assert words in str(raised.value)
