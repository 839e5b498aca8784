"""What was decided about the model of a call, for the plan and for the books."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.prices import Terms
from thriftgate.core.usage import Iteration, Tokens, Usage

Arm = Literal["", "holdout", "control", "treatment"]


class Choice(Struct, frozen=True):
    """Another model than the one asked for serves the call. `ratio` is the asked model's tokens per token of the served
    one's. `score`, `threshold` and `certificate` are of a learned choice; `cascade` that the answer is a try, to be judged
    before the client sees it. `asked_pico` and `pico` are what the call is expected to cost with either model."""

    lever: str
    asked: str
    served: str
    reason: str
    effort: str = ""
    ratio: float = 1.0
    score: float | None = None
    threshold: float | None = None
    certificate: str = ""
    cascade: bool = False
    asked_pico: int = 0
    pico: int = 0


class Route(Struct, frozen=True):
    """What routing says of one call: a choice, or why each lever stood aside (`asides`, by lever). `task` is the name of the
    task or its fingerprint. `arm` is the side of an experiment that its conversation is on, drawn with probability
    `propensity`; `conversation` is a digest that stays the same over its turns."""

    task: str = ""
    choice: Choice | None = None
    asides: Mapping[str, str] = {}
    arm: Arm = ""
    propensity: float = 1.0
    conversation: str = ""


class Asked(Struct, frozen=True):
    """The model that the client named, where another one served: what the baseline is priced at. `ratio` as in `Choice`."""

    model: str
    ratio: float = 1.0


def scaled(tokens: Tokens, ratio: float) -> Tokens:
    """The same text in the tokens of another vocabulary."""
    if ratio == 1.0:
        return tokens
    return Tokens(*(round(getattr(tokens, name) * ratio) for name in Tokens.__struct_fields__))


def as_asked(usage: Usage, terms: Terms, asked: Asked) -> tuple[Usage, Terms]:
    """What the call would have used on the model that the client named: an estimate, by the tokens of the answer it got."""
    served = terms.model
    iterations = tuple(
        Iteration(one.kind, scaled(one.tokens, asked.ratio), "") if one.model in ("", served) else one
        for one in usage.iterations
    )
    return Usage(scaled(usage.total, asked.ratio), usage.web_searches, iterations), replace(terms, model=asked.model)
