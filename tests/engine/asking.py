"""Conversations with the simulator in which something is asked of the answers, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import msgspec

from tests.engine.test_stabilising import Recording
from tests.fixtures import TestClock, assert_sound, call_of, engine_on, read_all, simulator, told
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.call import Reply
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.simulator import Simulator
from thriftgate.wire.whole_message import message_of

Json = dict[str, Any]

PLAIN, THINKS, BOUND = "claude-opus-4-8", "claude-sonnet-5", "claude-opus-5-5"
OLD, OLDER = "claude-haiku-4-5", "claude-sonnet-4-5"  # take prefills, know no effort
LONG_SYSTEM = "You answer mails. " + "The desk answers each mail on the day on which it came. " * 400
SCHEMA: Json = {
    "type": "object",
    "properties": {"label": {"type": "string"}},
    "required": ["label"],
    "additionalProperties": False,
}
RAW = msgspec.json.encode(SCHEMA).decode()


def tables(levers: Sequence[str], *rows: Json, **output: Any) -> dict[str, Any]:
    """Settings under which the rows are in force."""
    return {"policy": {"levers": tuple(levers)}, "output": {"tasks": rows, **output}}


class Run(NamedTuple):
    """What the provider billed (pico-USD), the books, the bodies that left, the answers and their headers."""

    billed: int
    entries: list[Entry]
    bodies: list[bytes]
    answers: list[Json]
    headers: list[tuple[tuple[bytes, bytes], ...]]

    def saved(self, lever: str) -> int:
        return sum(-entry.posted(f"saved:{lever}") for entry in self.entries)

    def baseline(self) -> int:
        return sum(entry.posted(BASELINE) for entry in self.entries)

    def texts(self) -> list[str]:
        return [text_of(answer) for answer in self.answers]


def text_of(answer: Json) -> str:
    return "".join(block["text"] for block in answer["content"] if block["type"] == "text")


async def answer_of(reply: Reply) -> Json:
    """The message, whether it came whole or as a stream."""
    got = await read_all(reply)
    answer: Json = msgspec.json.decode(message_of(got) if reply.body is None else got)
    return answer


async def booked(engine: Engine) -> list[Entry]:
    """All entries, sound, the oldest first."""
    await assert_sound(engine.ledger)
    return sorted(await engine.ledger.entries(limit=100_000), key=lambda entry: entry.id)


async def executed(bodies: Sequence[Json], app: Simulator | None = None, gap_s: float = 1.0, **settings: Any) -> Run:
    """Calls one after the other; the books are the bill. `app` may have answered others before."""
    app = app or simulator(instance_id="one")
    before = len(app.bill.calls)
    wire, clock = Recording(app), TestClock(app.config.clock)  # type: ignore[arg-type]
    answers: list[Json] = []
    headers = []
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(engine_on(app, transport=wire, clock=clock, **settings))
        known = {entry.id for entry in await booked(engine)}
        for body in bodies:
            reply = await engine.messages(call_of(body))
            assert reply.status == 200, reply.body
            answers.append(await answer_of(reply))
            headers.append(reply.headers)
            clock.advance(gap_s)
        entries = [entry for entry in await booked(engine) if entry.id not in known]
    assert_billed(entries, app, before)
    billed = sum(pico_from_usd(call.cost) for call in app.bill.calls[before:])
    return Run(billed, entries, wire.bodies, answers, headers)


def assert_billed(entries: Sequence[Entry], app: Simulator, before: int = 0) -> None:
    """What was paid by the books is what the simulator has billed, call by call. Calls that were refused are free."""
    paid = [-entry.posted(UPSTREAM) for entry in entries]
    billed = [pico_from_usd(call.cost) for call in app.bill.calls[before:]]
    assert [one for one in paid if one] == [one for one in billed if one]


class Talk:
    """A conversation whose client sends back all that it gets."""

    def __init__(self, **members: Any) -> None:
        self.body: Json = {"max_tokens": 2_000, "messages": [], **members}

    async def says(self, engine: Engine, text: str) -> Json:
        self.body["messages"].append({"role": "user", "content": text})
        reply = await engine.messages(call_of(self.body))
        answer = await answer_of(reply)
        assert reply.status == 200, answer
        assert not answer.get("input_transformations"), answer
        self.body["messages"].append({"role": "assistant", "content": answer["content"]})
        self.plan = told(reply.headers, "thriftgate-plan")
        return answer
