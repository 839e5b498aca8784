"""What the server itself changes in the prompt: context editing and compaction.

Source: platform.claude.com/docs/en/build-with-claude/context-editing and compaction, 2026-08. The placeholder text and
the size of a summary are assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from thriftgate.simulator.errors import invalid
from thriftgate.simulator.render import Body, Placed, identity
from thriftgate.simulator.thinking import THINKING

CLEARED = "[Old tool result content cleared]"
TRIGGER_CLEAR = 100_000
TRIGGER_COMPACT = 150_000
MIN_COMPACT = 50_000

Measure = Callable[[list[Placed]], int]
"""Tokens of the whole prompt with the given message blocks."""


@dataclass(frozen=True, slots=True)
class Edited:
    """The blocks that are left and the reply's `applied_edits`; `compact` is the compaction edit that was triggered."""

    placed: list[Placed]
    applied: list[dict[str, Any]]
    compact: dict[str, Any] | None


def after_compaction(placed: list[Placed]) -> list[Placed]:
    """A compaction block sent back replaces everything before it, at no further cost."""
    last = max((at for at, item in enumerate(placed) if item.content.get("type") == "compaction"), default=0)
    return placed[last:]


def apply_edits(body: Body, placed: list[Placed], measure: Measure) -> Edited:
    """Applies `context_management.edits` in order. 400 for an unknown edit or for clear_thinking not first."""
    applied: list[dict[str, Any]] = []
    compact: dict[str, Any] | None = None
    for index, edit in enumerate((body.get("context_management") or {}).get("edits") or []):
        kind = edit.get("type") if isinstance(edit, dict) else None
        where = f"context_management.edits.{index}"
        if kind == "clear_thinking_20251015":
            if index:
                raise invalid(f"{where}: clear_thinking_20251015 must be the first edit")
            placed = _clear_thinking(edit, placed, measure, applied)
        elif kind == "clear_tool_uses_20250919":
            placed = _clear_tool_uses(edit, placed, measure, applied)
        elif kind == "compact_20260112":
            trigger = _value(edit.get("trigger"), TRIGGER_COMPACT)
            if trigger < MIN_COMPACT:
                raise invalid(f"{where}.trigger.value: Input should be greater than or equal to {MIN_COMPACT}")
            if measure(placed) >= trigger:
                compact = edit
        else:
            raise invalid(
                f"{where}.type: Input should be 'clear_tool_uses_20250919', 'clear_thinking_20251015' or 'compact_20260112'"
            )
    return Edited(placed, applied, compact)


def _value(setting: object, default: int) -> int:
    value = setting.get("value") if isinstance(setting, dict) else None
    return value if isinstance(value, int) else default


def _clear_thinking(
    edit: dict[str, Any], placed: list[Placed], measure: Measure, applied: list[dict[str, Any]]
) -> list[Placed]:
    """Keeps the thinking of the last `keep` assistant turns that have any ("all": everything)."""
    keep = edit.get("keep", {"type": "thinking_turns", "value": 1})
    if keep == "all" or (isinstance(keep, dict) and keep.get("type") == "all"):
        return placed
    turns = sorted({item.message for item in placed if item.content.get("type") in THINKING})
    cleared = turns[: max(0, len(turns) - _value(keep, 1))]
    if not cleared:
        return placed
    left = [item for item in placed if item.content.get("type") not in THINKING or item.message not in cleared]
    applied.append(
        {
            "type": "clear_thinking_20251015",
            "cleared_thinking_turns": len(cleared),
            "cleared_input_tokens": measure(placed) - measure(left),
        }
    )
    return left


def _clear_tool_uses(
    edit: dict[str, Any], placed: list[Placed], measure: Measure, applied: list[dict[str, Any]]
) -> list[Placed]:
    """Replaces the content of old tool results, oldest first, once the prompt exceeds the trigger."""
    trigger, keep = edit.get("trigger"), _value(edit.get("keep"), 3)
    results = [item for item in placed if item.content.get("type") == "tool_result"]
    over = (
        len(results) > _value(trigger, 0)
        if isinstance(trigger, dict) and trigger.get("type") == "tool_uses"
        else measure(placed) > _value(trigger, TRIGGER_CLEAR)
    )
    names = {item.content["id"]: item.content["name"] for item in placed if item.content.get("type") == "tool_use"}
    spared = set(edit.get("exclude_tools") or [])
    old = {
        item.label
        for item in results[: max(0, len(results) - keep)]
        if names.get(item.content["tool_use_id"]) not in spared and item.content.get("content") != CLEARED
    }
    if not over or not old:
        return placed
    calls = {item.content["tool_use_id"] for item in results if item.label in old}
    left = [_cleared(item, old, calls, inputs=bool(edit.get("clear_tool_inputs"))) for item in placed]
    saved = measure(placed) - measure(left)
    if saved < _value(edit.get("clear_at_least"), 0):
        return placed
    applied.append({"type": "clear_tool_uses_20250919", "cleared_tool_uses": len(old), "cleared_input_tokens": saved})
    return left


def _cleared(item: Placed, old: set[str], calls: set[str], *, inputs: bool) -> Placed:
    if item.label in old:
        return _with(item, content=CLEARED)
    if inputs and item.content.get("type") == "tool_use" and item.content.get("id") in calls:
        return _with(item, input={})
    return item


def _with(item: Placed, **members: object) -> Placed:
    content = {**item.content, **members}
    return replace(item, content=content, mark=identity(content))
