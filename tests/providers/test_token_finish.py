"""Calls with access tokens: one that is not taken is exchanged once, and nothing is sent without one."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.fixtures import TestClock
from tests.providers.clouds import Answers, Fountain, answer
from thriftgate.core.errors import BrokenReply, Unreachable, UpstreamTimeout
from thriftgate.providers.cloud_errors import GOOGLE
from thriftgate.providers.token_finish import TokenFinish
from thriftgate.providers.token_keeper import TokenKeeper
from thriftgate.providers.transport import Outgoing, Timeouts, header

OUTGOING = Outgoing("POST", "https://x/y", ((b"a", b"1"), (b"authorization", b"old")), b"{}")
DENIED = answer({"error": {"code": 401, "message": "no", "status": "UNAUTHENTICATED"}}, 401)
FINE = answer({"id": "msg_1"})


def bearers(wire: Answers) -> list[str]:
    return [header(sent.headers, b"authorization") for sent in wire.sent]


async def test_a_token_goes_with_the_call() -> None:
    wire, finish = Answers(FINE, FINE), TokenFinish(TokenKeeper(Fountain()), GOOGLE)
    for _ in range(2):
        sent = await finish.send(replace(OUTGOING, finish=finish), Timeouts(), wire, TestClock())
        assert sent is FINE
    assert bearers(wire) == ["Bearer t1", "Bearer t1"]
    assert wire.sent[0].finish is None
    assert (wire.sent[0].headers[0], wire.sent[0].body, wire.sent[0].url) == ((b"a", b"1"), b"{}", "https://x/y")


async def test_a_token_that_is_not_taken_is_exchanged_once() -> None:
    wire, finish = Answers(DENIED, FINE), TokenFinish(TokenKeeper(Fountain()), GOOGLE)
    assert (await finish.send(OUTGOING, Timeouts(), wire, TestClock())).status == 200
    assert bearers(wire) == ["Bearer t1", "Bearer t2"]
    wire.answers = [DENIED, DENIED]
    denied = await finish.send(OUTGOING, Timeouts(), wire, TestClock())
    assert (denied.status, bearers(wire)[2:]) == (401, ["Bearer t2", "Bearer t3"])
    assert b"authentication_error" in await denied.read()


async def test_where_no_other_token_is_to_be_had_the_providers_word_counts() -> None:
    source = Fountain()
    wire, finish = Answers(FINE, DENIED), TokenFinish(TokenKeeper(source), GOOGLE)
    await finish.send(OUTGOING, Timeouts(), wire, TestClock())
    source.fails = 1
    assert (await finish.send(OUTGOING, Timeouts(), wire, TestClock())).status == 401


async def test_without_a_token_nothing_is_sent() -> None:
    source = Fountain()
    source.fails = 1
    wire = Answers()
    with pytest.raises(Unreachable, match="no token 1"):
        await TokenFinish(TokenKeeper(source), GOOGLE).send(OUTGOING, Timeouts(), wire, TestClock())
    assert wire.sent == []


@pytest.mark.parametrize("error", [UpstreamTimeout("late"), BrokenReply("cut"), Unreachable("nobody")])
async def test_what_became_of_the_call_itself_stays_what_it_is(error: Exception) -> None:
    for finish in (TokenFinish(TokenKeeper(Fountain()), GOOGLE), TokenFinish(None, GOOGLE)):
        with pytest.raises(type(error), match=str(error)):
            await finish.send(OUTGOING, Timeouts(), Answers(error), TestClock())


async def test_credentials_that_are_there_already_stay() -> None:
    wire = Answers(FINE, DENIED)
    finish = TokenFinish(None, GOOGLE)
    await finish.send(OUTGOING, Timeouts(), wire, TestClock())
    assert (await finish.send(OUTGOING, Timeouts(), wire, TestClock())).status == 401
    assert bearers(wire) == ["old", "old"]
