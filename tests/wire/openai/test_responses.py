"""The dialect: what its contract does not say of it (tests/contracts/test_dialects.py)."""

from __future__ import annotations

import msgspec

from tests.wire import streams
from tests.wire.openai.contents import message
from thriftgate.core.errors import ModelNotFound
from thriftgate.wire.openai.responses import OpenaiResponses
from thriftgate.wire.openai.responses_answer import Frame
from thriftgate.wire.openai.responses_output import Told

NOW_S = 1_795_000_000


def test_answers_are_told_with_what_was_asked() -> None:
    teller = OpenaiResponses(Frame({"instructions": "Be brief"})).teller(NOW_S)
    assert teller is not None
    status, body = teller.whole(200, msgspec.json.encode(message([])))
    response = msgspec.json.decode(body)
    assert (status, response["instructions"], response["created_at"]) == (200, "Be brief", NOW_S)
    assert (response["store"], response["background"], response["object"]) == (False, False, "response")


def test_errors_are_in_openais_shape() -> None:
    teller = OpenaiResponses().teller(NOW_S)
    assert teller is not None
    error = b'{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}'
    status, body = teller.whole(429, error)
    told = {"message": "Slow down", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    assert (status, msgspec.json.decode(body)) == (429, {"error": told})
    own = msgspec.json.decode(OpenaiResponses().error(ModelNotFound("no such model")))
    assert own["error"]["code"] == "model_not_found"


def test_a_sign_of_life_is_a_comment() -> None:
    teller = OpenaiResponses().teller(NOW_S)
    assert teller is not None
    assert teller.ping.startswith(b":")


def test_what_it_cannot_carry_is_declared() -> None:
    assert {"store", "previous_response_id", "text.verbosity", "tools[].type"} <= set(OpenaiResponses.cannot_carry)


def test_an_answer_that_is_no_utf_8_is_an_error() -> None:
    searched = streams.simulated("search", stream=False)
    teller = OpenaiResponses(Frame({}, Told(sources=True))).teller(NOW_S)
    assert teller.whole(200, searched)[0] == 200
    assert teller.whole(200, searched.replace(b"Simulated result", b"Simulated \xffesult"))[0] == 502
    streamed = streams.simulated("search", stream=True).replace(b"Simulated result", b"Simulated \xffesult")
    assert b"event: response.failed" in teller.feed(streamed)


def test_results_of_a_search_that_are_no_objects_have_no_source() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": ["x", None, {"url": "https://a.invalid"}]}
    teller = OpenaiResponses(Frame({}, Told(sources=True))).teller(NOW_S)
    status, body = teller.whole(200, msgspec.json.encode(message([use, found])))
    searched = next(item for item in msgspec.json.decode(body)["output"] if item["type"] == "web_search_call")
    assert (status, searched["action"]["sources"]) == (200, [{"type": "url", "url": "https://a.invalid"}])


def test_text_for_a_block_that_is_none_is_left_out() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "x", "input": {}}
    told = OpenaiResponses(Frame({})).teller(NOW_S)
    heard = told.feed(
        streams.event("message_start", message=message([]))
        + streams.event("content_block_start", index=0, content_block=use)
        + streams.event("content_block_delta", index=0, delta={"type": "text_delta", "text": "x"})
    )
    assert b"output_text" not in heard + told.end()
