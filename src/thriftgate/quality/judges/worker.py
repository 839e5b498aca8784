"""A function in a process of its own: it may raise, hang, print or die, and whoever calls it goes on."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
from typing import Any, BinaryIO

import msgspec
from msgspec import Raw, Struct

_START_S = 60.0
_ENDED = b""


class Failed(Exception):
    """There is no value; the words say why."""


class _Line(Struct):
    value: Raw = Raw(b"")
    error: str = ""


class Worker:
    """Calls `module:function`. The process starts with the first call, and anew after one that hung; it ends with ours."""

    def __init__(self, target: str, wall_s: float) -> None:
        self._target = target
        self._wall_s = wall_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[bytes] = queue.Queue()

    def start(self) -> None:
        """Have the function loaded. Raises Failed where it cannot be."""
        if self._process is not None:
            return
        command = [sys.executable, "-m", "thriftgate.quality.judges.called", self._target]
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  our own
        except OSError as error:
            raise Failed(f"no process for it: {error.strerror}") from None
        assert process.stdout is not None
        self._process, self._lines = process, queue.Queue()
        threading.Thread(target=_forward, args=(process.stdout, self._lines), daemon=True).start()
        self._read(_START_S)

    def call(self, *arguments: object) -> Any:
        """What the function returns, as JSON has it. Raises Failed where it raises, takes too long, or returns what is no
        JSON."""
        self.start()
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(arguments) + b"\n")
            self._process.stdin.flush()
        except OSError:
            self.close()
            raise Failed(f"{self._target} ended its process") from None
        return self._read(self._wall_s)

    def close(self) -> None:
        """End the process. Calling again starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                _close(pipe)

    def _read(self, seconds: float) -> Any:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            self.close()
            raise Failed(f"{self._target} took longer than {seconds:g} s") from None
        if line == _ENDED:
            self.close()
            raise Failed(f"{self._target} ended its process")
        said = msgspec.json.decode(line, type=_Line)
        if said.error:
            raise Failed(said.error)
        return msgspec.json.decode(said.value)


def _forward(pipe: Any, lines: queue.Queue[bytes]) -> None:
    try:
        for line in pipe:
            lines.put(line)
    except ValueError:  # closed while it was read
        pass
    lines.put(_ENDED)


def _close(pipe: BinaryIO | Any) -> None:
    with contextlib.suppress(OSError):
        pipe.close()
