"""LangChain by the recipe: a call, a stream, an agent with a tool, a conversation."""

from __future__ import annotations

from tests.recipes.clients import PROGRAMS, Desk, check_conversation, find, long_rules


def test_langchain(desk: Desk) -> None:
    python = find("python", "python")
    desk.write("LangChain", "recipe.py")
    told = desk.told(python, PROGRAMS / "with_langchain.py", long_rules("LangChain"), PYTHONPATH=str(desk.folder))
    assert told["plain"]
    assert "".join(told["streamed"]) == "one two three four five six"
    assert (told["tool"], told["last"]) == (["12 degrees in Oslo"], "Rain")
    entries = desk.entries()
    assert [entry.stream for entry in entries] == [False, True, *(False,) * 5]
    check_conversation(entries)
    for usage, entry in zip(told["usages"], entries[-3:], strict=True):
        total, details = entry.usage.total, usage["input_token_details"]
        assert usage["input_tokens"] == total.input + total.read + total.write_5m + total.write_1h
        assert (details["cache_read"], details["cache_creation"]) == (total.read, 0)
        assert details["ephemeral_5m_input_tokens"] == total.write_5m
        assert details["ephemeral_1h_input_tokens"] == total.write_1h
