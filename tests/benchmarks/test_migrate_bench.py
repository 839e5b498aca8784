"""The benchmark of `thriftgate migrate` on few calls: there, back and once more, and all is the same."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from benchmarks.migrate.__main__ import main


def test_a_short_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--calls", "300", "--batch", "100", "--work", str(tmp_path), "--json"]) == 0
    told = capsys.readouterr()
    there, back, again = msgspec.json.decode(told.out.splitlines()[-1])["runs"]
    assert there["same"]
    assert there["digests"] == back["digests"] == again["digests"]
    assert [one["entries"] for one in (there, back, again)] == [300] * 3
    assert again["written"] == there["written"] - 5 * 300
    assert told.err.count("peak") == 3
    assert list(tmp_path.iterdir()) == []
