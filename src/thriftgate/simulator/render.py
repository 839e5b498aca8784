"""From a request body to the ordered list of blocks that the model would see: tools, system, messages.

Order and levels: build-with-claude/prompt-caching, 2026-10 (tools, then system, then messages). A `Placed` is one block as
the client sent it; a `Position` is a block with its identity (content without cache_control) and its tokens. Equal identity
means equal to the model: `"content": "x"` is `[{"type": "text", "text": "x"}]`, null members are as if absent, the
order of a block's own members does not matter, the order inside `tool_use.input` or a schema does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from thriftgate.simulator.draws import digest, digest_again
from thriftgate.simulator.models import Model
from thriftgate.simulator.tokens import FORMAT_PROMPT, FRAME, TOOL_PROMPT_TAIL, TURN, TokenCounter

TTL_S = {"5m": 300, "1h": 3600}
ATTRIBUTION = "x-anthropic-billing-header:"
LONG = range(1_000, 200_000)
"""characters of a text worth remembering the hash of: the prefix that many requests share"""
PLAIN_TEXT = {"type", "text", "cache_control"}
Body = dict[str, Any]


def label_of(message: int, block: int) -> str:
    """The place of a message block in the request, as error messages write it."""
    return f"messages.{message}.content.{block}"


@dataclass(frozen=True, slots=True)
class Placed:
    """One content block of a message: which message, which block, whose turn, and the hash of what the model sees of it."""

    message: int
    block: int
    role: str
    content: dict[str, Any]
    mark: bytes

    @property
    def label(self) -> str:
        """Its place in the request, as error messages write it."""
        return label_of(self.message, self.block)


@dataclass(frozen=True, slots=True)
class Position:
    """One block of the rendered prompt. `ttl_s` is the life of an explicit breakpoint on it, None without one."""

    label: str
    level: str
    role: str
    kind: str
    identity: bytes
    tokens: int
    ttl_s: int | None
    cacheable: bool


@dataclass(frozen=True, slots=True)
class Rendered:
    """A whole prompt: its blocks in order and the tokens that follow the last one."""

    positions: tuple[Position, ...]
    tail: int

    @property
    def total(self) -> int:
        """Tokens of the whole prompt."""
        return sum(position.tokens for position in self.positions) + self.tail


def blocks_of(content: object) -> list[dict[str, Any]]:
    """The blocks of a `content` or `system` member; a text is one text block, an empty text or null none."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def message_blocks(body: Body) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """All message blocks in order, with the numbers of their message and of their place in it."""
    for number, message in enumerate(body["messages"]):
        for index, block in enumerate(blocks_of(message.get("content"))):
            yield number, index, block


def flatten(body: Body) -> list[Placed]:
    """All message blocks in order, placed."""
    messages = body["messages"]
    return [
        Placed(number, index, messages[number]["role"], block, identity(block))
        for number, index, block in message_blocks(body)
    ]


def marker_of(block: dict[str, Any]) -> dict[str, Any] | None:
    """The block's cache_control, or that of a block nested in its content (it then marks the parent: assumed)."""
    own = block.get("cache_control")
    if isinstance(own, dict):
        return own
    if block.get("type") == "tool_result" and isinstance(block.get("content"), list):
        for part in reversed(block["content"]):
            if isinstance(part, dict) and isinstance(part.get("cache_control"), dict):
                return dict(part["cache_control"])
    return None


def ttl_of(marker: dict[str, Any]) -> int:
    """Seconds of life that a cache_control asks for; 5 minutes unless it says "1h"."""
    return TTL_S[marker.get("ttl") or "5m"]


def identity(block: dict[str, Any]) -> bytes:
    """A hash of what the model sees of a block."""
    text = block.get("text")
    if isinstance(text, str) and len(text) in LONG and block.keys() <= PLAIN_TEXT and block.get("type") == "text":
        return _identity_of_text(text)
    return digest(msgspec.json.encode(_plain(block)))


@lru_cache(64)
def _identity_of_text(text: str) -> bytes:
    return digest(msgspec.json.encode({"text": text, "type": "text"}))


def _plain(block: dict[str, Any]) -> dict[str, Any]:
    shown = {key: block[key] for key in sorted(block) if key != "cache_control" and block[key] is not None}
    if shown.get("type") == "tool_result" and "content" in shown:
        shown["content"] = [_plain(part) for part in blocks_of(shown["content"])]
    return shown


def is_web_tool(tool: dict[str, Any]) -> bool:
    """Web search and web fetch: they are rendered with the system prompt, since switching them leaves the tools level valid
    (build-with-claude/prompt-caching, table of what invalidates what, 2026-10)."""
    return str(tool.get("type", "")).startswith(("web_search_", "web_fetch_"))


def visible_tools(body: Body) -> list[tuple[int, dict[str, Any]]]:
    """The tools that are part of the prompt from the start (not `defer_loading`), with their index."""
    tools = body.get("tools") or []
    return [(index, tool) for index, tool in enumerate(tools) if not tool.get("defer_loading")]


def visible_system(body: Body) -> list[tuple[int, dict[str, Any]]]:
    """The system blocks that are part of the prompt. Claude Code's attribution block is taken out where it stands first and
    unmodified (gateway protocol reference, 2026-10); anywhere else it is an ordinary block."""
    blocks = list(enumerate(blocks_of(body.get("system"))))
    return blocks[1:] if blocks and str(blocks[0][1].get("text", "")).startswith(ATTRIBUTION) else blocks


