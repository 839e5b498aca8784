"""Servers by name, and small calls."""

from __future__ import annotations

from typing import Any

import msgspec

from thriftgate.wire.openai_out.request import Asked, chat_request
from thriftgate.wire.openai_out.servers import SERVERS

BY_NAME = {server.name: server for server in SERVERS}
TOOL = {"name": "find", "description": "finds", "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}}}
MARK = {"type": "ephemeral", "ttl": "1h"}


def messages_call(content: Any = "hello", **members: Any) -> dict[str, Any]:
    """A Messages body."""
    return {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": content}]} | members


def chat_of(body: dict[str, Any], server: str = "openai_compatible") -> dict[str, Any]:
    """The chat body, decoded."""
    found: dict[str, Any] = msgspec.json.decode(chat_request(msgspec.json.encode(body), BY_NAME[server], {"m": "there"})[0])
    return found


def asked(server: str = "openai_compatible", **members: Any) -> Asked:
    """What reading an answer needs."""
    return msgspec.structs.replace(Asked(BY_NAME[server], "m"), **members)
