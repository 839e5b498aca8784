"""aider by the recipe: a question, streamed and not, and an edit of a file in a repository."""

from __future__ import annotations

import shutil

import pytest

from tests.recipes.clients import Desk, find, long_rules

EDIT = """Change it [[sim: say=rules.txt
```
<<<<<<< SEARCH
The first line.
=======
Another line.
>>>>>>> REPLACE
```
]]"""


def test_aider(desk: Desk) -> None:
    program = find("aider", "aider")
    if shutil.which("git") is None:
        pytest.skip("aider works on a repository, and git is not installed")
    desk.write("aider", ".aider.conf.yml", ".aider.models.yml")
    git = ("git", "-c", "user.name=dev", "-c", "user.email=dev@example.org")
    rules = desk.folder / "rules.txt"
    rules.write_text(f"The first line.\n{long_rules('aider')}\n", encoding="utf-8")
    for words in (("init", "-q"), ("config", "user.name", "dev"), ("config", "user.email", "dev@example.org")):
        desk.run("git", *words)
    desk.run(*git, "add", ".")
    desk.run(*git, "commit", "-qm", "Begin")

    def ask(text: str, *options: str) -> str:
        quiet = ("--yes-always", "--no-gitignore", "--analytics-disable", "--no-show-release-notes")
        return desk.run(program, *quiet, *options, "--message", text, "rules.txt")

    assert "Hello from afar" in ask("Say it [[sim: say=Hello from afar]]", "--no-stream")
    assert "Hello again" in ask("Say it [[sim: say=Hello again]]")
    first, second = desk.entries()
    assert (first.stream, second.stream) == (False, True)
    assert first.usage.total.write_5m + first.usage.total.write_1h > 5_000
    assert second.usage.total.read > 5_000

    assert "Applied edit to rules.txt" in ask(EDIT)
    assert rules.read_text(encoding="utf-8").startswith("Another line.\n")
    last = desk.entries()[2:]
    assert {entry.model for entry in last} == {"claude-opus-4-8", "claude-haiku-4-5"}, "the weak model words the commit"
