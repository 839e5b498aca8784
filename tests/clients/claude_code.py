"""The real `claude` command line client, in a home of its own. It is found by THRIFTGATE_CLAUDE, else on the PATH; `.ci/run`
installs it."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clients.stack import KEY

TIMEOUT_S = 60.0


def find_client() -> str:
    """The program. Where there is none: a failure on CI, unless its installation was refused there; else a skip."""
    found = os.environ.get("THRIFTGATE_CLAUDE") or shutil.which("claude")
    if found is not None and Path(found).exists():
        return str(Path(found).absolute())
    refused = os.environ.get("THRIFTGATE_CLAUDE_REFUSED")
    if os.environ.get("CI") == "true" and not refused:
        pytest.fail("no claude client: CI must provide one (.ci/run does), or say why not in THRIFTGATE_CLAUDE_REFUSED")
    pytest.skip(refused or "no claude client; set THRIFTGATE_CLAUDE")


class Claude:
    """The client in a home and a working folder of its own, cut off from everything but the gateway."""

    def __init__(self, program: str, folder: Path, url: str) -> None:
        self.program = program
        self.home = folder / "home"
        self.desk = folder / "desk"
        self.home.mkdir()
        self.desk.mkdir()
        # What it would otherwise ask on its first start.
        (self.home / ".claude.json").write_bytes(msgspec.json.encode({"hasCompletedOnboarding": True, "theme": "dark"}))
        nowhere = "http://127.0.0.1:9"
        self.environment = {
            "HOME": str(self.home),
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # sub-agents answer within the turn that asks them
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_TELEMETRY": "1",
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def run(self, *arguments: str, **variables: str) -> dict[str, Any]:
        """One `claude -p … --output-format json`; the document it prints. `variables` of its environment come on top."""
        done = subprocess.run(
            [self.program, "-p", *arguments, "--output-format", "json"],
            cwd=self.desk,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        printed = f"{done.stdout.decode()}\n{done.stderr.decode()}"
        assert done.returncode == 0, printed
        answer: dict[str, Any] = msgspec.json.decode(done.stdout)
        assert not answer["is_error"], printed
        return answer

    @contextlib.contextmanager
    def session(self, *arguments: str, **variables: str) -> Iterator[Session]:
        """A process that lives for several turns, as somebody has at a terminal."""
        stream = ("--input-format", "stream-json", "--output-format", "stream-json", "--verbose")
        with (self.home / "session.log").open("wb") as log:
            process = subprocess.Popen(
                [self.program, "-p", *stream, *arguments],
                cwd=self.desk,
                env=self.environment | variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        session = Session(process)
        try:
            yield session
            assert session.end() == 0, (self.home / "session.log").read_text(encoding="utf-8")
        finally:
            session.kill()


class Session:
    """A running client that is asked one thing after another."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._results: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def ask(self, text: str) -> dict[str, Any]:
        """One turn, with all tool calls it takes; the document that ends it."""
        assert self._process.stdin is not None
        turn = {"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": text}]}}
        self._process.stdin.write(msgspec.json.encode(turn) + b"\n")
        self._process.stdin.flush()
        answer = self._results.get(timeout=TIMEOUT_S)
        assert answer is not None, "the client has ended"
        assert not answer["is_error"], answer
        return answer

    def end(self) -> int:
        """No more turns; its exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(TIMEOUT_S)

    def kill(self) -> None:
        """Harmless where it has ended."""
        self._process.kill()
        self._process.wait(TIMEOUT_S)
        self._reader.join(TIMEOUT_S)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = msgspec.json.decode(line)
            if told["type"] == "result":
                self._results.put(told)
        self._results.put(None)
