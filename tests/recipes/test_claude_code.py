"""Claude Code by the recipe: with tool search on, which it leaves off behind a gateway. tests/clients drive it at length."""

from __future__ import annotations

import re
from pathlib import Path

from tests.clients.claude_code import Claude, find_client
from tests.clients.observed import Observed, observed
from tests.recipes.clients import GATEWAY, recipe


def seen(folder: Path, program: str, prompt: str, **variables: str) -> tuple[str, Observed]:
    """What the client says at last, and all that passed."""
    folder.mkdir()
    with observed(folder) as watched:
        answer = Claude(program, folder, watched.url).run(prompt, "--model", "claude-opus-5-5", **variables)
    return str(answer["result"]), watched


def test_tool_search(tmp_path: Path) -> None:
    program = find_client()
    told = dict(re.findall(r"^export (\w+)=(.*)$", recipe("Claude Code")[0], re.MULTILINE))
    assert told.pop("ANTHROPIC_BASE_URL") == GATEWAY
    assert told == {"ENABLE_TOOL_SEARCH": "true"}

    _, plain = seen(tmp_path / "plain", program, "Hello [[sim: say=Hi]]")
    order = '[[sim: tool=ToolSearch input={"query":"select:WebFetch","max_results":1}]]'
    said, searching = seen(tmp_path / "searching", program, f"Look {order} [[sim: say=Found]]", **told)
    assert said == "Found"
    (without,), (first, second) = plain.passed(), searching.passed()
    tools = [{tool["name"] for tool in passed.sent.document()["tools"]} for passed in (without, first, second)]
    assert "WebFetch" in tools[0] - tools[1]
    assert tools[2] - tools[1] == {"WebFetch"}, "the one that was found"
    assert len(first.sent.body) < 0.75 * len(without.sent.body)
    before, after = (watched.books.entries[0].usage.total for watched in (plain, searching))
    assert after.input + after.write_5m < 0.75 * (before.input + before.write_5m)
    assert searching.books.entries[1].usage.total.read > 5_000
