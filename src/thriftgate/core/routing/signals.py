"""What an answer gives away of its own worth: signals for the confidence of a cascade. Claude tells no log-probabilities.

They are made here alone: for the cascade while a call waits, and for the evaluation that a calibration learns from. A signal
that cannot be told is left out.

ok, truncated, refused   1 where the answer came to an end of its own, was cut off, was refused; else 0
log_tokens               natural logarithm of 1 + its length in output tokens
schema_valid             1 where it follows the schema that the request names, 0 where not; none for tool calls
tools_valid              1 where all tools that it calls exist and are given what they take, 0 where not
self_agrees              the share of other answers of the same model to the same prompt that say the same
agreement:ARM            1 where another arm says the same, 0 where not
verifier                 what a model says that was asked about the answer, 0 to 1
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import log1p
from typing import Any

import msgspec

from thriftgate.core.blocks import lenient
from thriftgate.core.models import Capabilities
from thriftgate.core.request import Request
from thriftgate.core.routing.task import schema_of

SELF, AGREEMENT, VERIFIER = "self_agrees", "agreement:", "verifier"
"""Names of the signals that take further calls; an arm follows the second."""
ENDED = frozenset({"end_turn", "tool_use", "stop_sequence"})
TRUNCATED = frozenset({"max_tokens", "model_context_window_exceeded"})
VERIFIER_TOKENS = 16
THINKING_TOKENS = 2_048
"""Room for a verifier's number, and for its thinking where it cannot go without."""
QUESTION_CHARS = 12_000

Content = Sequence[Mapping[str, Any]]
"""The blocks of an answer."""

