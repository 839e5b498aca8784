"""Claude Code by the recipe: with tool search on, which it leaves off behind a gateway. tests/clients drive it at length."""

from __future__ import annotations

import re
from pathlib import Path

from tests.clients.claude_code import Claude, find_client
from tests.clients.observed import Observed, observed
from tests.recipes.clients import GATEWAY, recipe


def seen(folder: Path, program: str, prompt: str, **variables: str) -> Observed:
    """All that passes when the client is asked."""
    folder.mkdir()
    with observed(folder) as watched:
        Claude(program, folder, watched.url).run(prompt, "--model", "claude-opus-5-5", **variables)
    return watched


def test_tool_search(tmp_path: Path) -> None:
    program = find_client()
    told = dict(re.findall(r"^export (\w+)=(.*)$", recipe("Claude Code")[0], re.MULTILINE))
    assert told.pop("ANTHROPIC_BASE_URL") == GATEWAY
    assert told == {"ENABLE_TOOL_SEARCH": "true"}

    plain = seen(tmp_path / "plain", program, "Hello [[sim: say=Hi]]")
    order = '[[sim: tool=ToolSearch input={"query":"select:WebFetch","max_results":1}]]'
    searching = seen(tmp_path / "searching", program, f"Look {order}", **told)
    (without,), (first, second) = plain.passed(), searching.passed()
    tools = [{tool["name"]: tool for tool in one.left.document()["tools"]} for one in (without, first, second)]
    assert "WebFetch" in tools[0]
    assert tools[2].keys() - tools[1].keys() == {"WebFetch"}, "the one that was found"
    assert tools[2]["WebFetch"]["defer_loading"]
    assert b'{"type":"tool_reference","tool_name":"WebFetch"}' in second.left.body
    assert len(first.sent.body) < 0.75 * len(without.sent.body)

    before, after = (watched.books.entries[0].usage.total for watched in (plain, searching))
    assert after.input + after.write_5m < 0.75 * (before.input + before.write_5m)
    assert searching.books.entries[1].usage.total.read == after.write_5m, "a tool that comes later leaves the prefix warm"
