"""What a call that was not made would have cost."""

from __future__ import annotations

import msgspec
import pytest

from tests.core.earlier.test_answer import kept
from tests.engine.reusing.check_store import NOW_S
from tests.engine.reusing.stage import EXACT, question
from tests.fixtures import call_of, message
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.request import parse_request
from thriftgate.engine.reusing.booking import entry_of, forgone, reply_of
from thriftgate.engine.reusing.tier import Found
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.unsent import Books, Opened
from thriftgate.pricing.load import load_book, load_models

USAGE = {"input_tokens": 0, "cache_read_input_tokens": 12, "output_tokens": 1_000}
ANSWER = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "stop_reason": "end_turn"}
BODY = msgspec.json.encode(ANSWER | {"content": [{"type": "text", "text": "Yes."}], "usage": USAGE})


def knowledge() -> Knowledge:
    return Knowledge(load_book(), load_models())


def found(**members: object) -> Found:
    return Found(kept(BODY, **members), "to it", EXACT)


def test_the_prompt_as_it_would_be_billed_and_the_answer_as_it_was() -> None:
    spared = forgone(question(), found(), knowledge(), "", NOW_S + 7.4)
    assert spared.pico == pytest.approx(1_000 * 25e6, rel=0.01)  # 25 USD a million tokens of output, and a few of input
    assert spared.pico > 1_000 * 25e6
    (line,) = spared.decisions
    assert (line.lever, line.decision, line.forecast_pico) == (EXACT, "applied", spared.pico)
    assert line.reason.startswith("the answer of tg_1, given 7 s ago to it: 12 tokens in and 1000 out then;")


def test_a_call_in_fast_mode_or_in_one_country_costs_what_that_costs() -> None:
    plain = forgone(question(), found(), knowledge(), "", NOW_S).pico
    body = msgspec.json.encode(message(inference_geo="us"))
    there = question(call=call_of(body), request=parse_request(body))
    assert forgone(there, found(), knowledge(), "", NOW_S).pico == pytest.approx(1.1 * plain)


def test_a_prompt_that_cannot_be_read_is_priced_as_it_was_and_a_model_without_a_price_is_not_reused() -> None:
    body = msgspec.json.encode(message(tools=5))
    odd = question(call=call_of(body), request=parse_request(body))
    assert forgone(odd, found(), knowledge(), "", NOW_S).pico == 1_000 * 25_000_000 + 12 * 500_000
    with pytest.raises(UnknownPrice):
        forgone(question(), found(model="of-tomorrow"), knowledge(), "", NOW_S)


def test_the_entry_and_the_reply_say_the_same() -> None:
    asked = question()
    spared = forgone(asked, found(), knowledge(), "", NOW_S)
    opened = Opened("tg_2", int(NOW_S * 1e6), "key_1", "anthropic.messages", asked.call.whose, "fp:1")
    entry = entry_of(asked, found(), spared, opened, Books("anthropic", "book", opened.opened_us + 2_000))
    assert entry.balance() == 0
    assert (entry.id, entry.latency_ms, entry.message_id, entry.note) == (
        "tg_2",
        2,
        "msg_1",
        "answered with the answer of tg_1",
    )
    reply = reply_of(asked, found(), entry, ((b"thriftgate-limit", b"x"),))
    assert (b"thriftgate-limit", b"x") in reply.headers
    assert reply.body.startswith(BODY[: BODY.index(b'"usage"')])
    with pytest.raises(msgspec.MsgspecError):
        reply_of(asked, Found(kept(b"{}"), "to it", EXACT), entry, ())
