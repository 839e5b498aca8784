"""opencode by the recipe: a prompt, a tool, a session that goes on."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.recipes.clients import Desk, find

OFFLINE = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
}


def test_opencode(desk: Desk) -> None:
    program = find("node", "opencode")
    desk.write("opencode", "opencode.json")

    def ask(text: str, *options: str) -> list[Any]:
        """What is told of one run, event by event."""
        printed = desk.run(program, "run", "--format", "json", *options, said=text, **OFFLINE)
        return [msgspec.json.decode(line) for line in printed.splitlines()]

    def texts(events: list[Any]) -> list[str]:
        return [event["part"]["text"] for event in events if event["type"] == "text"]

    assert texts(ask("Say it [[sim: say=Hello from afar]]")) == ["Hello from afar"]
    order = '[[sim: tool=bash input={"command":"echo made-by-a-tool > proof.txt","description":"Leave a proof"}]]'
    assert texts(ask(f"Do it {order} [[sim: say=Done]]", "--continue")) == ["Done"]
    assert (desk.folder / "proof.txt").read_text(encoding="utf-8") == "made-by-a-tool\n"
    assert texts(ask("Go on [[sim: say=Still here]]", "--continue")) == ["Still here"]

    entries = desk.entries()
    assert all(entry.stream for entry in entries)
    calls = [entry for entry in entries if entry.model == "claude-opus-4-8"]
    assert [entry.model for entry in entries if entry not in calls] == ["claude-haiku-4-5"], "the title of the session"
    assert len(calls) == 4, "one call, two around the tool, one that goes on"
    assert all(entry.usage.total.read > 5_000 for entry in calls[1:])
