"""Whether two answers say the same: by their words, or by a judge whose calls are booked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.core.earlier.test_answer import kept
from tests.engine.reusing.alike import Knowing
from tests.engine.reusing.stage import entries, question
from tests.fixtures import call_of, engine_on, message, simulator
from thriftgate.core.earlier.answer import KeptAnswer
from thriftgate.engine.reusing.comparing import ACCOUNT, ENDPOINT, Judge, Words
from thriftgate.ledger.entries import SAVED, UPSTREAM


def saying(text: str) -> KeptAnswer:
    body: dict[str, Any] = {"type": "message", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
    return replace(kept(), body=msgspec.json.encode(body))


async def test_words() -> None:
    words = Words()
    assert await words.same(question(), "q", saying("Billing"), saying("billing."))
    assert await words.same(question(), "q", saying('{"a": 1}'), saying('{ "a":1 }'))
    assert await words.same(question(), "q", saying("billing"), saying("shipping")) is False
    assert await words.same(question(), "q", replace(kept(), body=b"x"), saying("billing")) is None


@pytest.mark.parametrize(("reply", "same"), [("same", True), ("different", False), ("perhaps", None)])
async def test_a_judge_is_asked_where_words_differ(reply: str, same: bool | None) -> None:
    app = simulator()
    transport = Knowing(app, lambda _: f"say={reply}")
    async with engine_on(app, transport=transport) as engine:
        judge = Judge(engine.knowledge.models["claude-haiku-4-5"], engine.toucher)
        call = call_of(message("why?"))
        asked = question(call=call, key=engine.payer_of(call))
        assert await judge.same(asked, "why?", saying("as said"), saying("As  said"))
        assert transport.came == 0
        assert await judge.same(asked, "why?", saying("because it is"), saying("since it is so")) is same
        (entry,) = await entries(engine)
        assert (entry.endpoint, entry.model[:16], entry.parent) == (ENDPOINT, "claude-haiku-4-5", saying("").id)
        assert entry.posted(SAVED + ACCOUNT) == -entry.posted(UPSTREAM) > 0


async def test_a_judge_that_cannot_be_reached_says_nothing() -> None:
    async def gone(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async with engine_on(gone) as engine:
        judge = Judge(engine.knowledge.models["claude-haiku-4-5"], engine.toucher)
        asked = question(call=call_of(message("why?")))
        assert await judge.same(asked, "why?", saying("a b"), saying("c d")) is None
