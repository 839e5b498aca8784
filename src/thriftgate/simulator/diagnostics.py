"""Cache diagnostics: why the prompt diverged from an earlier one.

Source: platform.claude.com/docs/en/build-with-claude/cache-diagnostics, 2026-09. A fingerprint is kept only for
requests that sent the `diagnostics` object. The token figure is an estimate by the API as well; here it is the count
from the first changed block on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thriftgate.simulator.draws import digest
from thriftgate.simulator.render import Rendered


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is remembered of a request: block identities per level, the message-level settings, the model."""

    model: str
    tools: tuple[bytes, ...]
    system: tuple[bytes, ...]
    messages: tuple[bytes, ...]
    settings: bytes


class Diagnostics:
    """Fingerprints per workspace and message id."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Fingerprint] = {}

    def clear(self) -> None:
        """Forgets all."""
        self._known.clear()

    def remember(self, organization: str, workspace: str, message_id: str, print_: Fingerprint) -> None:
        """Keeps the fingerprint of the request that message `message_id` answered."""
        self._known[organization, workspace, message_id] = print_

    def compare(
        self, organization: str, workspace: str, asked: dict[str, Any], now: Fingerprint, rendered: Rendered
    ) -> dict[str, Any] | None:
        """The reply's `diagnostics`: None for a first turn or where nothing diverged."""
        previous_id = asked.get("previous_message_id")
        if previous_id is None:
            return None
        before = self._known.get((organization, workspace, str(previous_id)))
        if before is None:
            return {"cache_miss_reason": {"type": "previous_message_not_found"}}
        for kind, changed, level in (
            ("model_changed", before.model != now.model, "tools"),
            ("tools_changed", before.tools != now.tools, "tools"),
            ("system_changed", before.system != now.system, "system"),
        ):
            if changed:
                return _reason(kind, rendered, level, 0)
        same = _common(before.messages, now.messages)
        if same < len(before.messages):
            return _reason("messages_changed", rendered, "messages", same)
        if before.settings != now.settings:
            return {"cache_miss_reason": {"type": "unavailable"}}
        return None


def fingerprint(model: str, rendered: Rendered, salts: dict[str, bytes]) -> Fingerprint:
    """The fingerprint of a rendered prompt."""
    levels: dict[str, list[bytes]] = {"tools": [], "system": [], "messages": []}
    for position in rendered.positions:
        levels[position.level].append(digest(position.role, position.identity))
    return Fingerprint(
        model, tuple(levels["tools"]), tuple(levels["system"]), tuple(levels["messages"]), digest(*salts.values())
    )


def _common(first: tuple[bytes, ...], second: tuple[bytes, ...]) -> int:
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def _reason(kind: str, rendered: Rendered, level: str, skip: int) -> dict[str, Any]:
    order = ("tools", "system", "messages")
    missed = 0
    for position in rendered.positions:
        if position.level == level and skip > 0:
            skip -= 1
        elif order.index(position.level) >= order.index(level):
            missed += position.tokens
    return {"cache_miss_reason": {"type": kind, "cache_missed_input_tokens": missed + rendered.tail}}
