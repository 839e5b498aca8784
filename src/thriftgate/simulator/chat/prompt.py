"""A chat body as the simulator's machinery reads it: as a Messages body. Refuses what the imitated server would."""

from __future__ import annotations

from typing import Any

import msgspec

from thriftgate.simulator.chat.styles import Style
from thriftgate.simulator.errors import invalid

CHOICES = {"auto": "auto", "required": "any", "none": "none"}
BACK = "The `reasoning_content` in the thinking mode must be passed back to the API."
"""as seen in practice; the rule: api-docs.deepseek.com/guides/thinking_mode, 2026-11"""
OUTPUT_TOKENS = 4_096


def model_named(name: str) -> str:
    """The name in the simulator's table: `anthropic/claude-sonnet-5.5` is claude-sonnet-5-5."""
    plain = name.rpartition("/")[2]
    return plain.replace(".", "-") if plain.startswith("claude-") else plain


def messages_body(chat: Any, style: Style) -> dict[str, Any]:
    """The Messages body. Raises ApiError."""
    if not isinstance(chat, dict):
        raise invalid("the body is no JSON object")
    unknown = sorted(set(chat) - style.takes)
    if unknown:
        raise invalid(f"Unrecognized request argument supplied: {unknown[0]}")
    body: dict[str, Any] = {
        "model": model_named(chat["model"]),
        "max_tokens": chat.get("max_tokens") or chat.get("max_completion_tokens") or OUTPUT_TOKENS,
        **{name: chat[name] for name in ("temperature", "top_p", "top_k") if name in chat},
    }
    body |= _conversation(chat["messages"], style)
    if "tools" in chat:
        body["tools"] = [_tool(tool) for tool in chat["tools"]]
    choice = chat.get("tool_choice")
    if choice is not None:
        named = (
            {"type": "tool", "name": choice["function"]["name"]} if isinstance(choice, dict) else {"type": CHOICES[choice]}
        )
        body["tool_choice"] = named
        if chat.get("parallel_tool_calls") is False and named["type"] != "none":
            body["tool_choice"]["disable_parallel_tool_use"] = True
    if "stop" in chat:
        body["stop_sequences"] = [chat["stop"]] if isinstance(chat["stop"], str) else chat["stop"]
    thinking, effort = _thinking(chat, style, claude=body["model"].startswith("claude-"))
    if thinking is not None:
        body["thinking"] = thinking
    config: dict[str, Any] = {"effort": effort} if effort else {}
    wanted = chat.get("response_format")
    if wanted is not None:
        if style.name == "deepseek" and wanted["type"] != "json_object":
            raise invalid("This response_format type is unavailable now")
        config["format"] = {"type": "json_schema", "schema": wanted["json_schema"]["schema"]}
    if config:
        body["output_config"] = config
    _check_thoughts(chat, style, thinking)
    return body


def _conversation(messages: list[dict[str, Any]], style: Style) -> dict[str, Any]:
    system: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for message in messages:
        role, content = message["role"], message.get("content")
        if style.text_only and isinstance(content, list) and all(part["type"] == "text" for part in content):
            raise invalid("invalid type: sequence, expected a string")
        if role in ("system", "developer"):
            system += _parts(content)
        elif role == "tool":
            result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": _parts(content)}
            marks = [part.pop("cache_control") for part in result["content"] if "cache_control" in part]
            result |= {"cache_control": marks[-1]} if marks else {}
            if found and found[-1]["role"] == "user":
                found[-1]["content"].append(result)
            else:
                found.append({"role": "user", "content": [result]})
        elif role == "assistant":
            found.append({"role": "assistant", "content": [*_thoughts(message), *_parts(content), *_calls(message)]})
        elif found and found[-1]["role"] == "user":
            found[-1]["content"] += _parts(content)
        else:
            found.append({"role": "user", "content": _parts(content)})
    return {"messages": found} | ({"system": system} if system else {})


def _parts(content: str | list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [_part(part) for part in content or []]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    marked = {"cache_control": part["cache_control"]} if "cache_control" in part else {}
    if part["type"] == "text":
        return {"type": "text", "text": part["text"], **marked}
    if part["type"] != "image_url":
        raise invalid(f"unknown part type {part['type']}")
    url = part["image_url"]["url"]
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}, **marked}
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}, **marked}


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "type": "tool_use",
            "id": call["id"],
            "name": call["function"]["name"],
            "input": msgspec.json.decode(call["function"]["arguments"]),
        }
        for call in message.get("tool_calls") or []
    ]


def _thoughts(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Signed thinking goes back to Claude; what other models thought is no part of what they read."""
    signed = [block for block in message.get("thinking_blocks") or [] if block.get("signature") or block.get("data")]
    for detail in message.get("reasoning_details") or []:
        if detail.get("signature"):
            signed.append({"type": "thinking", "thinking": detail["text"], "signature": detail["signature"]})
        elif detail.get("data"):
            signed.append({"type": "redacted_thinking", "data": detail["data"]})
    return signed


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    told = {"name": function["name"], "input_schema": function["parameters"]}
    told |= {name: function[name] for name in ("description", "strict") if name in function}
    return told | ({"cache_control": tool["cache_control"]} if "cache_control" in tool else {})


def _thinking(chat: dict[str, Any], style: Style, *, claude: bool) -> tuple[dict[str, Any] | None, str]:
    """Whether the model thinks, and the effort."""
    effort = chat.get("reasoning_effort") or ""
    if style.name == "openrouter":
        asked = chat.get("reasoning") or {}
        effort = asked.get("effort") or ""
        if asked.get("enabled") is False:
            return {"type": "disabled"}, ""
        return ({"type": "adaptive"}, effort) if asked else (None, "")
    if style.name == "litellm" and claude:
        return chat.get("thinking"), effort
    wanted = style.thinks
    if "thinking" in chat:
        wanted = chat["thinking"]["type"] != "disabled"
    wanted = chat.get("enable_thinking", wanted or (bool(effort) and not style.thinks))
    return ({"type": "adaptive"} if wanted else None), effort


def _check_thoughts(chat: dict[str, Any], style: Style, thinking: dict[str, Any] | None) -> None:
    """DeepSeek wants back what it thought before it called a tool, until the user speaks again."""
    if style.name != "deepseek" or thinking is None:
        return
    for message in reversed(chat["messages"]):
        if message["role"] == "user":
            return
        if message.get("tool_calls") and not message.get("reasoning_content"):
            raise invalid(BACK)
