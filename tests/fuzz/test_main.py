"""The command, with atheris where it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from fuzz.fuzzers import FUZZERS

from fuzz import __main__ as command

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments], cwd=ROOT, capture_output=True, timeout=120, check=False
    )


LOG = b"""INFO: seed corpus: files: 3
#17	NEW    cov: 120 ft: 300 corp: 2/10b
#99	REDUCE cov: 143 ft: 310 corp: 2/9b
 === Uncaught Python exception: ===
IndexError: list index out of range
stat::number_of_executed_units: 1234
"""


def test_a_log_of_libfuzzer_is_read() -> None:
    assert command._RUNS.findall(LOG) == [b"1234"]
    assert command._EDGES.findall(LOG)[-1] == b"143"
    assert command._cause(LOG) == "IndexError: list index out of range"
    assert "see the log" in command._cause(b"ERROR: libFuzzer: timeout")


def test_a_finding_is_written_down_and_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(data: bytes) -> None:
        if b"a" in data:
            raise ValueError("it holds an a")

    part = FUZZERS["splicer"][0]._replace(check=broken)
    monkeypatch.setattr(command, "FUZZERS", {"splicer": (part,)})
    monkeypatch.setattr(command, "CACHE", tmp_path)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "_REPLAYED", 5)
    assert command.main(["splicer", "--replay"]) == 1
    told = msgspec.json.decode(capsys.readouterr().out)
    assert told["findings"]
    (file,) = (tmp_path / "splicer" / "findings" / part.name).iterdir()
    assert b"a" in file.read_bytes()


def test_an_unknown_fuzzer_is_bad_usage() -> None:
    done = run("nothing")
    assert done.returncode == 2
    assert b"there are wire, importers, splicer" in done.stderr
