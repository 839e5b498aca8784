"""Random request traffic, from a seed: prompts out of shared pools, conversations that grow, breakpoints of every sort.

Everything that decides what is cached varies: which model, what stands in front, where breakpoints are and how long they
live, how much time passes, what the parameters of each level are.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from random import Random
from typing import Any

Body = dict[str, Any]
Blocks = list[dict[str, Any]]

MODELS = (
    "claude-opus-5-5",  # minimum 512, always thinks
    "claude-haiku-5-5",  # minimum 512, thinks unless told not to
    "claude-opus-4-8",  # minimum 1,024
    "claude-opus-4-7",  # minimum 2,048
    "claude-haiku-4-5",  # minimum 4,096, drops the thinking of finished turns; an alias
    "claude-sonnet-4-5",  # minimum 1,024, likewise
)
LIVES_S = (1.0, 200.0, 299.0, 299.9, 301.0, 500.0, 3_000.0, 3_599.0, 3_601.0)
FAVOURITES = (0, 1, 3, 6, 9)
GAPS_S = (0, 0, 0.5, 1, 20, 60, 240, 294.9, 295, 299.9, 300, 300.1, 305, 600, 3594, 3599.9, 3600, 3600.1, 4000)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
WORDS = (
    "lorem",
    "ipsum",
    "dolor",
    "sit",
    "amet",
    "consectetur",
    "–",
    "naïve",
    "café",
    "☕",
    "\\",
    '"quoted"',
    "\n\t",
    "elit",
)


def prose(random: Random, length: int) -> str:
    """Text of about this many characters."""
    words = []
    size = 0
    while size < length:
        words.append(random.choice(WORDS))
        size += len(words[-1]) + 1
    return " ".join(words).strip() or "x"


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


@dataclass
class Conversation:
    """One client's thread: what stands in front, and the messages so far."""

    model: str
    key: str
    system: Any
    tools: Blocks
    messages: list[dict[str, Any]] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)


@dataclass
class Step:
    """One request and the seconds that pass before it."""

    gap_s: float
    key: str
    body: Body
    conversation: Conversation


