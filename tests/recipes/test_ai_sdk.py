"""Vercel's AI SDK by the recipe: a call, a stream, a loop with a tool, an object, a conversation."""

from __future__ import annotations

import shutil

from tests.recipes.clients import PROGRAMS, Desk, check_conversation, find, long_rules


def test_ai_sdk(desk: Desk) -> None:
    modules = find("node", "ai").parents[1]
    desk.write("Vercel AI SDK", "recipe.mjs")
    shutil.copy(PROGRAMS / "with_ai_sdk.mjs", desk.folder)  # its imports are looked for beside it
    (desk.folder / "node_modules").symlink_to(modules)
    told = desk.told("node", "with_ai_sdk.mjs", long_rules("the AI SDK"))
    assert told["plain"]
    assert "".join(told["streamed"]) == "one two three four five six"
    assert (told["tool"], told["last"], told["object"]) == (["12 degrees in Oslo"], "Rain", ["city", "degrees"])
    entries = desk.entries()
    assert [entry.stream for entry in entries] == [False, True, *(False,) * 6]
    check_conversation(entries)
    for usage, entry in zip(told["usages"], entries[-3:], strict=True):
        total, details = entry.usage.total, usage["inputTokenDetails"]
        assert usage["inputTokens"] == total.input + total.read + total.write_5m + total.write_1h
        assert (details["cacheReadTokens"], details["cacheWriteTokens"]) == (total.read, total.write_5m + total.write_1h)
