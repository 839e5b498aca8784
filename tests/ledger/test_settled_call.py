"""What the detectors see of an entry."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from tests.contracts.check_ledger import entry_of
from thriftgate.core.anomalies.call import Call
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import Outcome
from thriftgate.ledger.settled_call import call_of

SENT = entry_of(
    "a",
    paid=700,
    saved=300,
    settled_us=5_500_000,
    endpoint="anthropic.messages",
    task="triage",
    model="claude-haiku-5-5",
    conversation="c1",
    usage=Usage(Tokens(input=5, write_5m=20, write_1h=30, read=100, output=7)),
)


def test_an_entry_as_the_detectors_see_it() -> None:
    expected = Call(5.5, "key_a", "triage", "claude-haiku-5-5", 700, 9, 100, 50, 5, 7, "ok", "c1")
    assert call_of(SENT, 9) == expected


def test_what_a_batch_or_we_ourselves_asked_tells_nothing_of_the_pace() -> None:
    assert not call_of(SENT, 9).queued
    assert call_of(replace(SENT, mode="batch"), 9).queued
    ping = call_of(replace(SENT, endpoint="keepalive"), 9)
    assert ping.queued
    assert ping.task == "triage (keepalive)"
    assert call_of(replace(SENT, parent="z"), 9).task != "triage"


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_every_outcome_is_one_of_three(outcome: Outcome) -> None:
    ended = call_of(replace(SENT, outcome=outcome), 9).ended
    served = {"answered": "ok", "left": "ok", "refused": "refused", "lost": "refused"}
    assert ended == served.get(outcome, "error")


def test_the_model_that_served_counts() -> None:
    assert call_of(replace(SENT, served_model="claude-opus-5-5"), 9).model == "claude-opus-5-5"
