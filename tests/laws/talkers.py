"""Clients that talk at length, from a seed: they think, call tools side by side, show pictures, ask again, go back and take
another way, and leave out thinking as far as they may. A provider takes each of their requests.

Where thinking is bound to its prefix they never change what stands before it (platform.claude.com/docs/en/build-with-claude/
preserved-thinking, 2026-10), so that whatever is refused or dropped is our doing.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from tests.laws.traffic import PIXEL, prose

BOUND = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-2")
PLAIN = ("claude-opus-4-8", "claude-opus-5", "claude-sonnet-4-6", "claude-haiku-4-5", "claude-sonnet-4-5")
OLD = ("claude-haiku-4-5", "claude-sonnet-4-5")  # think by a budget; keep the thinking of the last turn only
CONTROLS = "thinking-binding-controls-2026-08-01"
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
GAPS_S = (0.0, 1.0, 5.0, 20.0, 20.0, 60.0, 200.0, 299.0, 310.0, 900.0, 3_500.0, 3_700.0)
TOOLS = [
    {
        "name": name,
        "description": f"{name}s what it is told to",
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
    }
    for name in ("look", "grep")
]
Messages = list[dict[str, Any]]


@dataclass
class Chat:
    """A conversation up to an answer. `left` are the messages that really left for it, by their meaning."""

    messages: Messages = field(default_factory=list)
    left: list[Any] = field(default_factory=list)
    at: int = 0  # the engine that sent them


class Talker:
    """One client. `speak` and its like give the messages of the next request."""

    def __init__(self, seed: int, models: tuple[str, ...] = BOUND + PLAIN) -> None:
        self.random = random = Random(f"talker {seed}")
        self.model = random.choice(models)
        self.bound = self.model in BOUND
        self.long = random.choice((60, 300, 900))
        self.system: Any = random.choice((None, "Be brief.", prose(random, 3_000)))
        self.tools = copy.deepcopy(TOOLS) if random.random() < 0.7 else []
        self.thinking = self._thinking()
        self.pictures = random.random() < 0.3
        self.changes_effort = random.random() < 0.2 and self.model not in OLD
        self.effort = ""
        self.chats: list[Chat] = [Chat()]
        self._said = 0

    def _thinking(self) -> dict[str, Any] | None:
        random = self.random
        if self.model in OLD:
            return random.choice((None, {"type": "enabled", "budget_tokens": 1_024}))
        drops = {"block_binding": {"prefix_mismatch_behavior": random.choice(("error", "drop_block"))}}
        if self.model in PLAIN:
            return random.choice((None, {"type": "adaptive"}))
        return random.choice((None, {"type": "adaptive"}, {"type": "adaptive"} | drops, {"type": "adaptive"} | drops))

    @property
    def chat(self) -> Chat:
        """Where the conversation stands."""
        return self.chats[-1]

    def body(self, messages: Messages) -> dict[str, Any]:
        """The request, somehow asked and marked."""
        random = self.random
        body: dict[str, Any] = {"model": self.model, "max_tokens": 2_000, "messages": copy.deepcopy(messages)}
        if random.random() < 0.3:
            body["stream"] = True
        if self.system is not None:
            body["system"] = self.system
        if self.tools:
            body["tools"] = self.tools
        if random.random() < 0.05 and self.model not in OLD:  # may end within its thinking
            body["max_tokens"] = 20
        if self.thinking is not None:
            body["thinking"] = self.thinking
        if self.changes_effort and random.random() < 0.2:
            self.effort = random.choice(("low", "medium", "high"))
        if self.effort:
            body["output_config"] = {"effort": self.effort}
        if random.random() < 0.15:
            body["cache_control"] = {"type": "ephemeral"}
        return body

    def further(self) -> Messages:
        """The same conversation, one message on."""
        return [*self.chat.messages, self._spoken(self.chat.messages)]

    def elsewhere(self) -> Messages:
        """From an earlier answer on, another way; or the same request as before."""
        chat = self.random.choice(self.chats)
        if chat.messages and self.random.random() < 0.4:
            return chat.messages[:-1]
        return [*chat.messages, self._spoken(chat.messages)]

    def lighter(self) -> Messages:
        """Further, with the earliest thinking left out, or all of it."""
        messages = copy.deepcopy(self.chat.messages)
        thinks = [at for at, one in enumerate(messages) if one["role"] == "assistant" and _thinks(one)]
        upto = len(messages) if self.random.random() < 0.5 or not thinks else self.random.choice(thinks) + 1
        for at in thinks:
            left = [block for block in messages[at]["content"] if block["type"] != "thinking"]
            if at >= upto or not left:
                break
            messages[at]["content"] = left
        return [*messages, self._spoken(messages)]

    def answered(self, asked: Messages, content: list[dict[str, Any]], left: list[Any], at: int) -> None:
        """The conversation goes on from this answer."""
        said = {"role": "assistant", "content": content or [_text("…")]}  # cut off before its first word
        self.chats.append(Chat([*asked, said], left, at))

    def before(self, asked: Messages) -> Chat | None:
        """The conversation that a request is the next turn of."""
        return next((chat for chat in self.chats if chat.messages and asked[:-1] == chat.messages), None)

    def _spoken(self, messages: Messages) -> dict[str, Any]:
        random = self.random
        last = messages[-1]["content"] if messages else []
        calls = [block["id"] for block in last if block["type"] == "tool_use"] if isinstance(last, list) else []
        content: list[dict[str, Any]] = [self._result(one) for one in calls]
        if not content or random.random() < 0.2:
            content.append(_text(f"{self._orders()} {prose(random, random.randint(5, self.long))}"))
            if self.pictures and random.random() < 0.2:
                content.append(copy.deepcopy(IMAGE))
        if len(content) == 1 and content[0]["type"] == "text" and random.random() < 0.5:
            return {"role": "user", "content": content[0]["text"]}
        return {"role": "user", "content": content}

    def _orders(self) -> str:
        random = self.random
        self._said += 1
        thinks = f"think={random.randint(1, 60)} " if random.random() < 0.6 else ""
        if self.tools and random.random() < 0.4:
            calls = "".join(f"[[sim: tool={name}]]" for name in random.sample(("look", "grep"), random.choice((1, 2))))
            return f"{self._said} [[sim: {thinks}times={random.choice((1, 2, 4))}]]{calls}"
        return f"{self._said} [[sim: {thinks}out={random.randint(5, 120)}]]"

    def _result(self, tool_use_id: str) -> dict[str, Any]:
        random = self.random
        said = prose(random, random.randint(5, 3 * self.long))
        rows = [{"name": said[:20], "size": n} for n in range(random.randint(1, 12))]
        told = random.choice((said, msgspec.json.format(msgspec.json.encode(rows), indent=2).decode()))
        content = random.choice((told, [_text(told)], [_text(told), _text("done")]))
        return {"type": "tool_result", "tool_use_id": tool_use_id, "content": content}


def meaning(body: bytes) -> list[Any]:
    """The messages of a body, whatever their breakpoints and spelling."""
    return [[one["role"], _unmarked(one["content"])] for one in msgspec.json.decode(body)["messages"]]


def _unmarked(content: Any) -> Any:
    if isinstance(content, str):
        return [_text(content)]
    if isinstance(content, list):
        return [_unmarked(block) for block in content]
    if isinstance(content, dict):
        left = {name: value for name, value in content.items() if name != "cache_control"}
        return left | ({"content": _unmarked(left["content"])} if "content" in left else {})
    return content


def _text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def _thinks(message: dict[str, Any]) -> bool:
    return isinstance(message["content"], list) and any(block["type"] == "thinking" for block in message["content"])