_FENCE = re.compile(r"^\s*```\w*(?>\s*\n)(.*?)\n?```\s*$", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WORD = re.compile(r"(?<![\w.)])-?\d+(?:\.\d+)?|\w+")
_TAG = re.compile(r"<(/?)(question|answer)>")
_NO_JSON = object()
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


class _Tool(msgspec.Struct):
    name: str = ""
    input_schema: dict[str, Any] | None = None


class _Format(msgspec.Struct):
    schema: dict[str, Any] = {}


def signals_of(content: Content, stop_reason: str, output_tokens: int, request: Request) -> dict[str, float]:
    """The signals that need no further call. `stop_reason` "" and no `output_tokens` are not known."""
    found: dict[str, float] = {}
    if stop_reason:
        found["ok"] = float(stop_reason in ENDED)
        found["truncated"] = float(stop_reason in TRUNCATED)
        found["refused"] = float(stop_reason == "refusal")
    if output_tokens:
        found["log_tokens"] = log1p(output_tokens)
    for name, valid in (("schema_valid", _schema_valid(content, request)), ("tools_valid", _tools_valid(content, request))):
        if valid is not None:
            found[name] = float(valid)
    return found


def text_of(content: Content) -> str:
    """The text of an answer. Citations part it in the middle of a sentence, so nothing is put between."""
    return "".join(str(block.get("text", "")) for block in content if block.get("type") == "text").strip()


def agrees(one: str, other: str) -> bool:
    """Whether two texts say the same: the same JSON value, or the same words and numbers."""
    left, right = _as_json(one), _as_json(other)
    if left is not _NO_JSON and right is not _NO_JSON:
        return bool(left == right)
    words, others = (_WORD.findall(text.lower().replace("−", "-")) for text in (one, other))
    return words == others and (bool(words) or one.strip() == other.strip())


def says_the_same(one: Content, other: Content) -> bool:
    """Whether two answers do: of tool calls, whether they are the same in the same order; else by their texts."""
    calls, others = _calls(one), _calls(other)
    return calls == others if calls or others else agrees(text_of(one), text_of(other))


def self_agrees(content: Content, samples: Sequence[Content]) -> float | None:
    """The signal of that name, by further answers of the same model; None without any."""
    return sum(says_the_same(content, other) for other in samples) / len(samples) if samples else None


def verifier_prompt(question: str, answer: str) -> str:
    """What a verifier is asked about an answer. Tags within the texts are defused, so that none ends early."""
    question, answer = (_TAG.sub(r"<\1 \2>", text) for text in (question, answer))
    return (
        f"<question>\n{question}\n</question>\n<answer>\n{answer}\n</answer>\n"
        "How likely is this answer right? Reply with a number from 0 to 10 only."
    )


def verifier_body(verifier: Capabilities, question: str, content: Content) -> bytes:
    """The call that asks a model about an answer, without thinking where it can do without (platform.claude.com/docs/en/
    build-with-claude/thinking, 2026-10). b"" where there is nothing to ask: no text of a user, or no answer."""
    answer = text_of(content)
    if not answer and (calls := _calls(content)):
        answer = msgspec.json.encode([{"tool": name, "input": given} for name, given in calls]).decode()
    if not (question and answer):
        return b""
    if len(question) > QUESTION_CHARS:  # what is asked tends to stand at either end
        question = f"{question[: QUESTION_CHARS // 2]}\n…\n{question[-QUESTION_CHARS // 2 :]}"
    off = next((way for way in ("disabled", "between_tools") if way in verifier.thinking), "")
    thinks = verifier.thinking_default_on and not off
    body: dict[str, Any] = {"model": verifier.id, "max_tokens": THINKING_TOKENS if thinks else VERIFIER_TOKENS}
    if off:
        body["thinking"] = {"type": off}
    body["messages"] = [{"role": "user", "content": verifier_prompt(question, answer)}]
    return msgspec.json.encode(body)


def verifier_score(reply: str) -> float | None:
    """0 to 1; None where the verifier gave no number."""
    found = _NUMBER.search(reply)
    return min(1.0, float(found.group()) / 10) if found else None


def follows(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a JSON value follows a schema, as far as type, enum, required, properties and items say. What else a schema
    asks is taken to hold: this is a signal, not a verdict."""
    kinds = schema.get("type")
    names = kinds if isinstance(kinds, list) else [kinds] if isinstance(kinds, str) else []
    if names and not any(_is(value, str(name)) for name in names):
        return False
    if isinstance(schema.get("enum"), list) and value not in schema["enum"]:
        return False
    if isinstance(value, dict):
        properties, required = schema.get("properties"), schema.get("required")
        if isinstance(required, list) and any(isinstance(key, str) and key not in value for key in required):
            return False
        inner = properties.items() if isinstance(properties, dict) else ()
        return all(follows(value[key], one) for key, one in inner if key in value and isinstance(one, dict))
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return all(follows(item, schema["items"]) for item in value)
    return True


def _schema_valid(content: Content, request: Request) -> bool | None:
    wanted = schema_of(request)
    schema = lenient(wanted, _Format) if wanted else None
    if schema is None or not schema.schema or _calls(content):
        return None
    value = _as_json(text_of(content))
    return value is not _NO_JSON and _holds(value, schema.schema)


def _tools_valid(content: Content, request: Request) -> bool | None:
    calls = _calls(content)
    known = lenient(request.raw("tools"), list[_Tool]) if calls and "tools" in request.members else []
    if not calls or known is None:
        return None
    tools = {tool.name: tool.input_schema or {} for tool in known}
    return all(name in tools and _holds(given, tools[name]) for name, given in calls)


def _holds(value: Any, schema: Mapping[str, Any]) -> bool:
    try:
        return follows(value, schema)
    except RecursionError:  # nobody reads a value that is nested so deep
        return False


def _calls(content: Content) -> list[tuple[str, Any]]:
    return [(str(block.get("name", "")), block.get("input")) for block in content if block.get("type") == "tool_use"]


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean" or name not in _TYPES
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(name, object))


def _as_json(text: str) -> Any:
    fenced = _FENCE.match(text)
    try:
        return msgspec.json.decode((fenced.group(1) if fenced else text).encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return _NO_JSON
