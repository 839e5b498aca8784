"""`route.rules`: a table, read from the top; the first rule that a call meets says which model serves it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from thriftgate.core.money import usd_from_pico
from thriftgate.core.routing.kinds import SPLIT


class Rule(Struct, frozen=True):
    """One row. Empty conditions hold for every call; `task`, `asked`, `key` and `tenant` may hold `*`. `spent_pico` is met
    once the key has spent that much on this UTC day. `to` is the model, `effort` its effort ("" as asked)."""

    name: str
    to: str
    effort: str = ""
    task: str = ""
    kind: str = ""
    asked: str = ""
    key: str = ""
    tenant: str = ""
    tokens_min: int = 0
    tokens_max: int = 0
    turns_max: int = 0
    tools: bool | None = None
    images: bool | None = None
    schema: bool | None = None
    spent_pico: int = 0


class Question(Struct, frozen=True):
    """What rules are asked about a call. `task` may be a name or a fingerprint; `spent_pico` is what its key has spent on
    this UTC day."""

    task: str
    kind: str
    asked: str
    key: str
    tenant: str
    prompt_tokens: int
    turns: int
    tools: bool
    images: bool
    schema: bool
    spent_pico: int


def usual_split() -> tuple[Rule, ...]:
    """The ready-made rules: a model for each kind of task. A dearer model than the one asked for is never taken."""
    return tuple(Rule(name=f"usual split, {kind}", to=model, kind=kind) for kind, model in SPLIT.items())


def first_met(rules: Sequence[Rule], question: Question) -> Rule | None:
    """The first rule whose conditions all hold."""
    return next((rule for rule in rules if not unmet(rule, question)), None)


def unmet(rule: Rule, question: Question) -> str:
    """The first condition of the rule that does not hold, in words; "" where all do."""
    for name in ("task", "kind", "asked", "key", "tenant"):
        pattern, value = getattr(rule, name), getattr(question, name)
        if pattern and not fnmatchcase(value, pattern):
            return f"{name} is {value or 'not known'}, not {pattern}"
    for name in ("tools", "images", "schema"):
        wanted, has = getattr(rule, name), getattr(question, name)
        if wanted is not None and wanted is not has:
            return f"it has {name}" if has else f"it has no {name}"
    return _out_of_bounds(rule, question)


def _out_of_bounds(rule: Rule, question: Question) -> str:
    tokens = question.prompt_tokens
    if rule.tokens_max and tokens > rule.tokens_max:
        return f"the prompt has {tokens} tokens, more than {rule.tokens_max}"
    if tokens < rule.tokens_min:
        return f"the prompt has {tokens} tokens, fewer than {rule.tokens_min}"
    if rule.turns_max and question.turns > rule.turns_max:
        return f"it is turn {question.turns}, later than {rule.turns_max}"
    if question.spent_pico < rule.spent_pico:
        return f"its key has spent ${usd_from_pico(question.spent_pico)} today, less than ${usd_from_pico(rule.spent_pico)}"
    return ""
