"""The signals of an evaluated answer, by the very functions that the cascade has (`core/routing/signals.py`): what a
confidence is fitted on is what it will be given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from thriftgate.core.request import Request
from thriftgate.core.routing.signals import (
    AGREEMENT,
    SELF,
    VERIFIER,
    Content,
    says_the_same,
    self_agrees,
    signals_of,
)
from thriftgate.quality.items import Answer


def content_of(answer: Answer) -> Content:
    """An answer as content blocks: as far as signals look at them."""
    calls = [{"type": "tool_use", "name": call.name, "input": call.input} for call in answer.calls]
    return [{"type": "text", "text": answer.text}, *calls]


def all_signals(
    answer: Answer,
    request: Request,
    again: Sequence[Answer] = (),
    others: Mapping[str, Answer] | None = None,
    verified: float | None = None,
) -> dict[str, float]:
    """All signals that can be told of an answer. `again` are further answers of its arm to the same request, `others` those
    of other arms, `verified` is what a verifier said of it."""
    content = content_of(answer)
    found = signals_of(content, answer.stop_reason, answer.output_tokens, request)
    for arm, other in (others or {}).items():
        found[f"{AGREEMENT}{arm}"] = float(says_the_same(content, content_of(other)))
    further = {SELF: self_agrees(content, [content_of(one) for one in again]), VERIFIER: verified}
    found |= {name: value for name, value in further.items() if value is not None}
    return {name: round(value, 6) for name, value in found.items()}
