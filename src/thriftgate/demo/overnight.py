"""Overnight: drafts of answers to the day's tickets, each over the whole handbook, wanted by the morning. Sonnet 5.5.

The program makes ordinary calls and awaits their answers; one line of middleware says that they can wait until then. The
gateway puts them into batches, and sends one of them ahead, which writes the handbook into the provider's cache.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from thriftgate.demo.classify import tickets
from thriftgate.demo.stage import Stage
from thriftgate.demo.texts import text

if TYPE_CHECKING:
    from anthropic import APIRequest, AsyncAnthropic, AsyncAPIResponse, AsyncCallNext

MODEL = "claude-sonnet-5-5"
DEADLINE = "8h"
CALLS = 24
HANDED_IN = 202
LOOK_S = 0.1
STEP_S, STEP_EVERY_S = 60.0, 0.05  # the night passes a minute at a time


def run(stage: Stage) -> None:
    """The night itself is simulated: it passes while the answers are awaited."""
    asyncio.run(_run(stage))


async def _run(stage: Stage) -> None:
    from thriftgate.client import Deferring  # noqa: PLC0415  needs the SDK, an optional dependency

    handbook, handed_in = text("handbook.md"), asyncio.Semaphore(0)

    async def seen(request: APIRequest, call_next: AsyncCallNext) -> AsyncAPIResponse[Any]:
        response = await call_next(request)
        if response.status_code == HANDED_IN:
            handed_in.release()
        return response

    async with stage.async_client() as plain:
        client = plain.with_middleware(Deferring(DEADLINE, look_s=LOOK_S), seen)
        night = asyncio.ensure_future(_pass_time(stage, handed_in))
        try:
            await asyncio.gather(*(_draft(client, handbook, ticket, stage) for ticket in tickets()[:CALLS]))
        finally:
            night.cancel()


async def _draft(client: AsyncAnthropic, handbook: str, ticket: str, stage: Stage) -> None:
    await client.messages.create(
        model=MODEL,
        max_tokens=400,
        system=handbook,
        messages=[{"role": "user", "content": f"Draft an answer to this ticket.\n\n{ticket}"}],
    )
    stage.tick()


async def _pass_time(stage: Stage, handed_in: asyncio.Semaphore) -> None:
    """The night begins when the last ticket is in the queue, however long a busy machine takes for that."""
    for _ in range(CALLS):
        await handed_in.acquire()
    while True:
        await asyncio.sleep(STEP_EVERY_S)
        stage.pause(STEP_S)
