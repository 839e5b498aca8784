"""The `[alerts]` table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from thriftgate.core.alerting.rules import HOUR_US, Rule
from thriftgate.core.errors import ConfigError
from thriftgate.settings import Settings, load
from thriftgate.settings.alerts import check_alerts, rules_of

TOML = """
[alerts]
allow_hosts = ["hooks.inner"]

[[alerts.rules]]
name = "search a day"
of = "spend"
over = "24h"
above = 50
where = ["team=search"]
by = "key"

[[alerts.rules]]
name = "month"
kind = "forecast"
above = "1000.50"
zone = "Europe/Zurich"

[[alerts.rules]]
name = "cold"
of = "cache_share"
below = 0.4
calls_min = 50

[[alerts.sinks]]
name = "ops"
kind = "webhook"
url = "https://hooks.example/hush"
secret = "hush too"
severity = "warning"
"""


def loaded(tmp_path: Path, text: str, **environ: str) -> Settings:
    path = tmp_path / "thriftgate.toml"
    path.write_text(text)
    return load(path, environ=environ)


def test_rules_and_sinks(tmp_path: Path) -> None:
    settings = loaded(tmp_path, TOML)
    assert rules_of(settings.alerts) == (
        Rule("search a day", above=50e12, over_us=24 * HOUR_US, where=("team=search",), by="key"),
        Rule("month", "forecast", above=1000.5e12, zone="Europe/Zurich"),
        Rule("cold", of="cache_share", below=0.4, calls_min=50),
    )
    (sink,) = settings.alerts.sinks
    assert sink.url.get_secret_value() == "https://hooks.example/hush"
    assert "hush" not in repr(settings)


def test_without_a_word_the_log_is_told() -> None:
    assert [(sink.name, sink.kind) for sink in Settings().alerts.told] == [("log", "log")]


def test_hosts_by_a_variable(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "", THRIFTGATE_ALERTS__ALLOW_HOSTS="a.inner, b.inner")
    assert settings.alerts.allow_hosts == ("a.inner", "b.inner")


SINK: dict[str, Any] = {"name": "ops", "kind": "log"}


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"rules": [{"name": "a"}]}, r"alerts.rules\[0\]: alert rule 'a': a threshold has one of above and below"),
        ({"rules": [{"name": "a", "above": 1}, {"name": "a", "above": 2}]}, r"rules\[1\]: there are two rules named 'a'"),
        ({"rules": [{"name": "a", "above": 1, "over": "soon"}]}, "'soon' is no length of time"),
        ({"rules": [{"name": "a", "above": "1e-13"}]}, "finer than a pico-dollar"),
        ({"rules": [{"name": "a", "kind": "forecast", "above": 1, "zone": "Mars"}]}, "there is no time zone 'Mars'"),
        ({"sinks": [SINK, SINK]}, "there are two sinks named 'ops'"),
        ({"sinks": [SINK | {"kind": "slack"}]}, r"alerts.sinks\[0\].url: slack needs one"),
        ({"sinks": [SINK | {"kind": "webhook", "url": "https://a.example"}]}, "secret: must be set"),
        ({"sinks": [SINK | {"kind": "mail", "url": "smtp://a"}]}, "mail needs to and sender"),
        (
            {"sinks": [SINK | {"kind": "mail", "url": "smtp://a", "sender": "a", "to": ["b\r\nBcc: c"]}]},
            "is no mail address",
        ),
        ({"public_url": "gate.example"}, "alerts.public_url: must begin with"),
    ],
)
def test_tables_that_cannot_be(table: dict[str, Any], complaint: str) -> None:
    settings = Settings.model_validate({"alerts": table})
    with pytest.raises(ConfigError, match=complaint):
        check_alerts(settings.alerts)


def test_they_are_checked_when_they_are_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a threshold has one of above and below"):
        loaded(tmp_path, '[[alerts.rules]]\nname = "a"\n')
