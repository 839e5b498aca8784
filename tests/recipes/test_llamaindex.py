"""LlamaIndex by the recipe: a call, a stream, an agent with a tool, a conversation."""

from __future__ import annotations

from tests.recipes.clients import PROGRAMS, Desk, check_conversation, find, long_rules


def test_llamaindex(desk: Desk) -> None:
    python = find("python", "python")
    desk.write("LlamaIndex", "recipe.py")
    told = desk.told(python, PROGRAMS / "with_llamaindex.py", long_rules("LlamaIndex"), PYTHONPATH=str(desk.folder))
    assert told["plain"]
    assert "".join(told["streamed"]) == "one two three four five six"
    assert (told["asked"], told["last"]) == (["Oslo"], "Rain")
    entries = desk.entries()
    assert [entry.stream for entry in entries] == [False, True, *(False,) * 5]
    check_conversation(entries)
