"""Whether, and how much, a model is to think, in the words of each server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from thriftgate.wire.openai_out.servers import EFFORTS, Server, Thinking

_BUDGETS = ((4_096, "low"), (16_384, "medium"))
"""The effort that a budget of thinking stands for, where a server takes no budget; above these, high."""


class ThinkingAsked(Struct):
    """`thinking` of a Messages call."""

    type: str = "disabled"
    budget_tokens: int | None = None


class _Wish(Struct, frozen=True):
    """`said`: the call says whether to think; `wanted`: it wants it; `level` is the effort, as the server knows it."""

    server: Server
    said: bool
    wanted: bool
    adaptive: bool
    budget: int | None
    level: str


def told_to_think(thinking: ThinkingAsked | None, effort: str, server: Server) -> dict[str, Any]:
    """The members of a chat body that say it. Where models think unless told otherwise, they are told: a Messages call that
    does not ask for thinking gets none."""
    wanted = thinking is not None and thinking.type != "disabled"
    budget = thinking.budget_tokens if thinking is not None and wanted else None
    adaptive = thinking is not None and thinking.type == "adaptive"
    wish = _Wish(server, thinking is not None, wanted, adaptive, budget, _level(effort, server) if effort else "")
    return _WAYS[server.thinking](wish)


def _anthropic(wish: _Wish) -> dict[str, Any]:
    kind = "adaptive" if wish.adaptive else "enabled" if wish.wanted else "disabled"
    budget = {"budget_tokens": wish.budget} if wish.budget is not None else {}
    told: dict[str, Any] = {"thinking": {"type": kind, **budget}} if wish.said else {}
    return told | ({"reasoning_effort": wish.level} if wish.level else {})


def _switch(wish: _Wish) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if wish.wanted or wish.server.thinks_unasked:
        told = {"thinking": {"type": "enabled" if wish.wanted else "disabled"}}
    return told | ({"reasoning_effort": wish.level} if wish.level and wish.wanted else {})


def _enable_thinking(wish: _Wish) -> dict[str, Any]:
    told: dict[str, Any] = {"enable_thinking": wish.wanted} if wish.wanted or wish.server.thinks_unasked else {}
    return told | ({"thinking_budget": wish.budget} if wish.budget else {})


def _reasoning(wish: _Wish) -> dict[str, Any]:
    if wish.said and not wish.wanted:
        return {"reasoning": {"enabled": False}}
    if wish.budget:
        return {"reasoning": {"max_tokens": wish.budget}}
    if wish.level:
        return {"reasoning": {"effort": wish.level}}
    return {"reasoning": {"enabled": True}} if wish.wanted else {}


def _reasoning_effort(wish: _Wish) -> dict[str, Any]:
    level = wish.level
    if wish.wanted and not level:
        level = next((effort for most, effort in _BUDGETS if wish.budget is not None and wish.budget <= most), "high")
    return {"reasoning_effort": level} if level else {}


_WAYS: Mapping[Thinking, Callable[[_Wish], dict[str, Any]]] = {
    "": lambda _wish: {},
    "anthropic": _anthropic,
    "switch": _switch,
    "enable_thinking": _enable_thinking,
    "reasoning": _reasoning,
    "reasoning_effort": _reasoning_effort,
}


def _level(effort: str, server: Server) -> str:
    """The effort, or the nearest below it that the server knows; the lowest where there is none below."""
    if effort in server.efforts or not server.efforts or effort not in EFFORTS:
        return effort if effort in server.efforts else ""
    below = [level for level in server.efforts if EFFORTS.index(level) < EFFORTS.index(effort)]
    return below[-1] if below else server.efforts[0]
