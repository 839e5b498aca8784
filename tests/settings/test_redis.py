"""`[redis]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.settings import load


def test_it_is_off_until_a_url_is_named() -> None:
    table = load(environ={}).redis
    assert (table.url.get_secret_value(), table.prefix, table.on_loss) == ("", "thriftgate", "refuse")


def test_it_is_read_and_its_password_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "thriftgate.toml"
    path.write_text('[redis]\nurl = "redis://:hunter2@cache"\non_loss = "alone"\n')
    settings = load(path, environ={"THRIFTGATE_REDIS__PREFIX": "blue"})
    assert settings.redis.url.get_secret_value() == "redis://:hunter2@cache"
    assert (settings.redis.prefix, settings.redis.on_loss) == ("blue", "alone")
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("line", ['prefix = "a{b}"', 'on_loss = "forget"', "timeout_s = 0"])
def test_what_cannot_be_is_told(tmp_path: Path, line: str) -> None:
    path = tmp_path / "thriftgate.toml"
    path.write_text(f"[redis]\n{line}\n")
    with pytest.raises(ConfigError, match=r"redis\."):
        load(path, environ={})
