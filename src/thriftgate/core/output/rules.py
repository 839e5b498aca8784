"""What a task may ask of its answers: a table, read from the top; the first rule that a call meets gives the orders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.core.output.schema_limits import check_schema
from thriftgate.core.output.until import parse_until
from thriftgate.core.routing.kinds import KINDS

CAP, STOP, BREVITY, EFFORT = "output.cap", "output.stop", "output.brevity", "output.effort"
EARLY_STOP, PREFILL, SCHEMA = "output.early_stop", "output.prefill", "output.schema"

Cap = int | Literal["learned"]
ThinkingOrder = Literal["", "off", "adaptive"]

STOPS_MAX = 16
"""Stop sequences of one rule. The API documents no limit of its own (api/messages, 2026-10)."""
TEXT_CHARS_MAX = 4_000  # of a directive: it stands in front of every call

LENGTHS: dict[str, str] = {
    "word": "Give the answer alone, as the single word, label or value that is asked for, and nothing else.",
    "line": "Give the answer alone, on a single line, without introduction or explanation.",
    "sentence": "Answer in one sentence, unless another form is asked for.",
    "paragraph": "Answer in one short paragraph, unless another form is asked for.",
    "brief": "Be brief: give what is asked for and leave out introductions, repetitions and closing remarks.",
}
"""Lengths that have a name. A form that the prompt itself asks for goes first: a directive that fights it costs more tokens
than it saves."""


class OutputRule(Struct, frozen=True):
    """One row: conditions, then orders. Empty conditions hold for every call; `task` is a name or a fingerprint (fp:…); it
    and `key` may hold `*`. `kind` is what the call looks like: one of `OUTPUT_KINDS`.

    `cap`: most tokens of an answer, "learned" from what the task produced, 0 none. `stop`: sequences that end it. `brevity`:
    a name in `LENGTHS`, or a text of one's own. `effort`, `thinking`: "" as asked. `until`: the answer is complete from
    there on. `prefill`: what it begins with. `schema`: raw JSON schema that it follows, b"" none; `strict_tools`: tools are
    held to their schemas; `repair`: an answer that breaks the schema is asked for once more.
    """

    name: str
    task: str = ""
    kind: str = ""
    key: str = ""
    cap: Cap = 0
    stop: tuple[str, ...] = ()
    brevity: str = ""
    effort: str = ""
    thinking: ThinkingOrder = ""
    until: str = ""
    prefill: str = ""
    schema: bytes = b""
    strict_tools: bool = False
    repair: bool = False


_CLASSIFY = OutputRule("usual classify", cap=64, brevity="word", effort="low", thinking="off")
_EXTRACT = OutputRule("usual extract", cap="learned", brevity="brief", effort="low", thinking="off")
_USUAL: dict[str, OutputRule] = {
    "classify": _CLASSIFY,
    "extract": _EXTRACT,
    "summary": OutputRule("usual summary", cap="learned", brevity="paragraph", effort="low", thinking="off"),
    "email": OutputRule("usual email", cap="learned", brevity="brief", effort="low"),
    "code": OutputRule("usual code", brevity="Give the code, and explain only what it does not show.", effort="medium"),
    "article": OutputRule("usual article", effort="medium"),
}
"""The ready-made table, by task. Why these: a label takes some ten tokens, 64 leave room for one in JSON, and an answer that
is cut is asked for again. Extracts, summaries and emails are as long as their subject, so their cap is learned. Code and
articles are never capped: cut short they are worth nothing. Low effort cost 33 to 50 % less for one to three points on
research tasks, medium half for two points on coding (platform.claude.com/docs/en/about-claude/models/
optimizing-for-cost-and-intelligence, 2026-08); what lies in the prompt for the reading needs no thinking."""

_LIKE: dict[str, str] = {"tag": "classify", "route": "classify", "json_format": "extract"}
"""Kinds of calls that get the orders of another."""

OUTPUT_KINDS: tuple[str, ...] = tuple(dict.fromkeys((*KINDS, *_USUAL)))
"""What `kind` may be: the kinds of routing, and what `refined` makes of them."""

_REFINED: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("email", r"\b(?:write|draft|compose)\b[^.\n]{0,40}\be-?mails?\b"),
        ("summary", r"\bsummari[sz]e\b"),
        ("article", r"\b(?:write|draft|compose)\b[^.\n]{0,40}\b(?:articles?|blog posts?|essays?)\b"),
    )
)


def refined(kind: str, instructions: str, asked: str) -> str:
    """What a call looks like, told apart further than routing needs: a text to be written may be a summary, an email or an
    article. Two of them at once are neither. `kind` is that of `kind_of`, the texts are those it was read from."""
    if kind != "generate":
        return kind
    for text in (instructions, asked[:600]):
        found = [name for name, pattern in _REFINED if text and pattern.search(text)]
        if found:
            return found[0] if len(found) == 1 else kind
    return kind


def usual_table() -> tuple[OutputRule, ...]:
    """The ready-made rules: for tasks of these names first, then for calls that look like them."""
    named = (replace(rule, task=task) for task, rule in _USUAL.items())
    looking = (replace(_USUAL[_LIKE.get(kind, kind)], kind=kind) for kind in (*_USUAL, *_LIKE))
    return (*named, *looking)


def first_met(rules: Sequence[OutputRule], task: str, kind: str, key: str) -> OutputRule | None:
    """The first rule whose conditions all hold."""
    for rule in rules:
        asked = ((rule.task, task), (rule.kind, kind), (rule.key, key))
        if all(not pattern or fnmatchcase(value, pattern) for pattern, value in asked):
            return rule
    return None


def trouble_with(rule: OutputRule) -> str:
    """What is wrong with a rule, its key first; "" where nothing is. For the settings, before a call is served by it."""
    schema = check_schema(rule.schema) if rule.schema else ""
    until = _until_trouble(rule.until)
    checks = (
        (isinstance(rule.cap, int) and rule.cap < 0, "cap: must not be less than 0"),
        (len(rule.stop) > STOPS_MAX, f"stop: {len(rule.stop)} sequences, and {STOPS_MAX} may be given"),
        (any(not one.strip() for one in rule.stop), "stop: the API takes no sequence of white space alone"),
        (bool(rule.brevity) and not rule.brevity.strip(), "brevity: must not be white space alone"),
        (bool(rule.prefill) and not rule.prefill.strip(), "prefill: must not be white space alone"),
        (
            max(len(rule.brevity), len(rule.prefill)) > TEXT_CHARS_MAX,
            f"brevity and prefill: {TEXT_CHARS_MAX} characters at most, since they stand in front of every call",
        ),
        (
            bool(rule.kind) and rule.kind not in OUTPUT_KINDS,
            f"kind: there is no {rule.kind} (known: {', '.join(OUTPUT_KINDS)})",
        ),
        (rule.repair and not rule.schema, "repair: needs a schema"),
        (bool(until), until),
        (bool(schema), f"schema: {schema}"),
    )
    return next((complaint for holds, complaint in checks if holds), "")


def _until_trouble(until: str) -> str:
    try:
        if until:
            parse_until(until)
    except ConfigError as error:
        return str(error)
    return ""
