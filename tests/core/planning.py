"""Requests and states for tests of planning: small prompts with as many tokens as a test says."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import msgspec

from thriftgate.core.brake import Verdict
from thriftgate.core.cache import CacheRules, Resident
from thriftgate.core.hazards import BINS, FIVE_MINUTES, ONE_HOUR
from thriftgate.core.memo import PartMemo
from thriftgate.core.prefix import Prefix, read_prefix
from thriftgate.core.request import Request, parse_request
from thriftgate.core.reuse import Outlook, Prospect, Reuse
from thriftgate.core.state import State
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
    outlook: Outlook | None = None,
    rules: CacheRules | None = None,
    output_tokens: int = 50,
    braked: Verdict = "",
) -> State:
    """What is known of a request; `tokens` is the count of each block (None: the estimates). Without an outlook nothing was
    ever seen."""
    prefix = prefix_of(request)
    counts = [block.part.tokens if tokens is None else tokens for block in prefix.blocks]
    uppers = [block.part.upper if tokens is None else tokens for block in prefix.blocks]
    cumulative = tuple(accumulate(counts))
    return State(
        now_s=now_s,
        usable_s=now_s,
        capability=MODELS[request.model],
        book=BOOK,
        prefix=prefix,
        cumulative=cumulative,
        upper=tuple(accumulate(uppers)),
        output_tokens=output_tokens,
        residency=residency or {},
        outlook=outlook or Reuse().look(b"", prefix, cumulative, now_s),
        rules=rules or CacheRules(),
        in_thread=request.in_thread,
        braked=braked,
    )


def curve_of(p5: float, p1: float) -> tuple[float, ...]:
    """A curve that reaches p5 at five minutes and p1 at an hour, in even steps."""
    early = [p5 * (at + 1) / (FIVE_MINUTES + 1) for at in range(FIVE_MINUTES + 1)]
    late = [p5 + (p1 - p5) * (at + 1) / (ONE_HOUR - FIVE_MINUTES) for at in range(ONE_HOUR - FIVE_MINUTES)]
    return (*early, *late, *[p1] * (BINS - ONE_HOUR - 1))


def outlook_of(
    *prospects: tuple[int, float, float], parts: float = 0.5, again: tuple[float, float] = (0.9, 0.95)
) -> Outlook:
    """What is expected, as (block, p5, p1), shallow to deep, the end of the request last."""
    last = prospects[-1][0]
    return Outlook(tuple(Prospect(at, curve_of(p5, p1), 1.0 if at == last else parts) for at, p5, p1 in prospects), *again)
