"""Cache breakpoints of a request: where they are, and the errors they can cause.

Source: platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10 (at most 4, allowed places, longer life first,
automatic caching). The wordings of the errors are those seen in practice or assumed.
"""

from __future__ import annotations

from typing import Any

from thriftgate.simulator.cache import Mark
from thriftgate.simulator.errors import ApiError, invalid
from thriftgate.simulator.render import TTL_S, Body, Position, blocks_of, label_of, message_blocks, ttl_of

MAX_MARKS = 4


def check_marks(body: Body) -> None:
    """Raises the 400 that the explicit and automatic breakpoints of a body deserve."""
    found: list[tuple[str, int]] = []
    for index, tool in enumerate(body.get("tools") or []):
        if _marker(tool, f"tools.{index}", found) and tool.get("defer_loading"):
            raise invalid(
                f"Tool '{tool.get('name')}' cannot have both defer_loading=true and cache_control set. "
                "Tools with defer_loading cannot use prompt caching."
            )
    for index, block in enumerate(blocks_of(body.get("system"))):
        _check_block(block, f"system.{index}", found)
    for number, index, block in message_blocks(body):
        _check_block(block, label_of(number, index), found)
    if isinstance(body.get("cache_control"), dict):
        _check_automatic(body, found)
    elif len(found) > MAX_MARKS:
        raise _too_many(len(found))
    _check_order(found)


def find_marks(body: Body, positions: tuple[Position, ...], *, grant_1h: bool) -> list[Mark]:
    """The breakpoints in force, shallowest first, the automatic one included. `grant_1h` False turns 1h into 5m."""
    marks: dict[int, int] = {}
    for index, position in enumerate(positions):
        if position.ttl_s is not None:
            marks[index] = position.ttl_s
    automatic = body.get("cache_control")
    if isinstance(automatic, dict):
        for index in range(len(positions) - 1, -1, -1):
            if positions[index].cacheable:
                marks.setdefault(index, ttl_of(automatic))
                break
    return [Mark(index, ttl if grant_1h else TTL_S["5m"]) for index, ttl in sorted(marks.items())]


def _check_automatic(body: Body, found: list[tuple[str, int]]) -> None:
    """Automatic caching takes a slot, unless the last block has the same marker already; another TTL there is a 400."""
    _marker(body, "", [])
    last = _last_label(body)
    same = [ttl for label, ttl in found if label == last]
    if same:
        if same[0] != ttl_of(body["cache_control"]):
            raise invalid(
                f"{last}.cache_control: the block already has a cache_control with a different ttl than the "
                "top-level cache_control."
            )
        return
    if len(found) >= MAX_MARKS:
        raise _too_many(len(found) + 1)
    if last:
        found.append((last, ttl_of(body["cache_control"])))


def _last_label(body: Body) -> str:
    """The last block of the request that may carry a breakpoint."""
    for number, index, block in reversed(list(message_blocks(body))):
        if block.get("type") not in {"thinking", "redacted_thinking", "fallback"} and block.get("text") != "":
            return label_of(number, index)
    return ""


def _check_block(block: dict[str, Any], label: str, found: list[tuple[str, int]]) -> None:
    kind = block.get("type")
    if isinstance(block.get("cache_control"), dict):
        if kind in {"thinking", "redacted_thinking"}:
            raise invalid(f"{label}.{kind}.cache_control: Extra inputs are not permitted")
        if kind == "text" and not block.get("text"):
            raise invalid(f"{label}: cache_control cannot be set for empty text blocks")
    _marker(block, label, found)
    nested = block.get("content") if kind == "tool_result" else None
    for index, part in enumerate(nested if isinstance(nested, list) else []):
        if isinstance(part, dict):
            _marker(part, f"{label}.content.{index}", found)
    for index, citation in enumerate(block.get("citations") or [] if kind == "text" else []):
        if isinstance(citation, dict) and "cache_control" in citation:
            raise invalid(f"{label}.text.citations.{index}.cache_control: Extra inputs are not permitted")


def _marker(block: dict[str, Any], label: str, found: list[tuple[str, int]]) -> bool:
    marker = block.get("cache_control")
    if marker is None:
        return False
    where = f"{label}.cache_control" if label else "cache_control"
    if not isinstance(marker, dict) or marker.get("type") != "ephemeral":
        raise invalid(f"{where}.type: Input should be 'ephemeral'")
    if marker.get("ttl") not in {None, *TTL_S}:
        raise invalid(f"{where}.ttl: Input should be '5m' or '1h'")
    found.append((label, ttl_of(marker)))
    return True


def _check_order(found: list[tuple[str, int]]) -> None:
    shortest = TTL_S["1h"]
    for label, ttl in found:
        if ttl > shortest:
            raise invalid(
                f"{label}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control "
                "block. Note that blocks are processed in the following order: `tools`, `system`, `messages`."
            )
        shortest = min(shortest, ttl)


def _too_many(count: int) -> ApiError:
    return invalid(f"A maximum of {MAX_MARKS} blocks with cache_control may be provided. Found {count}.")
