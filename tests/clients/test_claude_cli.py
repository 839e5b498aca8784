"""The real `claude` command line client through the gateway against the simulator: a plain prompt, a tool call, a resumed
conversation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.claude_code import Claude, find_client
from tests.clients.stack import Stack


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
        assert "cache.breakpoints" in [one.lever for one in entry.decisions]
    assert entries[1].usage.total.read > 0, "the second prompt shares the first one's tools and system"
    report = stack.thriftgate("report")
    assert (report["calls"], report["open_holds"], report["estimated_calls"]) == (before + len(entries), 0, 0)


def test_its_context_report(claude: Claude, stack: Stack) -> None:
    """`/context` counts tokens upstream: free calls, which are not booked."""
    before = len(stack.books().entries)
    assert claude.run("/context")["result"]
    assert len(stack.books().entries) == before