class Traffic:
    """A few clients that share an application's prompts. Draw a step, send it, tell the answer."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.model = random.choice(MODELS)
        # Half of the time the same few breakpoints come and go on one prompt that hardly grows: what lives how long.
        self.narrow = random.random() < 0.5
        small = 300 if self.narrow else random.choice((40, 120, 300))
        self.texts = [prose(random, random.randint(5, small)) for _ in range(8)] + [prose(random, 1_100)]
        self.tools = [self._tool(name) for name in ("read_file", "list_files", "search")]
        self.conversations: list[Conversation] = []
        self._ids = 0

    def step(self) -> Step:
        """The next request: of a new conversation, of a running one, or an earlier one again."""
        random = self.random
        known = self.conversations
        if not known or (len(known) < 4 and not self.narrow and random.random() < 0.2):
            known.append(self._start())
        conversation = random.choice(known)
        if (
            not conversation.messages
            or conversation.messages[-1]["role"] != "user"
            or random.random() < (0.1 if self.narrow else 0.7)
        ):
            self._speak(conversation)
        often = LIVES_S if self.narrow else GAPS_S
        gap = random.choice(often) if random.random() < 0.6 else random.choice((0.0, 1.0, 5.0))
        return Step(gap, conversation.key, self._body(conversation), conversation)

    def answered(self, step: Step, content: Blocks) -> None:
        """Take the answer into the conversation, or one of the client's own making in its place."""
        random, conversation = self.random, step.conversation
        if self.narrow and random.random() < 0.9:
            return
        if not content or (random.random() < 0.4 and not any(one["type"] == "thinking" for one in content)):
            content = self._own_answer(conversation)
        self._reply(conversation, content)

    def _reply(self, conversation: Conversation, content: Any) -> None:
        conversation.messages.append({"role": "assistant", "content": content})
        blocks = content if isinstance(content, list) else []
        conversation.pending = [one["id"] for one in blocks if one["type"] == "tool_use"]

    # --- what is said ------------------------------------------------------------------------------------------------

    def _start(self) -> Conversation:
        random = self.random
        some = random.sample(self.texts, 3)
        system = random.choice((None, "", some[0], [text(one) for one in some[: random.randint(1, 3)]]))
        if isinstance(system, list) and random.random() < 0.3:
            nonce = f"x-anthropic-billing-header: cc_version=1.{random.randint(0, 999)};"
            system = [text(nonce), *system]
        tools = [copy.deepcopy(one) for one in self.tools[: random.choice((0, 0, 1, 3))]]
        if tools and random.random() < 0.3:
            tools.insert(random.randint(0, len(tools)), {"type": "web_search_20250305", "name": "web_search"})
        if tools and random.random() < 0.3:
            tools.append(self._tool("rare") | {"defer_loading": True})
        model = self.model if random.random() < 0.8 else random.choice(MODELS)
        key = "sk-ant-sim-" + ("north-1" if random.random() < 0.8 else "south-1")
        conversation = Conversation(model, key, system, tools)
        for _ in range(random.choice((3, 6) if self.narrow else (0, 0, 1, 6))):
            self._speak(conversation)
            self._reply(conversation, self._own_answer(conversation))
        return conversation

    def _speak(self, conversation: Conversation) -> None:
        random = self.random
        content: Any = [self._result(one) for one in conversation.pending]
        conversation.pending = []
        if not content or random.random() < 0.4:
            content += [text(random.choice(self.texts)) for _ in range(random.choice((1, 1, 2)))]
            if random.random() < 0.08:
                content.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}})
            if random.random() < 0.08:
                content.append(self._document())
        if len(content) == 1 and content[0]["type"] == "text" and random.random() < 0.5:
            content = content[0]["text"]
        if conversation.messages and conversation.messages[-1]["role"] == "user" and random.random() < 0.5:
            last = conversation.messages[-1]
            if isinstance(last["content"], str):
                last["content"] = [text(last["content"])]
            last["content"] += [text(content)] if isinstance(content, str) else content
        else:
            conversation.messages.append({"role": "user", "content": content})

    def _own_answer(self, conversation: Conversation) -> Any:
        random = self.random
        said = random.choice(self.texts)
        if not conversation.tools or random.random() < 0.4:
            return random.choice((said, [text(said)], [text(said), text(random.choice(self.texts))]))
        calls: Blocks = [text(said)] if random.random() < 0.5 else []
        for _ in range(random.choice((1, 2, 3, 25))):
            self._ids += 1
            name = f"toolu_{self._ids:06}"
            calls.append({"type": "tool_use", "id": name, "name": "read_file", "input": {"path": said[:40], "n": self._ids}})
        return calls

    def _result(self, tool_use_id: str) -> dict[str, Any]:
        random = self.random
        said = random.choice(self.texts[:-1])
        content = random.choice((said, [text(said)], [text(said), text("image")]))
        return {"type": "tool_result", "tool_use_id": tool_use_id, "content": content}

    def _document(self) -> dict[str, Any]:
        source = {"type": "text", "media_type": "text/plain", "data": self.random.choice(self.texts)}
        document: dict[str, Any] = {"type": "document", "source": source, "title": "a title"}
        return document | ({"citations": {"enabled": True}} if self.random.random() < 0.5 else {})

    def _tool(self, name: str) -> dict[str, Any]:
        described = prose(self.random, self.random.choice((10, 200, 600)))
        return {"name": name, "description": described, "input_schema": SCHEMA}

    # --- how it is asked ---------------------------------------------------------------------------------------------

    def _body(self, conversation: Conversation) -> Body:
        random = self.random
        body: Body = {
            "model": conversation.model,
            "max_tokens": random.choice((1_100, 2_000)),
            "stream": random.random() < 0.3,
        }
        if conversation.tools:
            body["tools"] = conversation.tools
        if conversation.system is not None:
            body["system"] = conversation.system
        body["messages"] = conversation.messages
        body = copy.deepcopy(body)
        if random.random() < (0.03 if self.narrow else 0.15):
            body.update(random.choice(self._parameters(conversation)))
        if random.random() < 0.1:  # said, but changes nothing
            body.update(random.choice(({"tool_choice": {"type": "auto"}}, {"thinking": None}, {"temperature": 1})))
        self._mark(body)
        return body

    def _parameters(self, conversation: Conversation) -> list[Body]:
        """Settings that belong to the messages level."""
        shape = {"type": "json_schema", "schema": SCHEMA}
        found: list[Body] = [
            {"tool_choice": {"type": "none"}},
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ]
        if conversation.model in {"claude-haiku-4-5", "claude-sonnet-4-5"}:
            return [*found, {"thinking": {"type": "enabled", "budget_tokens": 1_024}}, {"thinking": {"type": "disabled"}}]
        found += [{"output_config": {"effort": effort}} for effort in ("low", "medium", "high")]
        found += [{"output_config": {"format": shape}}, {"thinking": {"type": "adaptive"}}]
        return [*found, {"thinking": {"type": "disabled"}}] if conversation.model != "claude-opus-5-5" else found

    def _mark(self, body: Body) -> None:
        """Up to four breakpoints of the client, 1h before 5m, or automatic caching, or both."""
        random = self.random
        spots = [one for one in body.get("tools", ()) if not one.get("defer_loading")]
        if isinstance(body.get("system"), list):
            spots += body["system"]
        for message in body["messages"]:
            if isinstance(message["content"], list):
                spots += [one for one in message["content"] if one["type"] != "thinking"]
        automatic = random.random() < 0.25
        wanted = min(random.choice((0, 1, 2, 4)), 4 - automatic, len(spots))
        tail_heavy = random.random() < 0.5
        chosen = sorted(random.sample(range(len(spots)), wanted)) if not tail_heavy else list(range(len(spots)))[-wanted:]
        if self.narrow:
            favourites = [at for at in FAVOURITES if at < len(spots)]
            chosen = sorted(random.sample(favourites, min(len(favourites), random.choice((1, 1, 2, 3)))))
            automatic = False
        chosen = chosen if wanted or self.narrow else []
        wanted = len(chosen)
        hours = random.choice((0, 0, wanted, random.randint(0, wanted)))
        for number, at in enumerate(chosen):
            mark = (
                {"type": "ephemeral"} | random.choice(({}, {"ttl": "5m"}))
                if number >= hours
                else {"type": "ephemeral", "ttl": "1h"}
            )
            spot = spots[at]
            inner = spot.get("content") if spot.get("type") == "tool_result" else None
            (inner[-1] if isinstance(inner, list) and random.random() < 0.3 else spot)["cache_control"] = mark
        if automatic:
            body["cache_control"] = (
                {"type": "ephemeral", "ttl": "1h"} if hours == wanted and random.random() < 0.5 else {"type": "ephemeral"}
            )
