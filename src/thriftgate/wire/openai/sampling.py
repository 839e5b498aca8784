"""Temperature, top_p and stop sequences, as far as the model takes them.

Sampling: platform.claude.com/docs/en/api/errors, build-with-claude/thinking, 2026-09; default values say nothing, and from
4.7 on only those are taken, so they are left out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thriftgate.core.errors import InputError
from thriftgate.core.models import Capabilities
from thriftgate.wire.openai.losses import Report

_DEFAULT = 1.0
_TOP_P_THINKING = 0.95  # the least that goes with thinking


def sampling_of(
    temperature: float | None, top_p: float | None, *, thinks: bool, capability: Capabilities, report: Report
) -> dict[str, Any]:
    """The members of the request. Messages takes temperatures up to 1, and one of the two."""
    made: dict[str, Any] = {}
    if temperature is not None and temperature != _DEFAULT:
        if not capability.sampling:
            report.lose("temperature", f"not taken by {capability.id}")
        elif thinks:
            report.lose("temperature", "not taken while the model thinks")
        elif temperature > _DEFAULT:
            report.lose("temperature", "as 1, the highest that Claude takes")
        else:
            made["temperature"] = temperature
    if top_p is not None and top_p != _DEFAULT:
        if not capability.sampling:
            report.lose("top_p", f"not taken by {capability.id}")
        elif thinks and top_p < _TOP_P_THINKING:
            report.lose("top_p", "not taken while the model thinks")
        elif "temperature" in made:
            report.lose("top_p", "not taken beside a temperature")
        else:
            made["top_p"] = top_p
    return made


def stops_of(raw: bytes, report: Report) -> list[str]:
    """Stop sequences, one or a list. Messages takes none that are blank. Raises InputError."""
    try:
        found = msgspec.json.decode(raw, type=str | list[str]) if raw else []
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InputError("stop: Input should be a string or a list of strings") from None
    texts = [found] if isinstance(found, str) else found
    kept = [text for text in texts if text.strip()]
    if len(kept) < len(texts):
        report.lose("stop", "blank sequences are not taken")
    return kept
