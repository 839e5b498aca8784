"""The real clients, each in a home and a working folder of its own, and the recipes of the guide that they are run by.

`python3 tasks.py recipes` installs the clients and sets THRIFTGATE_RECIPES to where they are; without it they are skipped.
What could not be installed has left its reason there.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clients.stack import KEY, Stack
from thriftgate.ledger.entries import Entry

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "recipes.md"
PROGRAMS = Path(__file__).parent / "programs"
GATEWAY = "http://127.0.0.1:8484"
NOWHERE = "http://127.0.0.1:9"
TIMEOUT_S = 300.0


def recipe(client: str) -> list[str]:
    """The blocks under a client's heading in the guide, as they stand there; the first names the gateway."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {client}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```\w+\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert GATEWAY in blocks[0]
    return blocks


def installed() -> Path:
    """Where `tasks.py recipes` has made the environments of the clients; without them the test is skipped."""
    made = os.environ.get("THRIFTGATE_RECIPES")
    if not made:
        pytest.skip("real clients are run by a task of their own: python3 tasks.py recipes")
    return Path(made)


def find(environment: str, program: str) -> Path:
    """A program of an environment; where that could not be installed the test is skipped and says why."""
    made = installed()
    refused = made / f"{environment}.refused"
    if refused.exists():
        pytest.skip(f"could not be installed: {refused.read_text(encoding='utf-8').strip()}")
    folder = made / environment
    found = folder / "bin" / program
    return found if found.exists() else folder / "node_modules" / ".bin" / program


class Desk:
    """Where one client works: a home and a folder of its own, a gateway, and a proxy that leads nowhere else."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self.folder = folder / "desk"
        self.stack = stack
        self.folder.mkdir()
        home = folder / "home"
        home.mkdir()
        self.environment = {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_STATE_HOME": str(home / "state"),
            "TMPDIR": str(home),
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "ANTHROPIC_API_KEY": KEY,
            "HTTP_PROXY": NOWHERE,
            "HTTPS_PROXY": NOWHERE,
            "NO_PROXY": "127.0.0.1,localhost",
            "DO_NOT_TRACK": "1",
        }
        self._before = len(stack.books().entries)

    def write(self, client: str, *names: str) -> None:
        """The blocks of a recipe as files of the working folder, with this gateway in the place of the guide's."""
        for name, block in zip(names, recipe(client), strict=True):
            (self.folder / name).write_text(block.replace(GATEWAY, self.stack.url), encoding="utf-8")

    def run(self, *command: object, said: str = "", **variables: str) -> str:
        """What a command prints when `said` is typed. It must end well, and in time."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env=self.environment | variables,
            input=said,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def told(self, *command: object, **variables: str) -> Any:
        """The JSON document in the last line that a program prints."""
        return msgspec.json.decode(self.run(*command, **variables).splitlines()[-1])

    def entries(self) -> list[Entry]:
        """What this client's calls are booked as: all answered, at the simulator's own figures, to the last digit of its
        bill."""
        entries = self.stack.check_books().entries[self._before :]
        assert {(entry.outcome, entry.usage_source) for entry in entries} == {("answered", "exact")}
        return entries


def check_conversation(entries: list[Entry]) -> None:
    """The last three calls are the turns of one conversation: each turn after the first reads what the one before wrote."""
    first, *later = (entry.usage.total for entry in entries[-3:])
    assert first.write_5m + first.write_1h > 5_000, first
    before = first
    for usage in later:
        assert usage.read == before.read + before.write_5m + before.write_1h, (before, usage)
        before = usage


def long_rules(about: str) -> str:
    """A system prompt that is long enough to be cached, and another one for each client."""
    return " ".join(f"Rule {at} of {about}: answer politely, briefly and to the point." for at in range(450))
