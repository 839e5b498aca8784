"""The shape of a Messages body: which members, which types, which blocks belong together.

Fields: platform.claude.com/docs/en/api/messages, 2026-08; version 2026-10-21: api/versioning, 2026-11. Wordings follow those
seen in practice; where none was at hand they are assumed. What depends on the model is in `gates`.
"""

from __future__ import annotations

from typing import Any

from thriftgate.simulator.errors import ApiError, invalid
from thriftgate.simulator.render import Body

VERSIONS = ("2023-06-01", "2026-10-21")
KNOWN = frozenset(
    {
        "model",
        "max_tokens",
        "messages",
        "cache_control",
        "container",
        "inference_geo",
        "metadata",
        "output_config",
        "service_tier",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "context_management",
        "diagnostics",
        "fallback_credit_token",
        "fallbacks",
        "mcp_servers",
        "output_format",
        "speed",
        "compaction",
        "cache_hint",
        "context_hint",
        "store",
        "previous_thread_event_id",
        "research_preview_2026_02",
        "image_transformations",
        "betas",
        "user_profile_id",
    }
)
BLOCK_TYPES = {
    "user": frozenset(
        {
            "text",
            "image",
            "document",
            "search_result",
            "tool_result",
            "container_upload",
            "web_search_tool_result",
            "mcp_tool_result",
        }
    ),
    "assistant": frozenset(
        {
            "text",
            "thinking",
            "redacted_thinking",
            "tool_use",
            "server_tool_use",
            "web_search_tool_result",
            "web_fetch_tool_result",
            "code_execution_tool_result",
            "bash_code_execution_tool_result",
            "text_editor_code_execution_tool_result",
            "tool_search_tool_result",
            "container_upload",
            "advisor_tool_result",
            "mcp_tool_use",
            "mcp_tool_result",
            "compaction",
            "fallback",
            "document",
            "image",
        }
    ),
    "system": frozenset({"text", "tool_addition", "tool_removal", "output_config"}),
}
MEMBERS: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "thinking": {"thinking": str, "signature": str},
    "tool_use": {"id": str, "name": str, "input": dict},
    "tool_result": {"tool_use_id": str},
    "image": {"source": dict},
    "document": {"source": dict},
}
"""members that a block must have"""


def check_version(headers: dict[str, str]) -> str:
    """The API version of the request; 400 when the header is missing or names none (the 400 is as seen in practice)."""
    version = headers.get("anthropic-version", "")
    if not version:
        raise invalid("anthropic-version: header is required")
    if version not in VERSIONS:
        raise invalid(f'anthropic-version: "{version}" is not a valid version. Supported versions: {", ".join(VERSIONS)}')
    return version


def check_body(body: object, version: str, *, counting: bool = False) -> Body:
    """The body as a table, or the 400 that its shape deserves."""
    if not isinstance(body, dict):
        raise invalid("Request body must be a JSON object")
    if body.get("thread") is not None:
        # Message threads are not simulated. The code tells SDKs to send whole conversations instead
        # (platform.claude.com/docs/en/build-with-claude/message-threads, 2026-11; anthropic-sdk-python v2.12.0 lib/threads).
        raise ApiError(
            "invalid_request_error",
            "thread: message threads are not supported by this simulation",
            details={"error_code": "thread_unsupported_request"},
        )
    for name in body:
        if name not in KNOWN and name != "thread":
            raise invalid(f"{name}: Extra inputs are not permitted")
    if not isinstance(body.get("model"), str):
        raise invalid("model: Field required" if "model" not in body else "model: Input should be a valid string")
    if not counting:
        _check_max_tokens(body)
    _check_system(body.get("system"))
    _check_tools(body.get("tools"))
    _check_messages(body.get("messages"), version)
    _check_small_members(body, version)
    return body


def _check_max_tokens(body: Body) -> None:
    if "max_tokens" not in body:
        raise invalid("max_tokens: Field required")
    value = body["max_tokens"]
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid("max_tokens: Input should be a valid integer")
    if value < 0:
        raise invalid("max_tokens: Input should be greater than or equal to 0")


def _check_system(system: object) -> None:
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise invalid("system: Input should be a valid string or list")
    for index, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            raise invalid(f"system.{index}: Input should be a text block")
        if not block["text"] and "cache_control" not in block:
            raise invalid("system: text content blocks must be non-empty")


def _check_tools(tools: object) -> None:
    if tools is None:
        return
    if not isinstance(tools, list):
        raise invalid("tools: Input should be a valid list")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise invalid(f"tools.{index}: Input should be a valid dictionary")
        kind = tool.get("type", "custom")
        if kind == "mcp_toolset":
            continue
        name = tool.get("name")
        if not isinstance(name, str) or not name:
            raise invalid(f"tools.{index}.{kind}.name: Field required")
        if name in names:
            raise invalid("tools: Tool names must be unique.")
        names.add(name)
        if kind in {"custom", None} and not isinstance(tool.get("input_schema"), dict):
            raise invalid(f"tools.{index}.custom.input_schema: Field required")


