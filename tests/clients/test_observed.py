"""What the client tests rely on: that a difference between the two sides of the gateway is seen."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.clients.observed import Exchange, Passed, check_untouched, lives

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def call(*, said: str = "Hello", name: str = "Bash", marks: tuple[Any, ...] = (MARK, MARK), status: int = 200) -> Exchange:
    """A call with a breakpoint on the system prompt, one on the message, and what else is asked for."""
    first, *others = marks
    texts = [{"type": "text", "text": said, "cache_control": mark} for mark in others]
    document = {
        "tools": [{"name": name}],
        "system": [{"type": "text", "text": "Be brief.", "cache_control": first}],
        "messages": [{"role": "user", "content": texts}, {"role": "system", "content": "More."}],
    }
    return Exchange("POST", "/v1/messages", {}, msgspec.json.encode(document), status)


def test_lives_are_read_in_the_providers_order() -> None:
    assert lives(call(marks=(HOUR, MARK)).document()) == ["1h", "5m"]


@pytest.mark.parametrize("mode", ["ttl-only", "add", "full"])
def test_a_longer_life_is_no_difference(mode: str) -> None:
    check_untouched(Passed(call(), call(marks=(HOUR, MARK))), mode=mode)


def test_a_free_breakpoint_is_one_for_ttl_only() -> None:
    sent = call()
    string = b'"content":"More."'
    block = b'"content":[{"type":"text","text":"More.","cache_control":{"type":"ephemeral"}}]'
    left = Exchange("POST", sent.path, {}, sent.body.replace(string, block), 200)
    assert left.body != sent.body
    check_untouched(Passed(sent, left), mode="add")
    with pytest.raises(AssertionError):
        check_untouched(Passed(sent, left), mode="ttl-only")


@pytest.mark.parametrize(
    "left",
    [
        call(said="Hallo"),
        call(name="bash"),
        call(marks=(MARK, HOUR)),
        call(marks=(MARK, MARK, MARK)),
        call(status=400),
    ],
)
@pytest.mark.parametrize("mode", ["", "ttl-only", "add", "full"])
def test_what_is_seen(left: Exchange, mode: str) -> None:
    with pytest.raises(AssertionError):
        check_untouched(Passed(call(), left), mode=mode)


def test_passing_through_changes_nothing_at_all() -> None:
    check_untouched(Passed(call(), call()), mode="")
    with pytest.raises(AssertionError):
        check_untouched(Passed(call(), call(marks=(HOUR, MARK))), mode="")


def test_too_many_breakpoints() -> None:
    five = (MARK,) * 5
    with pytest.raises(AssertionError):
        check_untouched(Passed(call(marks=five), call(marks=five)), mode="full")
