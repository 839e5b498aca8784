"""Giving up what a program shall not have: in a process that can spare it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from thriftgate.quality.judges import confined

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX")

LIMITS = {"cpu_s": 3, "memory_bytes": 2**28, "file_bytes": 1_000}


def python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


def test_limits_are_lowered_for_good() -> None:
    program = (
        "import resource\nfrom thriftgate.quality.judges import confined\n"
        f"lacking = confined.limit(**{LIMITS!r})\n"
        "print(lacking, resource.getrlimit(resource.RLIMIT_CPU), resource.getrlimit(resource.RLIMIT_FSIZE))"
    )
    assert python(program).endswith("(3, 4) (1000, 1000)")


def test_the_network_is_cut_or_it_is_told() -> None:
    program = (
        "import socket\nfrom thriftgate.quality.judges import confined\ncut = confined.cut_network()\n"
        "names = [name for _, name in socket.if_nameindex()]\nprint(cut == (names == ['lo']) or not cut)"
    )
    assert python(program) == "True"


def test_it_becomes_the_driver_with_an_empty_environment(tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text("import os\nprint(dict(os.environ).keys() <= {'LC_CTYPE'})", encoding="utf-8")
    command = [sys.executable, "-I", confined.__file__, repr(LIMITS)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.strip() == "True"
    assert (tmp_path / "lacking").exists()
