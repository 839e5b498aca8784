"""The body of POST /v1/messages/batches: the frame around each request is checked, its `params` are taken as bytes.

Source: platform.claude.com/docs/en/api/messages/batches/create, 2026-10: `params` are validated when the item runs. Wordings
are assumed.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from thriftgate.simulator.errors import ApiError, invalid
from thriftgate.simulator.http import decode

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Frame(msgspec.Struct, gc=False):
    """One entry of `requests`; `params` points into the body it was read from."""

    custom_id: str
    params: msgspec.Raw


class _Body(msgspec.Struct, gc=False):
    requests: list[Frame]


_DECODER = msgspec.json.Decoder(_Body)


def read_frames(raw: bytes, maximum: int) -> tuple[list[str], list[bytes]]:
    """The custom_ids and, beside them, the params of a batch, each in bytes of its own so that the body can go.

    ApiError: 400 for a body or frame that is none, 413 for more than `maximum` requests.
    """
    try:
        entries: list[Any] = [(frame.custom_id, _own(frame.params)) for frame in _DECODER.decode(raw).requests]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        entries = _entries(decode(raw))  # some frame is wrong: look again, slowly, and say which
    if not entries:
        raise invalid("requests: at least one request is required")
    if len(entries) > maximum:
        raise ApiError("request_too_large", f"requests: {len(entries)} > {maximum} maximum")
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        _check(index, entry, seen)
    return [name for name, _ in entries], [params for _, params in entries]


def _own(params: msgspec.Raw) -> bytes:
    own = bytes(params)
    own.decode()  # the decoder skips over params without looking at their UTF-8
    return own


def _entries(body: object) -> list[Any]:
    requests = body.get("requests") if isinstance(body, dict) else None
    if requests is None:
        raise invalid("requests: Field required")
    return [
        (entry["custom_id"], msgspec.json.encode(entry["params"]))
        if isinstance(entry, dict) and "custom_id" in entry and "params" in entry
        else None
        for entry in (requests if isinstance(requests, list) else [])
    ]


def _check(index: int, entry: tuple[object, bytes] | None, seen: set[str]) -> None:
    if entry is None:
        raise invalid(f"requests.{index}: custom_id and params are required")
    name = entry[0]
    if not isinstance(name, str) or not CUSTOM_ID.fullmatch(name):
        raise invalid(f"requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    if name in seen:
        raise invalid(f"requests.{index}.custom_id: custom_id must be unique; found duplicate: {name}")
    seen.add(name)
