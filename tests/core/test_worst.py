"""The most a call of Opus 4.8 can use: $5 in and $25 out per million tokens."""

from __future__ import annotations

from tests.core.planning import NOW_S, request_of, state_of
from thriftgate.core.agents.limits import Amount
from thriftgate.core.cost import day_of
from thriftgate.core.money import pico_from_usd
from thriftgate.core.plan import Draft
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request
from thriftgate.core.worst import worst_of

WINDOW = 1_000_000


def worst(request: Request, tokens: int) -> Amount:
    draft = Draft(Terms(request.model, day_of(NOW_S)), request.max_tokens, ())
    return worst_of(draft, state_of(request, tokens=tokens))


def test_prompt_and_answer() -> None:
    assert worst(request_of(max_tokens=1_000), 1_000) == Amount(2_000, pico_from_usd("0.03"))


def test_no_prompt_is_longer_than_the_window() -> None:
    assert worst(request_of(max_tokens=1_000), 5 * WINDOW) == Amount(WINDOW + 1_000, pico_from_usd("5.025"))


def test_of_a_thread_the_whole_window_is_assumed() -> None:
    request = request_of(max_tokens=1_000, thread={"type": "continue", "previous_message_id": "msg_1"})
    assert worst(request, 10) == Amount(WINDOW + 1_000, pico_from_usd("5.025"))


def test_an_empty_prompt_has_its_answer() -> None:
    assert worst(request_of(max_tokens=7, messages=[]), 10).tokens == 7
