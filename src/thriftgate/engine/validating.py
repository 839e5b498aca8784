"""Answers held to the schema that a policy names, and the one repair of an answer that breaks it.

The provider's structured outputs may differ in the capitals of an enum, and a refusal or a cut answer follows no schema
(platform.claude.com/docs/en/build-with-claude/structured-outputs, 2026-10); models without them are only told in words.
Remote references are not followed: nothing is fetched. What is found wrong quotes the answer: it may go back to the model,
never into a log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from thriftgate.core.blocks import THINKING
from thriftgate.core.request import parse_request
from thriftgate.core.splice import Edit, apply, array_items

Content = Sequence[Mapping[str, Any]]

_SHOWN = 160  # characters of what is wrong: the model is asked again with it
_FENCE, _OPENING = "```", re.compile(r"\s*```\w*[ \t]*\n")


def text_in(content: Content, *, prefilled: str = "", fences: bool = False) -> str:
    """The text of an answer behind what it was begun with. `fences`: a code fence around the whole of it goes; only for
    models that were asked for JSON in words, since no other writes one."""
    text = prefilled + "".join(str(block.get("text") or "") for block in content if block.get("type") == "text")
    opening = _OPENING.match(text) if fences else None
    closing = len(text.rstrip()) - len(_FENCE)
    if opening is None or closing < opening.end() or not text.startswith(_FENCE, closing):
        return text
    return text[opening.end() : closing].rstrip(" \t").removesuffix("\n")


def check(answer_text: str, schema: bytes) -> str:
    """The first thing in which the answer breaks the schema, with its path; "" where nothing does, or the schema cannot be
    applied."""
    try:
        value = msgspec.json.decode(answer_text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        return f"it is not valid JSON: {error}"[:_SHOWN]
    validator = _validator(schema)
    unresolvable = _library()[1].exceptions.Unresolvable
    try:
        found = next(validator.iter_errors(value), None)
    except (unresolvable, RecursionError):  # a reference to what is not there, or in a circle
        return ""
    return f"{found.json_path}: {found.message}"[:_SHOWN] if found is not None else ""


def repair_body(request_body: bytes, answer_content: Content, problem: str, *, prefilled: str = "") -> bytes:
    """The request once more with its answer behind it, and a message that names the problem; b"" where the answer called a
    tool, which must be answered first. What was sent stays byte for byte before it, so that its prefix is read from the
    cache; blocks of thinking go back as they came. An answer that was begun for the model (`prefilled`) takes the place of
    its beginning. Raises InputError where the request cannot be read."""
    if any(block.get("type") == "tool_use" for block in answer_content):
        return b""
    request = parse_request(request_body, needs_max_tokens=False)
    member = request.members["messages"]
    spans = array_items(request_body, member.start, member.end)
    at = len(spans) - 1
    last = request_body[slice(*spans[at])]
    said = _sendable(answer_content, prefilled)
    asked = {"role": "user", "content": f"This answer cannot be used: {problem}\nGive the corrected JSON alone."}
    added = ([{"role": "assistant", "content": said}] if said else []) + [asked]
    items = ([] if prefilled else [last]) + [msgspec.json.encode(message) for message in added]
    return apply(request_body, [Edit(("messages", at), b",".join(items))])


def _sendable(content: Content, prefilled: str) -> list[Mapping[str, Any]]:
    """The blocks of an answer as a message takes them: without empty texts, the beginning joined to the first text."""
    kept = [block for block in content if block.get("type") != "text" or block.get("text")]
    if not prefilled:
        return kept
    first = next((at for at, block in enumerate(kept) if block.get("type") not in THINKING), len(kept))
    if first < len(kept) and kept[first].get("type") == "text":
        kept[first] = {**kept[first], "text": prefilled + str(kept[first]["text"])}
    else:
        kept.insert(first, {"type": "text", "text": prefilled})
    return kept


def _library() -> tuple[Any, Any]:
    import jsonschema  # noqa: PLC0415  takes its time to load, and few policies name a schema
    import referencing  # noqa: PLC0415  see above
    import referencing.exceptions  # noqa: PLC0415  see above

    return jsonschema, referencing


@lru_cache(maxsize=64)
def _validator(schema: bytes) -> Any:
    jsonschema, referencing = _library()
    document = msgspec.json.decode(schema)
    kind = jsonschema.validators.validator_for(document, default=jsonschema.Draft202012Validator)
    return kind(document, registry=referencing.Registry())
