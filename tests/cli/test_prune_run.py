"""How a pruned prompt is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.cli.prune_run import read_prompt, write_prompt
from thriftgate.core.errors import InputError


def test_a_copy_is_kept_and_none_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "prompt.md"
    path.write_bytes(b"one\r\ntwo\r\n")
    assert read_prompt(path) == "one\r\ntwo\r\n"
    assert write_prompt(path, "one\r\ntwo\r\n", "one\r\n").name == "prompt.md.orig"
    assert write_prompt(path, "one\r\n", "").name == "prompt.md.orig2"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["prompt.md", "prompt.md.orig", "prompt.md.orig2"]
    assert (tmp_path / "prompt.md.orig").read_bytes() == b"one\r\ntwo\r\n"
    assert (tmp_path / "prompt.md.orig2").read_bytes() == b"one\r\n"
    assert path.read_bytes() == b""


def test_a_prompt_that_has_changed_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "prompt.md"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="has changed since it was read"):
        write_prompt(path, "yours", "")
    assert [one.name for one in tmp_path.iterdir()] == ["prompt.md"]
