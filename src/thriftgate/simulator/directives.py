"""Steering marks that a test writes into a user message: `[[sim: …]]`.

    [[sim: tool=NAME input={…} times=2]]   call this tool (input: JSON, else built from the schema) so many rounds (1)
    [[sim: out=TOKENS]]                    answer with a text billed as exactly so many tokens
    [[sim: long=MEDIAN,SIGMA,RUNAWAY]]     answer with a text of realistic length; see `longwinded`
    [[sim: say=TEXT]]                      answer with TEXT (it runs to the closing brackets)
    [[sim: refuse=CATEGORY]]               refuse; cyber, bio, frontier_llm, reasoning_extraction, general_harms or none
    [[sim: stop=max_tokens]]               end with this stop reason
    [[sim: think=N]]                       think exactly N tokens (0: not at all), where the model thinks
    [[sim: search=QUERY]]                  search the web, if a web search tool is offered
    [[sim: needs=PHRASE]]                  answer right only where the system prompt holds PHRASE (it runs to the brackets)

Marks are part of the prompt and counted as such. Several `tool=` marks in one message make parallel calls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from thriftgate.simulator.longwinded import Long, read_long

OPEN = re.compile(r"\[\[sim:\s*")
KEY = re.compile(r"\s*(tool|input|times|out|long|say|refuse|stop|think|search|needs)=")
WORD = re.compile(r"[^\s\]]+")


@dataclass(frozen=True, slots=True)
class ToolOrder:
    """One demanded tool call; `input` None means: build it from the schema."""

    name: str
    input: dict[str, Any] | None


@dataclass(slots=True)
class Directives:
    """All marks of one message together. None = not asked for."""

    tools: list[ToolOrder] = field(default_factory=list)
    times: int = 1
    out: int | None = None
    long: Long | None = None
    say: str | None = None
    refuse: str | None = None
    stop: str | None = None
    think: int | None = None
    search: str | None = None
    needs: list[str] = field(default_factory=list)


def read_directives(text: str) -> Directives:
    """The marks in a text. Marks that cannot be read are ignored, as a model would ignore them."""
    found = Directives()
    at = 0
    while (opening := OPEN.search(text, at)) is not None:
        at = _read_one(text, opening.end(), found)
    return found


def _read_one(text: str, at: int, found: Directives) -> int:
    tool: str | None = None
    given: dict[str, Any] | None = None
    while (key := KEY.match(text, at)) is not None:
        name, at = key.group(1), key.end()
        if name in {"say", "search", "needs"}:
            end = text.find("]]", at)
            end = len(text) if end < 0 else end
            if name == "needs":
                found.needs.append(text[at:end].strip())
            else:
                setattr(found, name, text[at:end])
            at = end
        elif name == "input":
            given, at = _object_at(text, at)
        else:
            word = WORD.match(text, at)
            value = word.group() if word else ""
            at = word.end() if word else at
            if name == "tool":
                tool = value
            else:
                _set(found, name, value)
    if tool is not None:
        found.tools.append(ToolOrder(tool, given))
    closing = text.find("]]", at)
    return len(text) if closing < 0 else closing + 2


def _set(found: Directives, name: str, value: str) -> None:
    if name in {"refuse", "stop"}:
        setattr(found, name, value)
    elif name == "long":
        found.long = read_long(value)
    elif value.isdecimal():
        setattr(found, name, int(value))


def _object_at(text: str, at: int) -> tuple[dict[str, Any] | None, int]:
    """The JSON object that starts at `at`, and where it ends."""
    depth, quoted, escaped = 0, False, False
    for end in range(at, len(text)):
        sign = text[end]
        if quoted:
            quoted = sign != '"' or escaped
            escaped = sign == "\\" and not escaped
            continue
        if sign == '"':
            quoted = True
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            try:
                value = msgspec.json.decode(text[at : end + 1])
            except msgspec.DecodeError:
                return None, end + 1
            return (value if isinstance(value, dict) else None), end + 1
    return None, len(text)


def strip_directives(text: str) -> str:
    """The text without its marks."""
    parts, at = [], 0
    while (opening := OPEN.search(text, at)) is not None:
        parts.append(text[at : opening.start()])
        at = _read_one(text, opening.end(), Directives())
    return "".join([*parts, text[at:]])
