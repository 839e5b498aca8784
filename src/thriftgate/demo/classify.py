"""Nightly classification: the tickets of a day, eight at a time, each with the same instructions. Async. Haiku 5.5."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from thriftgate.demo.stage import Stage
from thriftgate.demo.texts import text

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

MODEL = "claude-haiku-5-5"
AT_ONCE = 8


def run(stage: Stage) -> None:
    """The first eight find nothing in the cache and pay for writing it, as they would in earnest."""
    asyncio.run(_run(stage))


async def _run(stage: Stage) -> None:
    taxonomy, room = text("taxonomy.md"), asyncio.Semaphore(AT_ONCE)
    async with stage.async_client() as client, asyncio.TaskGroup() as group:
        for ticket in tickets():
            group.create_task(_classify(client, taxonomy, ticket, room, stage))


async def _classify(client: AsyncAnthropic, taxonomy: str, ticket: str, room: asyncio.Semaphore, stage: Stage) -> None:
    async with room:
        await client.messages.create(
            model=MODEL,
            max_tokens=64,
            system=taxonomy,
            thinking={"type": "disabled"},
            messages=[{"role": "user", "content": f"Give the category of this support ticket.\n\nTicket: {ticket}"}],
        )
    stage.tick()


def tickets() -> list[str]:
    """One a line."""
    return text("tickets.txt").splitlines()
