"""One line of a jobs file: a name and the body of a Messages call, left byte for byte as it stands.

    {"custom_id": "row-1", "params": {"model": …, "max_tokens": …, "messages": […]}}     as the Batches API takes it
    {"id": 4711, "params": {…}}                                                          any name

Pure. Errors tell the byte in the line; the number of the line is the caller's to add. Whether the call itself makes sense
(model, max_tokens, messages) is for `parse_request` to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.alike import Alike
from thriftgate.core.errors import InputError
from thriftgate.core.splice import object_members

NAME_CHARS_MAX = 512

_S = TypeVar("_S")

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_NAME = msgspec.json.Decoder(str | int)
# platform.claude.com/docs/en/build-with-claude/batch-processing, 2026-08
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_IDS = ("custom_id", "id")
# How lines begin that most programs write: either id, of letters that need no escape, and params.
_LIKE = re.compile(rb'\{"(?:custom_)?id": ?"([a-zA-Z0-9_-]{1,64})", ?"params": ?')
# Of a line of two members, braces, quotes, colons and comma are 9 bytes, and 12 as most programs write them. A member that
# stands twice would add 7 or more (`"id":1,`): a line with less is surely as it was decoded.
_SURE_BYTES = 9 + 7
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"|([\[{])|[\]}]', re.DOTALL)
_KEYS_SHOWN = 5
_WRAP = 'wrap it as {"id": ..., "params": {...}}'


class JobLine(Struct, frozen=True, gc=False):
    """A call to be made later. `params` is the JSON of its body, exactly as it stood in the line."""

    name: str
    params: bytes


def read_job_line(line: bytes) -> JobLine:
    """Raises InputError for what is no job, saying what to write instead."""
    if not line.isascii():
        _check_utf8(line)
    values = _decoded(_OBJECT, line)
    params = values.get("params")
    if params is None or len(values) != 2:
        raise _not_a_job(values)
    (name_key,) = values.keys() - {"params"}
    named = values[name_key]
    if len(line) - len(name_key) - len("params") - len(named) - len(params) >= _SURE_BYTES:
        _check_each_once(line, values)
    if name_key == "custom_id":
        name = _custom_id(named)
    elif name_key == "id":
        name = _plain_id(named)
    else:
        raise _not_a_job(values)
    body = bytes(params)
    if body[:1] != b"{":
        raise InputError(f"params: must be a JSON object, the body of a Messages call, not {_shown(body)}")
    return JobLine(name, body)


def read_like(line: bytes, alike: Alike) -> JobLine | None:
    """What `read_job_line` would say, of a line whose params are like those of an earlier one that was found fit; None for
    any other."""
    head = _LIKE.match(line)
    if head is None or not line.endswith(b"}"):
        return None
    params = line[head.end() : -1]
    return JobLine(head[1].decode(), params) if alike.cast(params) is not None else None


class _Unfit(Struct, gc=False):
    """What the Batches API does not take. Empty where it is not there."""

    stream: Raw = Raw()
    speed: Raw = Raw()
    store: Raw = Raw()
    previous_thread_event_id: Raw = Raw()
    cache_hint: Raw = Raw()
    context_hint: Raw = Raw()
    max_tokens: Raw = Raw()
    research_preview_2026_02: Raw = Raw()
    fallbacks: Raw = Raw()


_UNFIT = msgspec.json.Decoder(_Unfit)
_ABSENT = frozenset({b"", b"null"})
# Refused with these values alone; every other member with any value but null. `store: false` is what leaving it out means.
_ONLY = {
    "stream": frozenset({b"true"}),
    "max_tokens": frozenset({b"0", b"-0"}),
    "research_preview_2026_02": frozenset({b'"active"'}),
}
_ALSO_FINE = {"store": frozenset({b"false"})}
_REMEDIES = {
    "stream": "remove stream: batches are not streamed",
    "speed": "remove speed: batches run at one speed",
    "store": "remove store: batches keep no thread at the provider",
    "previous_thread_event_id": "remove previous_thread_event_id and send all messages: batches continue no thread",
    "cache_hint": "remove cache_hint: batches do not take it",
    "context_hint": "remove context_hint: batches do not take it",
    "max_tokens": "set max_tokens to 1 or more: batches cannot warm a cache with max_tokens 0",
    "research_preview_2026_02": "remove research_preview_2026_02: batches do not take it where it is active",
    "fallbacks": "remove fallbacks: batches try no other model",
}


def check_params(params: bytes) -> str:
    """What makes this call unfit for the Batches API and what to do about it; "" if nothing does. Raises InputError where
    `params` is no JSON object.

    platform.claude.com/docs/en/build-with-claude/batch-processing, "what cannot be batched", 2026-08. Such an item would
    come back as errored, hours later.
    """
    found = _decoded(_UNFIT, params)
    complaints = [remedy for name, remedy in _REMEDIES.items() if _is_unfit(name, getattr(found, name))]
    return "; ".join(complaints)


def _is_unfit(name: str, raw: Raw) -> bool:
    if not raw:
        return False
    value = bytes(raw)
    only = _ONLY.get(name)
    if only is not None:
        return value in only
    return value not in _ABSENT and value not in _ALSO_FINE.get(name, ())


def _custom_id(raw: Raw) -> str:
    try:
        name = _NAME.decode(raw)
    except msgspec.DecodeError:
        name = ""
    if not isinstance(name, str) or not _CUSTOM_ID.fullmatch(name):
        raise InputError(
            f"custom_id: must be 1 to 64 letters, digits, _ or - (a rule of the Batches API), not {_shown(bytes(raw))};"
            ' other names can be given as "id"'
        )
    return name


def _plain_id(raw: Raw) -> str:
    try:
        name = str(_NAME.decode(raw))
    except msgspec.DecodeError:
        name = ""
    if not 0 < len(name) <= NAME_CHARS_MAX:
        raise InputError(f"id: must be a text of 1 to {NAME_CHARS_MAX} characters or an integer, not {_shown(bytes(raw))}")
    return name


def _check_each_once(line: bytes, values: Mapping[str, Raw]) -> None:
    try:
        object_members(line, line.index(b"{"), len(line.rstrip()), values)
    except InputError:
        raise InputError(f"a member stands twice in the line ({', '.join(values)}): keep one of each") from None


def _not_a_job(values: Mapping[str, Raw]) -> InputError:
    """Why an object has not the members of a job."""
    unknown = [key for key in values if key != "params" and key not in _IDS]
    if "body" in unknown and ("url" in unknown or "method" in unknown):
        return InputError(
            "this is a line of OpenAI's batch format (method, url, body), which is not read yet; write"
            ' {"custom_id": ..., "params": {...}} with the body of a Messages call as params'
        )
    if "params" not in values and ("messages" in unknown or "model" in unknown):
        return InputError(f"looks like a bare Messages body (it has {_listed(unknown)}): {_WRAP}")
    if unknown:
        return InputError(
            f"a job has an id (or custom_id) and params, nothing else; take out {_listed(unknown)},"
            " or move it into params if it belongs to the call"
        )
    if all(key in values for key in _IDS):
        return InputError("the job has both an id and a custom_id: keep one of them")
    if "params" not in values:
        return InputError('params: missing; a job is {"id": ..., "params": {...}}, params being the body of a Messages call')
    return InputError('id: missing; a job is {"id": ..., "params": {...}}, by which its result is found again')


def _listed(keys: list[str]) -> str:
    shown = ", ".join(_shown(key.encode()) for key in keys[:_KEYS_SHOWN])
    return f"{shown} and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else shown


def _shown(value: bytes) -> str:
    """A value as a message can quote it: printable, and short."""
    text = value[:200].decode(errors="replace")
    text = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return f"{text[:40]}..." if len(text) > 40 else text


def _decoded(decoder: msgspec.json.Decoder[_S], data: bytes) -> _S:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise InputError(f"must be a JSON object, not {_shown(data.strip())}; one job stands on each line") from None
    except msgspec.DecodeError as error:
        raise InputError(_broken(data, str(error))) from None
    except UnicodeDecodeError:
        _check_utf8(data)
        raise
    except RecursionError:
        raise InputError(f"the JSON is nested too deeply (byte {_deepest(data)})") from None


def _broken(data: bytes, reason: str) -> str:
    if "truncated" in reason:
        place = f"the JSON breaks off (byte {len(data)})"
    else:
        place = f"not valid JSON: {reason.removeprefix('JSON is malformed: ')}"
    return f"{place}; each job stands on a line of its own, as JSONL has it" if data.strip() == b"{" else place


def _check_utf8(line: bytes) -> None:
    """The decoder skips over what it does not take apart."""
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"not valid UTF-8 (byte {error.start}): {error.reason}") from None


def _deepest(data: bytes) -> int:
    """Where the innermost bracket opens."""
    depth = deepest = place = 0
    for token in _STRUCTURE.finditer(data):
        if token[1]:
            depth += 1
            if depth > deepest:
                deepest, place = depth, token.start()
        elif token[0] in b"]}":
            depth -= 1
    return place
