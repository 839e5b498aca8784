"""The inside of `sandbox.py`, a program of its own: give up what the program to come shall not have, then become it.

    python -I confined.py LIMITS     LIMITS: {"cpu_s", "memory_bytes", "file_bytes"}; the program is driver.py beside us

Uses the standard library alone. What could not be given up is written to the file `lacking` in the working folder.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ast import literal_eval
from pathlib import Path

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # unshare(2)
_OPEN_FILES = 64


def limit(cpu_s: int, memory_bytes: int, file_bytes: int) -> list[str]:
    """Lower the limits of this process for good. Returns what the platform would not do."""
    import resource  # noqa: PLC0415  there is none on Windows, where this is never called

    wanted = {
        "processor time": (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        "memory": (resource.RLIMIT_AS, memory_bytes, memory_bytes),
        "size of files": (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
        "open files": (resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES),
        "core dumps": (resource.RLIMIT_CORE, 0, 0),
        "processes": (resource.RLIMIT_NPROC, 0, 0),
    }
    lacking = []
    for name, (which, soft, hard) in wanted.items():
        try:
            resource.setrlimit(which, (soft, hard))
        except (OSError, ValueError):
            lacking.append(name)
    return lacking


def cut_network() -> bool:
    """Move into a network of our own, which has no way out. False where the system does not permit it, or has none."""
    try:
        return bool(ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER | _NEW_NET) == 0)
    except (OSError, AttributeError):
        return False


def main(arguments: list[str]) -> None:
    """Confine this process, and become the driver."""
    is_root = os.getuid() == 0  # whom Linux lets begin as many processes as he likes
    cut = cut_network()  # before the limits: it needs memory and a file of its own
    lacking = limit(**literal_eval(arguments[0])) + ["processes"] * is_root + ["network"] * (not cut)
    Path("lacking").write_text("\n".join(lacking), encoding="utf-8")
    os.execve(sys.executable, [sys.executable, "-I", "-B", "driver.py"], {})  # noqa: S606  ourselves, without a shell


if __name__ == "__main__":
    main(sys.argv[1:])
