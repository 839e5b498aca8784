"""The command line tool `llm` by the recipe: a prompt, streamed and not, a tool, a conversation."""

from __future__ import annotations

import os
import shlex

from tests.recipes.clients import Desk, check_conversation, find, long_rules

WEATHER = 'def get_weather(city: str) -> str:\n    "The weather in a city."\n    return "12 degrees in " + city\n'


def test_llm(desk: Desk) -> None:
    program = find("python", "llm")
    desk.write("llm", "recipe.sh")
    order = 'Weather? [[sim: tool=get_weather input={"city":"Oslo"} think=0]] [[sim: say=Rain]]'
    rules = long_rules("llm")
    calls = (
        ("--no-stream", "Say it [[sim: say=one two three]]"),
        ("--functions", WEATHER, "--td", order),
        ("-s", rules, "Question 0? [[sim: say=Answer 0]]"),
        ("-c", "Question 1? [[sim: say=Answer 1]]"),
        ("-c", "Question 2? [[sim: say=Answer 2]]"),
    )
    lines = [shlex.join(("llm", "-m", "claude-opus-5.5", *words)) for words in calls]
    shell = "\n".join((". ./recipe.sh", *lines))
    told = desk.run("sh", "-euc", shell, PATH=f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    hello, *said = told.splitlines()
    assert hello
    assert "one two three" in said
    assert "Rain" in told
    assert [line for line in said if line.startswith("Answer")] == ["Answer 0", "Answer 1", "Answer 2"]
    entries = desk.entries()
    assert len(entries) == 7, "the recipe, one that is not streamed to the terminal, two around the tool, three turns"
    assert all(entry.stream for entry in entries)
    check_conversation(entries)
