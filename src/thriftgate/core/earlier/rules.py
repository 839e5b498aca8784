"""Which calls may be answered by an earlier answer: a table, read from the top, and nobody who is not named in it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

from thriftgate.core.errors import InputError

Share = Literal["user", "key", "team", "org"]
Wish = Literal["", "off", "only-if-cached", "refresh"]
HEADER = b"thriftgate-reuse"


class Rule(Struct, frozen=True):
    """One row. Empty conditions hold for every call; `key`, `task` and `model` may hold `*`. An answer is reused for `ttl_s`
    seconds by whoever `share` names; one that asks for tools only with `may_tool_use`."""

    name: str
    key: str = ""
    task: str = ""
    model: str = ""
    ttl_s: float = 3_600.0
    share: Share = "key"
    may_tool_use: bool = False


def first_met(rules: Sequence[Rule], *, key: str, task: str, model: str) -> Rule | None:
    """The first rule whose conditions all hold."""
    for rule in rules:
        asked = ((rule.key, key), (rule.task, task), (rule.model, model))
        if all(not pattern or fnmatchcase(value, pattern) for pattern, value in asked):
            return rule
    return None


def wish_of(told: str) -> Wish:
    """What the caller says of reuse, by the header `thriftgate-reuse`. Raises InputError."""
    match told.strip().lower():
        case "":
            return ""
        case "off":
            return "off"
        case "only-if-cached":
            return "only-if-cached"
        case "refresh":
            return "refresh"
    raise InputError(f"header {HEADER.decode()}: must be off, only-if-cached or refresh")