def _check_messages(messages: object, version: str) -> None:
    if not isinstance(messages, list):
        raise invalid("messages: Field required" if messages is None else "messages: Input should be a valid list")
    if not messages:
        raise invalid("messages: at least one message is required")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in BLOCK_TYPES:
            raise invalid(f"messages.{number}.role: Input should be 'user' or 'assistant'")
        _check_content(number, message, version, last=number == len(messages) - 1)
    if messages[0]["role"] == "assistant":
        raise invalid('messages: first message must use the "user" role')
    _check_pairs(messages)


def _check_content(number: int, message: dict[str, Any], version: str, *, last: bool) -> None:
    role, content = message["role"], message.get("content")
    where = f"messages.{number}"
    if isinstance(content, str):
        if not content and not (role == "assistant" and last):
            raise invalid(
                f"{where}: all messages must have non-empty content except for the optional final assistant message"
            )
        return
    if not isinstance(content, list):
        raise invalid(
            f"{where}.content: Field required" if content is None else f"{where}.content: Input should be a valid list"
        )
    if not content and not (role == "assistant" and last):
        raise invalid(f"{where}: all messages must have non-empty content except for the optional final assistant message")
    for index, block in enumerate(content):
        _check_block(f"{where}.content.{index}", block, role, version)


def _check_block(where: str, block: object, role: str, version: str) -> None:
    if not isinstance(block, dict):
        raise invalid(f"{where}: Input should be a valid dictionary")
    kind = block.get("type")
    if kind not in BLOCK_TYPES[role]:
        raise invalid(
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags for role {role}"
        )
    _need(where, block, MEMBERS.get(kind, {}))
    if kind == "text" and not block["text"] and "cache_control" not in block:
        raise invalid("messages: text content blocks must be non-empty")
    if kind == "tool_result":
        _check_nested(where, block.get("content"))
    if version == "2026-10-21":
        if kind == "text" and role == "user" and block.get("citations"):
            raise invalid(f"{where}.text.citations: Extra inputs are not permitted")
        if kind == "document" and role == "assistant":
            raise invalid(f"{where}: Input tag 'document' is not permitted in assistant messages")


def _check_nested(where: str, content: object) -> None:
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise invalid(f"{where}.tool_result.content: Input should be a valid string or list")


def _need(where: str, block: dict[str, Any], members: dict[str, type]) -> None:
    for name, kind in members.items():
        if not isinstance(block.get(name), kind):
            raise invalid(f"{where}.{block['type']}.{name}: Field required")


def _check_pairs(messages: list[dict[str, Any]]) -> None:
    """Every tool_use is answered in the next user message, every tool_result answers one of the message before."""
    pending: list[str] = []
    asked_in = 0
    for number, message in enumerate(messages):
        blocks = message["content"] if isinstance(message["content"], list) else []
        if message["role"] == "assistant":
            if pending and any(block["type"] == "tool_use" for block in blocks):
                raise _unanswered(asked_in, pending)
            asked_in = number
            pending += [block["id"] for block in blocks if block["type"] == "tool_use"]
        elif message["role"] == "user":
            answered = []
            for index, block in enumerate(blocks):
                if block["type"] != "tool_result":
                    continue
                if block["tool_use_id"] not in pending:
                    raise invalid(
                        f"messages.{number}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                        f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in "
                        "the previous message."
                    )
                answered.append(block["tool_use_id"])
            missing = [name for name in pending if name not in answered]
            if missing:
                raise _unanswered(asked_in, missing)
            pending = []
    if pending and messages[-1]["role"] == "user":
        raise _unanswered(asked_in, pending)


def _unanswered(number: int, names: list[str]) -> Exception:
    return invalid(
        f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(names)}. "
        "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _check_small_members(body: Body, version: str) -> None:
    _check_sampling(body, version)
    for name in ("thinking", "tool_choice", "output_config", "metadata", "context_management", "diagnostics"):
        if body.get(name) is not None and not isinstance(body[name], dict):
            raise invalid(f"{name}: Input should be a valid dictionary")
    stops = body.get("stop_sequences") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise invalid("stop_sequences: Input should be a valid list of strings")
    if any(not stop.strip() for stop in stops):
        raise invalid("stop_sequences: each stop sequence must contain non-whitespace")
    _check_choice(body.get("tool_choice") or {}, body.get("tools") or [])
    if body.get("service_tier") not in {None, "auto", "standard_only"}:
        raise invalid("service_tier: Input should be 'auto' or 'standard_only'")


def _check_sampling(body: Body, version: str) -> None:
    """Version 2026-10-21 knows no sampling parameters at all (api/migration-2026-10-21, 2026-11)."""
    for name in ("temperature", "top_p", "top_k"):
        value = body.get(name)
        if value is None:
            continue
        if version == "2026-10-21":
            raise invalid(f"{name}: Extra inputs are not permitted")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise invalid(f"{name}: Input should be a valid number")
        if name != "top_k" and not 0 <= value <= 1:
            raise invalid(f"{name}: range: 0..1")


def _check_choice(choice: dict[str, Any], tools: list[dict[str, Any]]) -> None:
    if not choice:
        return
    if choice.get("type") not in {"auto", "any", "tool", "none"}:
        raise invalid("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if not tools and choice["type"] in {"any", "tool"}:
        raise invalid("tool_choice: may only be specified while providing tools")
    if choice["type"] == "tool" and choice.get("name") not in {tool.get("name") for tool in tools}:
        raise invalid(f"Tool '{choice.get('name')}' not found in provided tools")
