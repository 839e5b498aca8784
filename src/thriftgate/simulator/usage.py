"""The usage object: the token buckets of one sampling step, and how they are written in replies.

Fields: platform.claude.com/docs/en/api/messages and the SDK's `Usage`, 2026-08; section on streaming: message_start
carries the whole input side and a placeholder for output, message_delta the cumulative totals without the 5m/1h split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by kind. `thinking` is part of `output`. `web_searches` counts charged searches."""

    input: int = 0
    write_5m: int = 0
    write_1h: int = 0
    read: int = 0
    output: int = 0
    thinking: int = 0
    web_searches: int = 0

    @property
    def total_input(self) -> int:
        """All tokens of the prompt."""
        return self.input + self.write_5m + self.write_1h + self.read

    def plus(self, other: Usage) -> Usage:
        """The sum, kind by kind."""
        return Usage(
            self.input + other.input,
            self.write_5m + other.write_5m,
            self.write_1h + other.write_1h,
            self.read + other.read,
            self.output + other.output,
            self.thinking + other.thinking,
            self.web_searches + other.web_searches,
        )

    def with_output(self, output: int, thinking: int = 0) -> Usage:
        """The same input side with another output."""
        return Usage(self.input, self.write_5m, self.write_1h, self.read, output, thinking, self.web_searches)


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of `usage.iterations`: kind `message`, `compaction` or `fallback_message`; `billed` is ours, not the
    API's."""

    kind: str
    model: str
    usage: Usage
    billed: bool = True

    def document(self) -> dict[str, Any]:
        """The entry as replies carry it; a compaction entry names no model."""
        shown: dict[str, Any] = {"type": self.kind}
        if self.kind != "compaction":
            shown["model"] = self.model
        return shown | _input_side(self.usage) | {"output_tokens": self.usage.output}


def total_usage(steps: list[Step]) -> Usage:
    """What the steps used together; compaction steps never enter the top level."""
    counted = [step.usage for step in steps if step.kind != "compaction"]
    total = counted[0] if counted else Usage()
    for usage in counted[1:]:
        total = total.plus(usage)
    return total


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands beside the tokens: service tier, geography, speed (None: not shown)."""

    service_tier: str
    inference_geo: str
    speed: str | None


def start_usage(usage: Usage, envelope: Envelope, placeholder: int) -> dict[str, Any]:
    """The usage of `message_start`: input side final, output a placeholder."""
    shown = _input_side(usage) | {"output_tokens": placeholder}
    return shown | _envelope(envelope)


def final_usage(usage: Usage, envelope: Envelope, steps: list[Step] | None) -> dict[str, Any]:
    """The usage of a complete message."""
    return _input_side(usage) | _output_side(usage, steps) | _envelope(envelope)


def delta_usage(usage: Usage, steps: list[Step] | None) -> dict[str, Any]:
    """The usage of the last `message_delta`: cumulative, without the 5m/1h split and without the envelope."""
    shown = _input_side(usage)
    del shown["cache_creation"]
    return shown | _output_side(usage, steps)


def _input_side(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.write_5m + usage.write_1h,
        "cache_read_input_tokens": usage.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.write_5m,
            "ephemeral_1h_input_tokens": usage.write_1h,
        },
    }


def _output_side(usage: Usage, steps: list[Step] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.thinking},
    }
    if usage.web_searches:
        shown["server_tool_use"] = {"web_search_requests": usage.web_searches, "web_fetch_requests": 0}
    if steps is not None:
        shown["iterations"] = [step.document() for step in steps]
    return shown


def _envelope(envelope: Envelope) -> dict[str, Any]:
    shown: dict[str, Any] = {"service_tier": envelope.service_tier, "inference_geo": envelope.inference_geo}
    if envelope.speed is not None:
        shown["speed"] = envelope.speed
    return shown
