"""Entries of calls that were not sent, or whose end nobody saw."""

from __future__ import annotations

import pytest

from tests.core.planning import request_of, state_of
from thriftgate.core.errors import InputError, PolicyRefusal, ThriftgateError, UnknownPrice
from thriftgate.core.plan import Policy
from thriftgate.core.planner import make_plan
from thriftgate.engine.unsent import Books, Opened, as_refusal, is_no_message, lost, refuse, refused
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Hold

BOOKS = Books("anthropic", "book-1", 99)
OPENED = Opened("tg_1", 7, "key_a", "anthropic.messages")
JSON = ((b"content-type", b"application/json"),)


def test_a_call_whose_process_was_killed_is_booked_at_its_forecast() -> None:
    entry = lost(Hold("tg_1", 7, "key_a", "m", worst_pico=50, forecast_pico=20), BOOKS)
    assert (entry.id, entry.opened_us, entry.settled_us, entry.key, entry.model) == ("tg_1", 7, 99, "key_a", "m")
    assert (entry.outcome, entry.resolution, entry.usage_source) == ("lost", "expire", "estimated")
    assert (-entry.posted(UPSTREAM), entry.posted(BASELINE), entry.balance()) == (20, 20, 0)
    assert (entry.provider, entry.price_book) == ("anthropic", "book-1")


def test_a_call_that_was_refused_cost_nothing_and_says_why() -> None:
    request = request_of()
    plan = make_plan(request, state_of(request), Policy(("count.guard",), cost_limit_pico=0))
    entry = refused(OPENED, "m", plan, PolicyRefusal("too dear"), BOOKS)
    assert (entry.outcome, entry.resolution, entry.usage_source, entry.note) == ("refused", "void", "none", "too dear")
    assert entry.decisions == plan.decisions
    assert entry.status == PolicyRefusal("x").status_hint
    assert entry.balance() == entry.posted(UPSTREAM) == 0
    assert refused(OPENED, "", None, InputError("what?"), BOOKS).decisions == ()


def test_refusing_is_raising() -> None:
    with pytest.raises(PolicyRefusal, match="too dear"):
        refuse("too dear")


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (UnknownPrice("x"), UnknownPrice, "x"),
        (RecursionError(), InputError, "the request body is nested too deeply"),
        (KeyError("secret prompt"), ThriftgateError, "thriftgate failed to plan this call: KeyError"),
    ],
)
def test_what_the_books_say_of_a_failure(raised: Exception, kind: type[Exception], words: str) -> None:
    error = as_refusal(raised)
    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize(
    ("body", "headers", "garbage"),
    [
        (b'{"content":[]}', JSON, False),
        (b'{"content":[]', JSON, True),
        (b"", JSON, True),
        (b"[]", JSON, True),
        (b'{"error":{}}', JSON, True),
        (b"[" * 100_000, JSON, True),
        (b"\xff", JSON, True),
        (b"\x1f\x8b", (*JSON, (b"content-encoding", b"gzip")), False),
        (b"", (*JSON, (b"content-encoding", b"identity")), True),
    ],
)
def test_what_no_client_could_read(body: bytes, headers: tuple[tuple[bytes, bytes], ...], garbage: bool) -> None:
    assert is_no_message(body, headers) is garbage
