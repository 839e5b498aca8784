"""Run a model's code with its tests: in a process of its own, with little of everything.

It gets a fresh folder, an empty environment, no standard input, limits on processor time, memory, files and processes, and
on Linux a network without a way out, where the system permits that. It is a guard against accidents, not a wall against
attackers: the process runs as you, and can read what you can read. Run what you do not trust in a container.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

from thriftgate.quality.judges import confined

_FILE_BYTES = 16 * 1024 * 1024
_TOLD_BYTES = 8_192
_MB = 1024 * 1024
_DRIVER = """
scope = {{"__name__": "answer"}}
for name in ("answer.py", "tests.py"):
    with open(name, encoding="utf-8") as file:
        program = compile(file.read(), name, "exec", dont_inherit=True)
    exec(program, scope)
with open({passed!r}, "x"):
    pass
"""


class Ran(NamedTuple):
    """How it ended: `passed` all tests, `failed` (its own fault), or `stopped`, where nothing can be said. `lacking` is what
    the platform did not limit."""

    end: Literal["passed", "failed", "stopped"]
    reason: str = ""
    lacking: tuple[str, ...] = ()


def can_run() -> bool:
    """Whether this platform knows limits at all."""
    return os.name == "posix"


def run_code(code: str, tests: str, *, cpu_s: int, wall_s: float, memory_mb: int) -> Ran:
    """Run `code`, and `tests` behind it in the same names. Passed only if the last test was reached and held."""
    with tempfile.TemporaryDirectory(prefix="thriftgate-") as folder:
        here = Path(folder)
        passed = here / f"passed-{secrets.token_hex(8)}"
        (here / "answer.py").write_text(code, encoding="utf-8", errors="replace")
        (here / "tests.py").write_text(tests, encoding="utf-8", errors="replace")
        (here / "driver.py").write_text(_DRIVER.format(passed=str(passed)), encoding="utf-8")
        limits = {"cpu_s": cpu_s, "memory_bytes": memory_mb * _MB, "file_bytes": _FILE_BYTES}
        try:
            code_of_exit = _run([sys.executable, "-I", confined.__file__, repr(limits)], here, wall_s)
        except OSError as error:
            return Ran("stopped", f"no process for it: {error.strerror}")
        lacking = _lacking(here)
        if code_of_exit is None:
            return Ran("stopped", f"not through after {wall_s:g} s", lacking)
        if passed.exists():
            return Ran("passed", "", lacking)
        return _ended(code_of_exit, here, cpu_s, lacking)


def _run(command: list[str], here: Path, wall_s: float) -> int | None:
    """The exit code; None where it had to be killed."""
    with (here / "told").open("wb") as told:
        process = subprocess.Popen(  # noqa: S603  ourselves, confined
            command, cwd=here, env={}, stdin=subprocess.DEVNULL, stdout=told, stderr=told, start_new_session=True
        )
        try:
            return process.wait(wall_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(OSError):  # it has ended, with all it had begun
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _lacking(here: Path) -> tuple[str, ...]:
    try:
        return tuple((here / "lacking").read_text(encoding="utf-8").split("\n")) if (here / "lacking").stat().st_size else ()
    except OSError:
        return ()


def _ended(code_of_exit: int, here: Path, cpu_s: int, lacking: tuple[str, ...]) -> Ran:
    """Why it did not pass."""
    if not (here / "lacking").exists():
        return Ran("stopped", f"it could not be started: {_last_line(here)}")
    if code_of_exit == -signal.SIGXCPU:
        return Ran("failed", f"more than {cpu_s} s of processor time", lacking)
    if code_of_exit == -signal.SIGKILL:
        return Ran("stopped", "killed from outside, maybe for lack of memory", lacking)
    if code_of_exit < 0:
        return Ran("failed", f"died of {signal.Signals(-code_of_exit).name}", lacking)
    return Ran("failed", _last_line(here) or "ended before its tests were through", lacking)


def _last_line(here: Path) -> str:
    with (here / "told").open("rb") as told:
        told.seek(max(0, (here / "told").stat().st_size - _TOLD_BYTES))
        lines = told.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else ""
