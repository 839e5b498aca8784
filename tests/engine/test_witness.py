"""Whoever watches answered calls hears each of them once, with its answer, and can hold none up."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fixtures import assert_sound, call_of, engine_on, message, read_all, simulator
from tests.scripted import Provider, Say, say_error
from thriftgate.core.errors import ThriftgateError
from thriftgate.engine.call import Call
from thriftgate.engine.settle import Prepared
from thriftgate.ledger.entries import Entry
from thriftgate.wire.assemble import Answer


class Ear:
    """Wants all, or nothing, and notes what it hears."""

    def __init__(self, *, wants: bool = True) -> None:
        self.wanted = wants
        self.asked = 0
        self.calls: list[tuple[str, Entry, Answer | None]] = []

    def wants(self, call: Call, prepared: Prepared) -> bool:
        self.asked += 1
        return self.wanted

    def heard(self, call: Call, prepared: Prepared, entry: Entry, answer: Answer | None) -> None:
        self.calls.append((prepared.id, entry, answer))

    def kept(self) -> bytes:
        return msgspec.msgpack.encode(len(self.calls))

    def restore(self, data: bytes) -> None:
        self.asked = msgspec.msgpack.decode(data, type=int)


@pytest.mark.parametrize("members", [{}, {"stream": True}], ids=["whole", "stream"])
async def test_it_hears_the_answer(members: dict[str, Any]) -> None:
    async with engine_on(simulator()) as engine:
        engine.witness = ear = Ear()
        said = await read_all(await engine.messages(call_of(message("[[sim: say=a river]]", **members))))
        (entry,) = await engine.ledger.entries()
        await assert_sound(engine.ledger)
    ((call_id, heard, answer),) = ear.calls
    assert call_id == heard.id == entry.id
    assert heard == entry
    assert answer == Answer([{"type": "text", "text": "a river"}], "end_turn")
    assert b"a river" in said


@pytest.mark.parametrize("members", [{}, {"stream": True}], ids=["whole", "stream"])
async def test_one_that_does_not_want_to_is_left_alone(members: dict[str, Any]) -> None:
    async with engine_on(simulator()) as engine:
        engine.witness = ear = Ear(wants=False)
        await read_all(await engine.messages(call_of(message(**members))))
    assert ear.asked == 1
    assert ear.calls == []


async def test_errors_are_nothing_to_hear() -> None:
    async with engine_on(Provider(say_error(400, "invalid_request_error"))) as engine:
        engine.witness = ear = Ear()
        await engine.messages(call_of(message()))
    assert (ear.asked, ear.calls) == (0, [])


async def test_what_is_no_message_has_no_answer() -> None:
    async with engine_on(Provider(Say([b"{"], 200))) as engine:
        engine.witness = ear = Ear()
        with pytest.raises(ThriftgateError):
            await engine.messages(call_of(message()))
    assert ear.calls == []


async def test_what_it_learns_is_kept() -> None:
    async with engine_on(simulator()) as engine:
        ear = Ear()
        await engine.witnessed("ear", ear, ear)
        await engine.messages(call_of(message()))
        engine.keep_soon()
        await engine.tasks.finish(2.0)
        again = Ear()
        await engine.witnessed("ear", again, again)
        assert engine.witness is again
    assert again.asked == 1
