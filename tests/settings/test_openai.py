"""The table of OpenAI's dialects."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.settings import load


def test_nothing_is_mapped_unless_it_is_said(tmp_path: Path) -> None:
    assert load(environ={}).openai.models == {}
    path = tmp_path / "thriftgate.toml"
    path.write_text('[openai]\nmax_tokens = 500\n[openai.models]\n"gpt-*" = "claude-opus-5-5"\n', encoding="utf-8")
    table = load(path, environ={"THRIFTGATE_OPENAI__NOT_CARRIED": "refuse"}).openai
    assert (table.models, table.max_tokens, table.not_carried) == ({"gpt-*": "claude-opus-5-5"}, 500, "refuse")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"openai.max_tokens": -1}, "openai.max_tokens"),
        ({"openai.not_carried": "hide"}, "openai.not_carried"),
        ({"openai.models": {"a": 1}}, "openai.models.a"),
        ({"openai.model": {}}, "did you mean 'models'"),
    ],
)
def test_what_is_wrong_is_said(flags: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(environ={}, flags=flags)
