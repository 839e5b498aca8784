"""The lossless request: the bytes that came in, and a typed view of the few members a decision needs.

Nothing here copies or re-serialises the document. Members thriftgate does not know stay where they are; levers return
`Edit`s, and `splice.apply` makes the outgoing bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.errors import InputError
from thriftgate.core.splice import Member, object_members

Ttl = Literal["5m", "1h"]

NAME_MAX = 256
"""Characters of a model's name (platform.claude.com/docs/en/api/messages, 2026-11), and of a place's: they become labels,
and parts of keys in databases."""

_S = TypeVar("_S", str, int, bool)
_NULL = Raw(b"null")
_TOP = msgspec.json.Decoder(dict[str, Raw])


class Request(Struct, frozen=True):
    """One Messages request. `members` tells where each top-level member stands in `body`.

    `max_tokens` is 0 both for a pre-warm call and where the endpoint needs none (count_tokens). `automatic` is the TTL of a
    top-level `cache_control`. `in_thread` says that the provider holds the conversation and `messages` is only its newest
    part (platform.claude.com/docs/en/build-with-claude/message-threads, 2026-11).
    """

    body: bytes
    members: Mapping[str, Member]
    model: str
    max_tokens: int
    stream: bool
    mode: Literal["standard", "fast"]
    geo: str
    automatic: Ttl | None
    in_thread: bool

    def raw(self, key: str) -> bytes:
        """The raw JSON of a top-level member; b"" where there is none."""
        member = self.members.get(key)
        return self.body[member.start : member.end] if member is not None else b""


def parse_request(body: bytes, *, needs_max_tokens: bool = True) -> Request:
    """Read a Messages (or count_tokens) body.

    Raises InputError, worded like the API's own errors (`max_tokens: Field required`), for what cannot be planned or
    priced: no JSON object, a key that stands twice, a wrong type of model, max_tokens or stream, or a name without
    end. Anything else is the provider's to judge and passes through.
    """
    try:
        values = _TOP.decode(body)
    except msgspec.ValidationError:
        raise InputError("the request body must be a JSON object") from None
    except msgspec.DecodeError as error:
        raise InputError(f"the request body is not valid JSON: {error}") from None
    except UnicodeDecodeError:
        raise InputError("the request body is not valid UTF-8") from None
    except RecursionError:
        raise InputError("the request body is nested too deeply") from None
    model = _scalar(values, "model", str)
    if not model:
        raise InputError("model: Field required" if model is None else "model: must not be empty")
    geo = _scalar(values, "inference_geo", str) or ""
    for name, value in (("model", model), ("inference_geo", geo)):
        if len(value) > NAME_MAX:
            raise InputError(f"{name}: String should have at most {NAME_MAX} characters")
    max_tokens = _scalar(values, "max_tokens", int)
    if max_tokens is None and needs_max_tokens:
        raise InputError("max_tokens: Field required")
    if max_tokens is not None and max_tokens < 0:
        raise InputError("max_tokens: Input should be greater than or equal to 0")
    if "messages" not in values:
        raise InputError("messages: Field required")
    return Request(
        body=body,
        members=object_members(body, body.index(b"{"), len(body.rstrip()), values),
        model=model,
        max_tokens=max_tokens or 0,
        stream=_scalar(values, "stream", bool) or False,
        mode="fast" if _scalar(values, "speed", str) == "fast" else "standard",
        geo=geo,
        in_thread=bool(values.get("thread", _NULL) != _NULL),
        automatic=read_mark(values["cache_control"]) if "cache_control" in values else None,
    )


class CacheControl(Struct):
    """`{"type": "ephemeral", "ttl": "5m" | "1h"}`."""

    type: str = ""
    ttl: str | None = None


_MARK = msgspec.json.Decoder(CacheControl | None)


def read_mark(raw: Raw) -> Ttl | None:
    """The TTL a `cache_control` value asks for; None for null or a form this module does not know."""
    try:
        mark = _MARK.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if mark is None or mark.type != "ephemeral":
        return None
    return "1h" if mark.ttl == "1h" else "5m"


_SCALARS: dict[type, msgspec.json.Decoder[object]] = {
    str: msgspec.json.Decoder(str | None),
    int: msgspec.json.Decoder(int | None),
    bool: msgspec.json.Decoder(bool | None),
}
_WORDS = {str: "string", int: "integer", bool: "boolean"}


def _scalar(values: Mapping[str, Raw], key: str, kind: type[_S]) -> _S | None:
    raw = values.get(key)
    if raw is None:
        return None
    try:
        return _SCALARS[kind].decode(raw)  # type: ignore[return-value]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InputError(f"{key}: Input should be a valid {_WORDS[kind]}") from None
