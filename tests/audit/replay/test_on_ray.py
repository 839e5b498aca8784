"""The same on Ray: byte for byte. With the real engine, where `python3 tasks.py engines` has installed it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.audit.large import generate

ROOT = Path(__file__).parents[3]
SMALLER = (
    "from thriftgate.audit.replay import engines, partitions; engines.PARALLEL_CALLS = partitions.WHOLE_MAX = 60;"
    " partitions.PARTITION_CALLS = 120; from thriftgate.cli import main; main()"
)
"""An audit that deals out what it would otherwise replay at once."""


@pytest.fixture(scope="module")
def python() -> str:
    """One that has Ray."""
    made = os.environ.get("THRIFTGATE_RECIPES")
    if not made:
        pytest.skip("Ray has a task of its own: python3 tasks.py engines")
    refused = Path(made) / "ray.refused"
    if refused.exists():
        pytest.skip(f"could not be installed: {refused.read_text(encoding='utf-8').strip()}")
    return str(Path(made) / "ray" / "bin" / "python")


def audit(python: str, log: Path, *options: str, smaller: str = SMALLER) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [python, "-c", smaller, "audit", str(log / "logs"), "--json", "--cache", str(log / "cache"), *options],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        timeout=600,
        check=False,
    )


def test_the_document_is_the_same_byte_for_byte(python: str, tmp_path: Path) -> None:
    truth = generate(tmp_path, 300)
    found = [
        audit(sys.executable, tmp_path, "--processes", "1"),
        audit(sys.executable, tmp_path, "--processes", "2"),
        audit(python, tmp_path, "--engine", "ray", "--processes", "2"),
    ]
    assert [(done.returncode, done.stderr.decode()) for done in found] == [(0, "")] * 3
    assert f'"calls":{truth.calls},'.encode() in found[0].stdout.replace(b" ", b"")
    assert b"from a sample" in found[0].stdout
    assert found[0].stdout == found[1].stdout == found[2].stdout


def test_no_cluster_is_said(python: str, tmp_path: Path) -> None:
    generate(tmp_path, 300)
    done = audit(python, tmp_path, "--engine", "ray:127.0.0.1:9")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--engine ray: no cluster at 127.0.0.1:9" in done.stderr
