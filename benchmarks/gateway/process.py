"""Child processes that are always stopped: by id, whole tree, also on Ctrl-C and exceptions."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.gateway import measure


class StartError(RuntimeError):
    """A process did not start or did not get ready; the message says why."""


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: ours, without anything that could lead loopback calls through a proxy."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, **extra}


class Child:
    """One process (and what it starts), its output in a file."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        core: int | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pipe: bool = False,
    ) -> None:
        self.log = log
        self.started = time.perf_counter()
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else out,
                stderr=out,
                env=environment(env or {}),
                cwd=cwd,
                start_new_session=True,  # Ctrl-C reaches us alone; we then stop the children in order
            )
        if core is not None:
            measure.pin(self._process.pid, core)

    @property
    def pid(self) -> int:
        return self._process.pid

    def first_line(self) -> str:
        """The first line a piped child prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def check_alive(self) -> None:
        """Raise with the end of its output if the process has ended."""
        code = self._process.poll()
        if code is not None:
            raise StartError(f"ended with code {code}: {self.tail()}")

    def tail(self, size: int = 600) -> str:
        """The end of what the process wrote."""
        return self.log.read_bytes()[-size:].decode(errors="replace").strip()

    def wait(self, limit_s: float) -> None:
        """Wait for its own end; stop it when it takes too long."""
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.stop()

    def stop(self, grace_s: float = 15.0) -> None:
        """SIGTERM to the root, SIGKILL to whatever of the tree is left after the grace time; returns when all are gone."""
        pids = measure.tree(self.pid)
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        for pid in pids:
            if pid != self.pid or self._process.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()
        until = time.perf_counter() + 5.0
        while any(map(measure.runs, pids)) and time.perf_counter() < until:
            time.sleep(0.005)
        if self._process.stdout is not None:
            self._process.stdout.close()
