"""The real `claude` command line client through the gateway against the simulator: a plain prompt, a tool call, a resumed
conversation. It is found by THRIFTGATE_CLAUDE, else on the PATH; `.ci/run` installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clients.stack import KEY, Stack

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
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_TELEMETRY": "1",
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def run(self, *arguments: str) -> dict[str, Any]:
        """One `claude -p … --output-format json`; the document it prints."""
        done = subprocess.run(
            [self.program, "-p", *arguments, "--output-format", "json"],
            cwd=self.desk,
            env=self.environment,
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


@pytest.fixture
def claude(stack: Stack, tmp_path: Path) -> Claude:
    return Claude(find_client(), tmp_path, stack.url)


def test_prompt_tool_and_resume(claude: Claude, stack: Stack) -> None:
    before = len(stack.books().entries)
    hello = claude.run("Say hello [[sim: say=Hello from the simulator]]")
    assert hello["result"] == "Hello from the simulator"
    assert hello["num_turns"] == 1

    order = '[[sim: tool=Bash input={"command":"echo made-by-a-tool > proof.txt","description":"Leave a proof"}]]'
    worked = claude.run(f"Run the tool {order}", "--allowedTools", "Bash")
    assert worked["num_turns"] == 2
    assert (claude.desk / "proof.txt").read_text(encoding="utf-8") == "made-by-a-tool\n"
    assert not worked["permission_denials"]

    again = claude.run("And once more [[sim: say=Still here]]", "--continue")
    assert again["result"] == "Still here"
    assert again["session_id"] == worked["session_id"]

    entries = stack.check_books().entries[before:]
    assert len(entries) >= 4, "one call, two around the tool, one resumed"
    for entry in entries:
        assert (entry.outcome, entry.usage_source, entry.stream) == ("answered", "exact", True)
        assert entry.decisions[0].reason == "the client sets its own breakpoints"
    assert entries[1].usage.total.read > 0, "the second prompt shares the first one's tools and system"
    report = stack.thriftgate("report")
    assert (report["calls"], report["open_holds"], report["estimated_calls"]) == (before + len(entries), 0, 0)


def test_its_context_report(claude: Claude, stack: Stack) -> None:
    """`/context` counts tokens upstream: free calls, which are not booked."""
    before = len(stack.books().entries)
    assert claude.run("/context")["result"]
    assert len(stack.books().entries) == before
