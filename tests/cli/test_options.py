"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.cli.options import settings_for
from thriftgate.core.errors import ConfigError


def test_file_then_variables_then_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "thriftgate.toml"
    file.write_text('[server]\nport = 1\nhost = "a"\n[upstream]\nurl = "https://file"\n', encoding="utf-8")
    monkeypatch.setenv("THRIFTGATE_SERVER__PORT", "2")
    monkeypatch.setenv("THRIFTGATE_UPSTREAM__URL", "https://variable")
    settings = settings_for(file, upstream__url="https://flag", ledger__path=None)
    assert (settings.server.host, settings.server.port) == ("a", 2)
    assert settings.upstream.url == "https://flag"
    assert settings.ledger.path == "thriftgate.db"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        settings_for(tmp_path / "none.toml")
