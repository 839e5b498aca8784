"""How much a model is to think: OpenAI's `reasoning_effort` as Claude's effort and thinking.

platform.claude.com/docs/en/build-with-claude/{effort,thinking}, 2026-10. What a model takes, its row of the capability table
says.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

import msgspec

from thriftgate.core.errors import InputError
from thriftgate.core.models import Capabilities, Effort
from thriftgate.wire.openai.losses import Report

EFFORTS: tuple[Effort, ...] = get_args(Effort)
_ASKED: dict[str, Effort] = {"minimal": "low", **{effort: effort for effort in EFFORTS}}


class Thought(NamedTuple):
    """`thinking` and `output_config.effort`; None and "" where the model's own defaults hold. `on`: it thinks."""

    thinking: dict[str, Any] | None
    effort: str
    on: bool


def thought_of(effort: str | None, thinking: bytes, *, field: str, capability: Capabilities, report: Report) -> Thought:
    """`thinking` is what the client asks for in Claude's own terms (b"": nothing), which goes first. Raises InputError."""
    own = _own(thinking) if thinking else None
    if effort is not None and effort != "none" and effort not in _ASKED:
        raise InputError(f"{field}: {effort[:40]!r} is none of none, minimal, {', '.join(EFFORTS)}")
    if effort == "none":
        made, wanted = _without(field, capability, report)
    else:
        wanted = _level(_ASKED[effort], field, capability, report) if effort else ""
        begins = bool(effort) and not capability.thinking_default_on and "adaptive" in capability.thinking
        made = {"type": "adaptive"} if begins else None
    made = own if own is not None else made
    mode = made.get("type") if made is not None else ("adaptive" if capability.thinking_default_on else "disabled")
    return Thought(made, wanted, mode != "disabled")


def _own(raw: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise InputError("thinking: Input should be an object") from None


def _without(field: str, capability: Capabilities, report: Report) -> tuple[dict[str, Any] | None, str]:
    """No thinking, or as little as the model can do with."""
    if not capability.thinking_default_on:
        return None, ""
    if "disabled" in capability.thinking:
        return {"type": "disabled"}, ""
    report.lose(field, f"{capability.id} always thinks: as little as it can")
    thinking = {"type": "between_tools"} if "between_tools" in capability.thinking else None
    return thinking, "low" if "low" in capability.effort else ""


def _level(wanted: Effort, field: str, capability: Capabilities, report: Report) -> str:
    """The model's own level: the highest that is not above the one asked for."""
    if wanted in capability.effort:
        return wanted
    if not capability.effort:
        report.lose(field, f"{capability.id} knows no levels")
        return ""
    below = [level for level in EFFORTS[: EFFORTS.index(wanted)] if level in capability.effort]
    found = below[-1] if below else capability.effort[0]
    report.lose(field, f"as {found}: {capability.id} does not know {wanted}")
    return found
