"""How an answer is to be judged, as a set or `--judge` writes it: a word, `word:value`, or an object with a `kind`.

    "exact"      "numeric:0.01"      {"kind": "fields", "all_or_nothing": true}      "function:my_checks:grade"

The judges themselves are in `quality/judges/`, one file each.
"""

from __future__ import annotations

import difflib
from typing import Any, get_args

import msgspec
from msgspec import Struct

from thriftgate.core.errors import InputError


class Exact(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="exact"):
    """The answer is `expected`. Runs of white space count as one blank unless `space` matters; `ignore_case` for labels."""

    ignore_case: bool = False
    space: bool = False


class Regex(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="regex"):
    """`pattern` (else `expected`) is found in the answer; with `whole` it is all of it. Python's syntax."""

    pattern: str = ""
    ignore_case: bool = False
    whole: bool = False


class Schema(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="schema"):
    """The answer is JSON of this schema; without one of `expected`, else of the request's own output format."""

    schema: dict[str, Any] = {}


class Fields(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="fields"):
    """The share of the fields of `expected` (a JSON object; only `fields` of it where they are named, `a.b` for inner ones)
    that the answer has right; with `all_or_nothing` 1 or 0."""

    fields: tuple[str, ...] = ()
    all_or_nothing: bool = False


class Numeric(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="numeric"):
    """The answer's number (its only one, or the last) differs from `expected` by at most `tolerance`, or by that share of
    it that `relative` says."""

    tolerance: float = 0.0
    relative: float = 0.0


class Code(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="code"):
    """The answer's Python code passes `tests` (else `expected`), run behind it in a process of its own. Times in seconds,
    memory in megabytes."""

    tests: str = ""
    cpu_s: int = 5
    wall_s: float = 20.0
    memory_mb: int = 512


class Llm(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="llm"):
    """`model` says, in both orders, whether the answer or that of `against` is better: an arm of the run (the last one where
    none is named), or `expected`. 1 where it wins, 0 where it loses, half for ties and where the order decides."""

    model: str = ""
    against: str = ""
    criteria: str = ""


class Function(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="function"):
    """`module:function` of the user's own, called with the item and the answer's text. Time in seconds."""

    function: str = ""
    wall_s: float = 60.0


Rule = Exact | Regex | Schema | Fields | Numeric | Code | Llm | Function
KINDS: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in get_args(Rule))
# Where the value of `word:value` goes.
_SHORT = {"numeric": "tolerance", "regex": "pattern", "llm": "model", "function": "function"}


def rule_of(written: str | dict[str, Any]) -> Rule:
    """Read a rule. Raises InputError for a judge there is not, or one that is not fully said."""
    members = _spelled(written) if isinstance(written, str) else dict(written)
    kind = members.get("kind")
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"there is no judge {kind!r}{hint} (known: {', '.join(KINDS)})")
    try:
        rule: Rule = msgspec.convert(members, Rule)
    except msgspec.ValidationError as error:
        raise InputError(f"judge {kind}: {error}") from None
    _check(rule)
    return rule


def _spelled(text: str) -> dict[str, Any]:
    kind, colon, value = text.strip().partition(":")
    if not colon:
        return {"kind": kind}
    if kind in KINDS and kind not in _SHORT:
        raise InputError(f"judge {text!r}: {kind} takes no value; write an object to set its options")
    if kind != "numeric":
        return {"kind": kind, _SHORT.get(kind, "value"): value}
    try:
        return {"kind": kind, "tolerance": float(value)}
    except ValueError:
        raise InputError(f"judge {text!r}: the tolerance must be a number, as in numeric:0.01") from None


def _check(rule: Rule) -> None:
    if isinstance(rule, Function) and not all(part.strip() for part in (*rule.function.partition(":"),)):
        raise InputError("judge function: name it as module:function, as in function:my_checks:grade")
    if isinstance(rule, Llm) and not rule.model:
        raise InputError("judge llm: name the model that judges, as in llm:claude-opus-5-5")
    if isinstance(rule, Numeric) and not (0 <= rule.tolerance < float("inf") and 0 <= rule.relative < float("inf")):
        raise InputError("judge numeric: tolerance and relative must not be negative")
    if isinstance(rule, Code) and not (rule.cpu_s >= 1 and rule.wall_s > 0 and rule.memory_mb >= 64):
        raise InputError("judge code: needs cpu_s of 1 or more, wall_s above 0 and memory_mb of 64 or more")
