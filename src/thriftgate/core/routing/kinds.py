"""What kind of task a call looks like, where nobody has said: for the ready-made split of models.

A kind is only named on plain evidence; "" otherwise, and then no rule of the split applies.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from thriftgate.core.routing.features import Surroundings

Kind = Literal[
    "classify", "tag", "extract", "route", "short_qa", "json_format", "generate", "rag", "code", "reason", ""
]  # fmt: skip
KINDS: tuple[str, ...] = tuple(kind for kind in get_args(Kind) if kind)

SPLIT: dict[str, str] = {
    "classify": "claude-haiku-5-5",
    "tag": "claude-haiku-5-5",
    "extract": "claude-haiku-5-5",
    "route": "claude-haiku-5-5",
    "short_qa": "claude-haiku-5-5",
    "json_format": "claude-haiku-5-5",
    "generate": "claude-sonnet-5-5",
    "rag": "claude-sonnet-5-5",
    "code": "claude-sonnet-5-5",
    "reason": "claude-opus-5-5",
}
"""The usual split of kinds over models: the smallest for classification and extraction, the middle one for most work, the
largest for hard reasoning (platform.claude.com/docs/en/about-claude/models/choosing-a-model, 2026-10)."""

_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("reason", r"\b(?:prove|proof|diagnos\w+|legal (?:advice|opinion)|contract review|root cause|step[- ]by[- ]step)\b"),
    ("code", r"```|\b(?:refactor|unit tests?|pull request|stack ?trace)\b"),
    ("code", r"\bwrite (?:a |the )?(?:function|code|script|program|class)\b"),
    ("route", r"\b(?:which (?:team|queue|department|agent)|route (?:the|this|each))\b"),
    ("classify", r"\b(?:classif(?:y|ies|ication)|categori[sz]e)\b"),
    ("classify", r"\b(?:give|choose|pick|name) the (?:category|label|sentiment|intent)\b"),
    ("tag", r"\b(?:(?:add|assign|suggest|give) (?:\w+ )?(?:tags|keywords|labels))\b"),
    ("extract", r"\bextract\b"),
    ("json_format", r"\b(?:convert|format|rewrite|turn)\b[^.\n]{0,40}\b(?:in)?to (?:valid )?json\b"),
    ("rag", r"<(?:documents?|context|search_results?)>"),
    ("rag", r"\bbased (?:only )?on the (?:documents?|context|passages?)\b"),
    ("generate", r"\b(?:write|draft|compose|summari[sz]e|translate)\b"),
)
_WORDS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS)


def kind_of(instructions: str, asked: str, around: Surroundings) -> Kind:
    """The kind of a call by its system prompt (`instructions`) and what the user asks. Agents, which have tools, are of no
    kind: one turn of them tells nothing of the next."""
    if around.tools or around.images:
        return ""
    for text in (instructions, asked[:600]):
        for kind, pattern in _WORDS:
            if text and pattern.search(text):
                return kind
    if around.turns == 1 and not instructions and asked.rstrip().endswith("?") and len(asked) <= 200:
        return "short_qa"
    return ""
