"""What a Messages call is once accepted, and what its reply is before it is written out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from thriftgate.simulator.answers import Piece
from thriftgate.simulator.bill import Modifiers
from thriftgate.simulator.cache import Lookup, Mark, Prefix
from thriftgate.simulator.gates import Passed
from thriftgate.simulator.identity import Caller
from thriftgate.simulator.models import Model
from thriftgate.simulator.render import Body, Placed, Rendered
from thriftgate.simulator.usage import Envelope, Step, Usage


@dataclass(slots=True)
class Call:
    """A request that was accepted and has started. The last three fields are set when its first byte is ready."""

    body: Body
    model: Model
    caller: Caller
    passed: Passed
    started_at: float
    batch: bool
    sent: list[Placed]
    placed: list[Placed]
    rendered: Rendered
    chain: list[Prefix]
    marks: list[Mark]
    salts: dict[str, bytes]
    lookup: Lookup
    transformations: list[dict[str, str]]
    applied: list[dict[str, Any]]
    compact: dict[str, Any] | None
    betas: frozenset[str] = frozenset()
    diagnostics: dict[str, Any] | None = None
    message_id: str = ""
    answered_at: float = 0.0
    usable_from: float | None = None

    @property
    def usage(self) -> Usage:
        """The input side of the first iteration."""
        return usage_of(self.lookup, self.rendered.total)

    @property
    def modifiers(self) -> Modifiers:
        """What changes its price."""
        return Modifiers(self.batch, self.passed.fast, self.passed.geo == "us", self.caller.regional)

    @property
    def envelope(self) -> Envelope:
        """What usage shows beside the tokens."""
        return Envelope("batch" if self.batch else "standard", self.passed.geo, self.passed.shown_speed)


@dataclass(slots=True)
class Reply:
    """A finished answer: the message, and how its tokens came about. `shown_steps` None: no `iterations` in usage."""

    call: Call
    message: dict[str, Any]
    pieces: list[Piece]
    usage: Usage
    steps: list[Step]
    shown_steps: list[Step] | None
    start: Usage
    outcome: str = "complete"
    extra: dict[str, Any] = field(default_factory=dict)


def usage_of(lookup: Lookup, total: int) -> Usage:
    """read = A, 1h write = B − A, 5m write = C − B, plain input = total − C (build-with-claude/prompt-caching, 2026-10)."""
    return Usage(total - lookup.covered, lookup.write_5m, lookup.write_1h, lookup.read)
