"""The dialect: what its contract does not say of it (tests/contracts/test_dialects.py)."""

from __future__ import annotations

import msgspec

from tests.wire.openai.contents import message
from thriftgate.core.errors import ModelNotFound
from thriftgate.wire.openai.responses import OpenaiResponses
from thriftgate.wire.openai.responses_answer import Frame

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
