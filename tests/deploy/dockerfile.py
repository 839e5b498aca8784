"""A Dockerfile read, and its steps followed without Docker: COPY and RUN in a folder that stands for the root.

Knows what ours uses and raises for anything else, so that a new step is not passed over.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

STEP_S = 600.0


class Step(NamedTuple):
    """One instruction; `words` in exec form where it is written so."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """Raises ValueError for the shell form."""
        text = self.text.partition("CMD ")[2] if self.name == "HEALTHCHECK" else self.text
        if not text.startswith("["):
            raise ValueError(f"{self.name} {self.text}: not in exec form")
        return msgspec.json.decode(text, type=list[str])


class Stage(NamedTuple):
    """What stands after one FROM."""

    base: str
    name: str
    steps: list[Step]

    def environ(self) -> dict[str, str]:
        """The variables that it sets."""
        found: dict[str, str] = {}
        for step in self.steps:
            if step.name == "ENV":
                found.update((name, value) for name, _, value in (word.partition("=") for word in shlex.split(step.text)))
        return found

    def last(self, name: str) -> Step:
        """The instruction of that name that counts."""
        return [step for step in self.steps if step.name == name][-1]


def read(text: str) -> list[Stage]:
    """The stages of a Dockerfile, with its ARGs put in."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    given: dict[str, str] = {}
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        rest = re.sub(r"\$\{(\w+)\}", lambda found: given.get(found[1], found[0]), rest)
        if name == "ARG" and not stages:
            key, _, value = rest.partition("=")
            given[key] = value
        elif name == "FROM":
            base, _, alias = rest.partition(" AS ")
            stages.append(Stage(base, alias, []))
        else:
            stages[-1].steps.append(Step(name, rest))
    return stages


class Place:
    """A folder that stands for the root of the images. Absolute paths lie below it, but for programs of the base."""

    def __init__(self, root: Path, context: Path, python: str) -> None:
        self.root, self.context, self.python = root, context, python
        ignored = (context / ".dockerignore").read_text(encoding="utf-8").splitlines()
        self._rules = [line.strip() for line in ignored if line.strip() and not line.startswith("#")]

    def follow(self, stage: Stage) -> dict[str, str]:
        """Do its steps; its variables. Raises ValueError for an unknown one, CalledProcessError where one fails."""
        environ, folder = stage.environ(), self.root
        for step in stage.steps:
            if step.name == "WORKDIR":
                folder = self.at(step.text)
                folder.mkdir(parents=True, exist_ok=True)
            elif step.name == "COPY":
                self._copy(shlex.split(step.text), folder)
            elif step.name == "RUN":
                command = [self.word(word) for word in step.words]
                subprocess.run(command, cwd=folder, env=self.environ(environ), check=True, timeout=STEP_S)
            elif step.name not in {"ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}:
                raise ValueError(f"cannot follow {step.name} {step.text}")
        return environ

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def word(self, word: str) -> str:
        """A word of a command as it is here: the base's Python is ours, paths of the image lie below the root."""
        if word == "python":
            return self.python
        return str(self.at(word)) if re.match(r"/(?:build|app|data)\b", word) else word

    def environ(self, given: Mapping[str, str]) -> dict[str, str]:
        """The image's variables and the few of this machine that a package client needs."""
        mapped = {name: ":".join(self.word(part) for part in value.split(":")) for name, value in given.items()}
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root), **mapped}

    def _copy(self, words: list[str], folder: Path) -> None:
        *sources, target = [word for word in words if not word.startswith("--")]
        if any(word.startswith("--from=") for word in words):
            (source,) = sources
            if self.at(source) != self.at(target):
                shutil.copytree(self.at(source), self.at(target), symlinks=True)
            return
        for source in sources:
            there = folder / target if target != "./" else folder / Path(source).name
            for file in sorted((self.context / source).rglob("*")) or [self.context / source]:
                inner = file.relative_to(self.context)
                if file.is_file() and self.sent(inner.as_posix()):
                    at = there / file.relative_to(self.context / source)
                    at.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, at)
            if not there.exists():
                raise ValueError(f"COPY {source}: .dockerignore keeps it out, or it is not there")

    def sent(self, path: str) -> bool:
        """Whether .dockerignore lets a file of the checkout into the build: the last rule that fits counts."""
        kept = True
        ways = [path, *(str(parent) for parent in PurePosixPath(path).parents if str(parent) != ".")]
        for rule in self._rules:
            pattern = rule.lstrip("!")
            patterns = [pattern, pattern.removeprefix("**/")]
            names = [way for way in ways for one in patterns if _fits(way, one, deep=pattern.startswith("**/"))]
            if names:
                kept = rule.startswith("!")
        return kept


def _fits(path: str, pattern: str, *, deep: bool) -> bool:
    if deep:
        return fnmatch.fnmatch(PurePosixPath(path).name, pattern.rpartition("/")[2])
    return len(path.split("/")) == len(pattern.split("/")) and fnmatch.fnmatch(path, pattern)
