"""pydantic-ai by the recipe: a call, a stream, a tool, an output of a type, a conversation."""

from __future__ import annotations

from tests.recipes.clients import PROGRAMS, Desk, check_conversation, find, long_rules


def test_pydantic_ai(desk: Desk) -> None:
    python = find("python", "python")
    desk.write("pydantic-ai", "recipe.py")
    told = desk.told(python, PROGRAMS / "with_pydantic_ai.py", long_rules("pydantic-ai"), PYTHONPATH=str(desk.folder))
    assert told["plain"]
    assert "".join(told["streamed"]) == "one two three four five six"
    assert (told["asked"], told["last"], told["typed"]) == (["Oslo"], "Rain", "Weather")
    entries = desk.entries()
    assert len(entries) == 8
    assert all(entry.stream for entry in entries)
    check_conversation(entries)
    for usage, entry in zip(told["usages"], entries[-3:], strict=True):
        total = entry.usage.total
        assert usage["input_tokens"] == total.input + total.read + total.write_5m + total.write_1h
        assert usage["cache_read_tokens"] == total.read
