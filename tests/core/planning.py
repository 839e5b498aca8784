"""Requests and states for tests of planning: small prompts with as many tokens as a test says."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import msgspec

from thriftgate.core.cache import CacheRules, Resident
from thriftgate.core.memo import PartMemo
from thriftgate.core.prefix import Prefix, read_prefix
from thriftgate.core.request import Request, parse_request
from thriftgate.core.state import Sighting, State
from thriftgate.pricing.load import load_book, load_models

BOOK = load_book()
MODELS = load_models()
MODEL = "claude-opus-4-8"  # minimum prefix 1,024 tokens; 5 USD in, 25 USD out per million tokens
NOW_S = 1_795_262_400.0  # 2026-11-21T12:00:00Z
LONG = "word " * 2_000


def body_of(**members: Any) -> dict[str, Any]:
    """A small valid Messages body; a member that is None is left out."""
    base: dict[str, Any] = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "hello there"}]}
    return {name: value for name, value in (base | members).items() if value is not None}


def request_of(body: Mapping[str, Any] | bytes | None = None, **members: Any) -> Request:
    """The parsed request of a body, or of `body_of(members)`."""
    if isinstance(body, bytes):
        return parse_request(body)
    return parse_request(msgspec.json.encode(body_of(**members) if body is None else body))


def prefix_of(request: Request, *, memo: PartMemo | None = None, scope: bytes = b"org") -> Prefix:
    return read_prefix(request, MODELS[request.model], memo or PartMemo(), scope)


def state_of(
    request: Request,
    *,
    tokens: int | None = None,
    now_s: float = NOW_S,
    residency: Mapping[bytes, Resident] | None = None,
    sightings: Mapping[bytes, Sighting] | None = None,
    rules: CacheRules | None = None,
    output_tokens: int = 50,
) -> State:
    """What is known of a request; `tokens` is the count of each block (None: the estimates)."""
    prefix = prefix_of(request)
    counts = [block.part.tokens if tokens is None else tokens for block in prefix.blocks]
    uppers = [block.part.upper if tokens is None else tokens for block in prefix.blocks]
    return State(
        now_s=now_s,
        usable_s=now_s,
        capability=MODELS[request.model],
        book=BOOK,
        prefix=prefix,
        cumulative=tuple(accumulate(counts)),
        upper=tuple(accumulate(uppers)),
        output_tokens=output_tokens,
        residency=residency or {},
        sightings=sightings or {},
        rules=rules or CacheRules(),
        in_thread=request.in_thread,
    )