def render(body: Body, placed: list[Placed], model: Model, counter: TokenCounter, seals: dict[str, int]) -> Rendered:
    """The prompt of `body` with the message blocks `placed` (those that are left after the server's own edits).

    `seals` gives the true token count of thinking blocks by label, where their signature tells it.
    """
    positions: list[Position] = []
    tools = visible_tools(body)
    for level, wanted in (("tools", False), ("system", True)):
        for index, tool in tools:
            if is_web_tool(tool) is wanted:
                mark = identity(tool)
                tokens = counter.tool(model, tool, mark)
                positions.append(
                    _position(f"tools.{index}", level, role="", kind="tool", block=tool, mark=mark, tokens=tokens)
                )
    for index, block in visible_system(body):
        mark = identity(block)
        tokens = counter.block(model, block, mark)
        positions.append(
            _position(f"system.{index}", "system", role="system", kind="text", block=block, mark=mark, tokens=tokens)
        )
    first = len(positions)
    role = ""
    for item in placed:
        tokens = seals.get(item.label, -1)
        if tokens < 0:
            tokens = counter.block(model, item.content, item.mark)
        kind = str(item.content.get("type"))
        turn = TURN if item.role != role else 0
        role = item.role
        positions.append(
            _position(item.label, "messages", role=role, kind=kind, block=item.content, mark=item.mark, tokens=tokens + turn)
        )
    if body.get("tools"):
        after = next(index for index, position in enumerate(positions) if position.level != "tools")
        behind = min(TOOL_PROMPT_TAIL, model.tool_prompt[0]) if after else 0
        _add(positions, 0, model.tool_prompt[0] - behind)
        _add(positions, after, behind)
    _add(positions, first, _message_level_extra(body, model, counter))
    return Rendered(tuple(positions), FRAME[model.tokenizer] - TURN)


def _position(label: str, level: str, *, role: str, kind: str, block: dict[str, Any], mark: bytes, tokens: int) -> Position:
    marker = marker_of(block)
    cacheable = kind not in {"thinking", "redacted_thinking", "fallback"} and not (kind == "text" and not block.get("text"))
    return Position(label, level, role, kind, mark, tokens, ttl_of(marker) if marker else None, cacheable)


def _add(positions: list[Position], index: int, tokens: int) -> None:
    if tokens and index < len(positions):
        old = positions[index]
        positions[index] = Position(
            old.label, old.level, old.role, old.kind, old.identity, old.tokens + tokens, old.ttl_s, old.cacheable
        )


def _message_level_extra(body: Body, model: Model, counter: TokenCounter) -> int:
    """Injected tokens that belong to the messages level: a forced tool choice and a structured-output prompt."""
    extra = 0
    choice = (body.get("tool_choice") or {}).get("type", "auto")
    if body.get("tools") and choice in {"any", "tool"}:
        extra += model.tool_prompt[1] - model.tool_prompt[0]
    wanted = output_format(body)
    if wanted:
        extra += FORMAT_PROMPT + counter.value(model.tokenizer, wanted.get("schema", {}))
    return extra


def output_format(body: Body) -> dict[str, Any] | None:
    """`output_config.format`, or the older `output_format`."""
    config = body.get("output_config") or {}
    wanted = config.get("format") or body.get("output_format")
    return wanted if isinstance(wanted, dict) else None


def thinking_mode(body: Body, model: Model) -> dict[str, Any]:
    """The thinking setting in force: stating the default equals leaving it out (prompt-caching, 2026-10)."""
    asked = body.get("thinking")
    if not asked:
        return {"type": "adaptive" if model.thinking_default == "on" else "disabled"}
    return {key: asked[key] for key in ("type", "budget_tokens") if asked.get(key) is not None}


def effort_of(body: Body, model: Model) -> str:
    """The effort in force."""
    return str((body.get("output_config") or {}).get("effort") or model.effort_default)


def salts(body: Body, placed: list[Placed], model: Model, speed: str, *, speed_shares_tools: bool) -> dict[str, bytes]:
    """What, beside the blocks, belongs to each level of the prefix.

    Source: table of what invalidates what, build-with-claude/prompt-caching, 2026-10. That thinking and effort leave
    tools and system valid on every model is assumed (the page says "model-specific").
    """
    contents = [item.content for item in placed]
    web = sorted({str(tool["type"]).rsplit("_", 1)[0] for _, tool in visible_tools(body) if is_web_tool(tool)})
    citations = any((block.get("citations") or {}).get("enabled") for block in contents if block.get("type") == "document")
    choice = body.get("tool_choice") or {"type": "auto"}
    level_tools = "" if speed_shares_tools else speed
    level_messages = [
        {key: choice[key] for key in sorted(choice) if choice[key] not in (None, False)},
        thinking_mode(body, model),
        effort_of(body, model),
        any(_has_image(block) for block in contents),
        output_format(body),
        (body.get("output_config") or {}).get("task_budget"),
    ]
    return {
        "tools": digest_again(level_tools),
        "system": digest_again(speed, msgspec.json.encode(web), citations),
        "messages": digest_again(msgspec.json.encode(level_messages)),
    }


def _has_image(block: dict[str, Any]) -> bool:
    if block.get("type") == "image":
        return True
    nested = block.get("content") if block.get("type") == "tool_result" else None
    return isinstance(nested, list) and any(isinstance(part, dict) and part.get("type") == "image" for part in nested)
