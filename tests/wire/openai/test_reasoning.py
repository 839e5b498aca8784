"""Efforts and thinking, model by model."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.openai.completions import MODELS
from thriftgate.core.errors import InputError
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.reasoning import EFFORTS, thought_of

ADAPTIVE, DISABLED = {"type": "adaptive"}, {"type": "disabled"}


@pytest.mark.parametrize(
    ("model", "effort", "found", "is_lost"),
    [
        ("claude-opus-5-5", None, (None, "", True), False),
        ("claude-opus-5-5", "high", (None, "high", True), False),
        ("claude-opus-5-5", "minimal", (None, "low", True), False),
        ("claude-opus-5-5", "none", (None, "low", True), True),  # always thinks
        ("claude-sonnet-5-5", "none", ({"type": "between_tools"}, "low", True), True),
        ("claude-haiku-5-5", "none", (DISABLED, "", False), False),
        ("claude-opus-4-8", None, (None, "", False), False),
        ("claude-opus-4-8", "max", (ADAPTIVE, "max", True), False),  # thinks only when asked
        ("claude-opus-4-8", "none", (None, "", False), False),
        ("claude-opus-4-6", "xhigh", (ADAPTIVE, "high", True), True),
        ("claude-opus-4-5", "medium", (None, "medium", False), False),
        ("claude-haiku-4-5", "low", (None, "", False), True),
    ],
)
def test_efforts(model: str, effort: str | None, found: tuple[Any, str, bool], is_lost: bool) -> None:
    """What comes of it: `thinking`, the level, and whether the model thinks."""
    report = Report()
    assert thought_of(effort, b"", field="reasoning_effort", capability=MODELS[model], report=report) == found
    assert report.fields == (("reasoning_effort",) if is_lost else ())


def test_what_a_model_is_asked_for_it_takes() -> None:
    """Over the whole table: no mode and no level that the row does not name."""
    for capability in MODELS.rows:
        for effort in ("none", "minimal", *EFFORTS):
            found = thought_of(effort, b"", field="e", capability=capability, report=Report())
            assert found.thinking is None or found.thinking["type"] in capability.thinking
            assert not found.effort or found.effort in capability.effort
            off = found.thinking is not None and found.thinking["type"] in ("disabled", "between_tools")
            if off and capability.thinking_off_effort_max:
                level = found.effort or capability.effort_default
                assert EFFORTS.index(level) <= EFFORTS.index(capability.thinking_off_effort_max)


def test_claudes_own_thinking_goes_first() -> None:
    own = b'{"type":"adaptive","display":"summarized"}'
    found = thought_of("none", own, field="e", capability=MODELS["claude-haiku-5-5"], report=Report())
    assert found.thinking == {"type": "adaptive", "display": "summarized"}
    assert found.on


@pytest.mark.parametrize(("effort", "thinking"), [("much", b""), (None, b"true")])
def test_what_is_no_effort(effort: str | None, thinking: bytes) -> None:
    with pytest.raises(InputError):
        thought_of(effort, thinking, field="e", capability=MODELS["claude-opus-4-8"], report=Report())
