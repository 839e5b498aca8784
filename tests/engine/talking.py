"""Long conversations with tools and thinking, through an engine in front of a simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

from msgspec.structs import replace

from tests.engine.test_reducing import Scene
from tests.laws.traffic import prose
from thriftgate.core.reduction.when import decide
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.simulator import Simulator

PLAIN, BOUND, CHEAP = "claude-opus-4-8", "claude-opus-5-5", "claude-haiku-5-5"
COMPACT, WINDOW, TRIM = "context.compact", "context.window", "context.trim_tools"
LEVERS = (WINDOW, COMPACT, TRIM)
TOOL = {
    "name": "look",
    "description": "looks",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
}
EAGER = partial(decide, share=1.0, margin=0.0)
"""The sum without the patience of its budget: to see cuts in conversations that a test can afford."""


def tables(*levers: str, **context: Any) -> dict[str, Any]:
    """Settings with these levers on."""
    clears = {"clear_old_results": TRIM in levers, "tool_result_tokens": 100_000}  # no middles go
    return {"policy": {"levers": ["cache.breakpoints", *levers]}, "context": clears | context}


class Talk:
    """One conversation, drawn from a seed: the same words whatever the levers do."""

    def __init__(
        self, one: Scene, model: str, seed: int = 0, *, length: int = 3_000, ttl: str = "", tools: bool = True
    ) -> None:
        self.one, self.model, self.tools = one, model, tools
        self.random = Random(f"talk {seed}")
        self.length = length
        self.members: dict[str, Any] = {"model": model, "max_tokens": 2_000, "system": prose(self.random, 8_000)}
        if tools:
            self.members["tools"] = [TOOL]
        if ttl:
            self.members["cache_control"] = {"type": "ephemeral", "ttl": ttl}
        self.turns = 0

    async def turn(self, gap_s: float = 20.0, more: str = "") -> Entry:
        """One turn of the user, with the calls of tools that it leads to."""
        random, number = self.random, self.turns
        self.turns += 1
        said = prose(random, random.randint(200, self.length))
        thinks, answer = random.randint(20, 200), random.randint(50, 400)
        self.pass_time(gap_s)
        if not self.tools or number % 2:
            return await self.say(f"{number} [[sim: think={thinks} out={answer}]]{more} {said}")
        entry = await self.say(f"{number} [[sim: think={thinks} tool=look]]{more}")
        while calls := [block["id"] for block in self.one.messages[-1]["content"] if block["type"] == "tool_use"]:
            self.pass_time(3.0)
            entry = await self.say([{"type": "tool_result", "tool_use_id": call, "content": said} for call in calls])
        return entry

    async def say(self, content: Any) -> Entry:
        return await self.one.say(content, **self.members)

    async def last(self, turns: int, gap_s: float = 20.0) -> None:
        for _ in range(turns):
            await self.turn(gap_s)

    def pass_time(self, seconds: float) -> None:
        self.one.app.config.clock.advance(seconds)  # type: ignore[attr-defined]


class Detour:
    """The way to the simulator; requests for a summary go where `meanwhile` leads them, with `told` said to the model."""

    def __init__(self, app: Simulator, *, told: str = "", elsewhere: Simulator | None = None) -> None:
        self._there = AsgiTransport(app)
        self._elsewhere = AsgiTransport(elsewhere or app)
        self._told = told
        self.bodies: list[bytes] = []
        self.summaries: list[bytes] = []
        self.meanwhile: Callable[[], Any] | None = None

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        assert isinstance(outgoing.body, bytes)
        self.bodies.append(outgoing.body)
        if b"Sum up the conversation" not in outgoing.body:
            return await self._there.send(outgoing, timeouts)
        self.summaries.append(outgoing.body)
        if self.meanwhile is not None:
            await self.meanwhile()
        told = outgoing.body.replace(b"Sum up the conversation", self._told.encode() + b" Sum up the conversation")
        headers = tuple(pair for pair in outgoing.headers if pair[0] != b"content-length")
        return await self._elsewhere.send(replace(outgoing, body=told, headers=headers), timeouts)

    async def close(self) -> None:
        await self._there.close()


def reason_of(entry: Entry, lever: str) -> tuple[str, str]:
    """What was decided about a lever, and why."""
    (line,) = [one for one in entry.decisions if one.lever == lever]
    return line.decision, line.reason


def is_new(entry: Entry, lever: str) -> bool:
    """Whether the step was taken before this very call."""
    decision, reason = reason_of(entry, lever)
    return decision == "applied" and not reason.startswith("as since")


def paid(entries: Sequence[Entry]) -> int:
    return sum(-entry.posted(UPSTREAM) for entry in entries)


def saved(entries: Sequence[Entry]) -> int:
    """What the levers of history have brought, what summaries have cost taken off."""
    return sum(-entry.posted(f"saved:{account}") for entry in entries for account in LEVERS)
