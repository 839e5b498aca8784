"""`[reuse]` as it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.settings import ReuseRuleRow, ReuseSemanticRow, load


def test_read_and_off_by_default(tmp_path: Path) -> None:
    assert load(environ={}).reuse.rules == ()
    assert "reuse.exact" not in load(environ={}).policy.levers
    file = tmp_path / "thriftgate.toml"
    file.write_text(
        '[reuse]\npath = "answers.db"\nwait_s = 5\n[[reuse.rules]]\ntask = "triage"\nttl_s = 600\nshare = "team"\n'
    )
    found = load(file, environ={}).reuse
    assert (found.path, found.wait_s) == ("answers.db", 5.0)
    assert found.rules == (ReuseRuleRow(task="triage", ttl_s=600, share="team"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[reuse.rules]]\nshare = "all"\n', "reuse.rules.0.share"),
        ("[[reuse.rules]]\nttl_s = 0\n", "reuse.rules.0.ttl_s"),
        ("[[reuse.rules]]\nttl = 5\n", "did you mean 'ttl_s'"),
        ("[reuse]\nwait_s = -1\n", "reuse.wait_s"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "thriftgate.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(file, environ={})
    assert words in str(raised.value)


def test_tasks_of_similar_questions_are_named_one_by_one(tmp_path: Path) -> None:
    assert load(environ={}).reuse.semantic == ()
    file = tmp_path / "thriftgate.toml"
    file.write_text('[[reuse.semantic]]\ntask = "desk"\nmax_error = 0.02\nencoder = "minilm"\n')
    (row,) = load(file, environ={}).reuse.semantic
    assert row == ReuseSemanticRow(task="desk", max_error=0.02, encoder="minilm")
    assert (row.confidence, row.audit, row.turns) == (0.95, 0.05, "single")
    for text, words in (
        ('[[reuse.semantic]]\ntask = "desk"\n', "max_error"),
        ("[[reuse.semantic]]\nmax_error = 0.02\n", "task"),
        ('[[reuse.semantic]]\ntask = "desk"\nmax_error = 0.5\n', "max_error"),
        ('[[reuse.semantic]]\ntask = "desk"\nmax_error = 0.02\naudit = 0\n', "audit"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load(file, environ={})
