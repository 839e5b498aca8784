"""How conversations were asked for their answers: recognised, followed, forgotten, kept over a restart."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.core.planning import MODELS, prefix_of, request_of
from thriftgate.core.output.directive import LEVERS
from thriftgate.core.output.facts import Told
from thriftgate.core.output.rules import OutputRule
from thriftgate.engine import manners as module
from thriftgate.engine.manners import Manner, Manners, places

RULE = OutputRule("r", brevity="line", effort="low", cap=90, stop=("END",), until="json", schema=b"{}", repair=True)
MANNER = Manner(RULE, LEVERS)
USER, SAID = {"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}


def ends(*messages: dict[str, Any], key: str = "key_a", model: str = "m", **members: Any) -> list[bytes]:
    return places(prefix_of(request_of(messages=list(messages), **members)), key, model)


# --- places -----------------------------------------------------------------------------------------------------------


def test_a_place_behind_each_message() -> None:
    first = ends(USER)
    assert len(first) == 1
    later = ends(USER, SAID, {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]})
    assert len(later) == 3
    assert later[0] == first[0]
    assert len(set(later)) == 3


@pytest.mark.parametrize(
    "members",
    [
        {"thinking": {"type": "adaptive"}},
        {"output_config": {"effort": "low"}},
        {"tools": [], "tool_choice": {"type": "none"}},
        {"max_tokens": 7, "stream": True, "stop_sequences": ["x"]},
    ],
)
def test_parameters_of_the_call_change_no_place(members: dict[str, Any]) -> None:
    assert ends(USER, SAID, USER, **members) == ends(USER, SAID, USER)


def test_a_breakpoint_changes_no_place() -> None:
    block = {"type": "text", "text": "a"}
    marked = block | {"cache_control": {"type": "ephemeral"}}
    assert ends({"role": "user", "content": [marked]}) == ends({"role": "user", "content": [block]})


@pytest.mark.parametrize(
    "members", [{"system": "Sort."}, {"key": "key_b"}, {"model": "n"}, {"tools": [{"name": "a", "input_schema": {}}]}]
)
def test_what_stands_before_it_changes_every_place(members: dict[str, Any]) -> None:
    assert not set(ends(USER, SAID, USER, **members)) & set(ends(USER, SAID, USER))


# --- how a conversation goes on ---------------------------------------------------------------------------------------


def test_the_last_word_holds() -> None:
    known, other = Manners(), Manner(replace(RULE, brevity="word"), LEVERS)
    assert Manners().any is False
    assert known.of([b"a", b"b"]) is None
    known.note(b"a", MANNER)
    assert known.any
    assert known.of([b"x", b"a", b"b"]) == MANNER
    known.note(b"b", other)
    assert known.of([b"a", b"b", b"c"]) == other
    known.note(b"c", None)
    assert known.of([b"a", b"b", b"c", b"d"]) is None
    assert known.of([b"a", b"d"]) == MANNER


def test_what_belongs_to_the_call_follows_the_rule_that_it_meets() -> None:
    met = OutputRule("other", brevity="word", cap=5, stop=("X",), until="first_line", effort="max")
    going_on = MANNER.going_on(met, ("output.cap", "output.stop"))
    assert going_on.rule == replace(RULE, cap=5, stop=("X",), until="first_line")
    assert going_on.levers == (
        "output.cap",
        "output.stop",
        "output.brevity",
        "output.effort",
        "output.prefill",
        "output.schema",
    )
    assert MANNER.going_on(RULE, LEVERS) == MANNER


def test_without_a_rule_only_the_prompt_goes_on() -> None:
    going_on = MANNER.going_on(None, ())
    assert going_on.rule == replace(RULE, cap=0, stop=(), until="")
    assert set(going_on.levers) == {"output.brevity", "output.effort", "output.prefill", "output.schema"}


def test_whether_it_still_holds() -> None:
    assert MANNER.holds((RULE,), LEVERS)
    assert not MANNER.holds((replace(RULE, brevity="word"),), LEVERS)
    assert not MANNER.holds((RULE,), ("output.brevity",))
    assert Manner(RULE, ("output.brevity", "output.cap")).holds((RULE,), ("output.brevity",))  # a cap is the call's own


def test_a_conversation_begins_with_what_could_be_asked_of_it() -> None:
    told = {"output.effort": Told(True, "a"), "output.brevity": Told(False, "b"), "output.cap": Told(False, "c")}
    kept = {"output.effort", "output.cap", "output.stop", "output.early_stop"}
    assert set(MANNER.as_acting(told, MODELS["claude-opus-5-5"]).levers) == kept
    assert set(MANNER.as_acting(told, MODELS["claude-haiku-4-5"]).levers) == kept | {"output.prefill"}  # of the call alone


def test_names_tell_rules_and_levers_apart() -> None:
    names = {MANNER.name(), Manner(RULE, ()).name(), Manner(replace(RULE, name="s"), LEVERS).name()}
    assert len(names) == 3
    assert MANNER.name() == Manner(RULE, LEVERS).name()


# --- kept -------------------------------------------------------------------------------------------------------------


def test_kept_and_restored() -> None:
    known, fresh = Manners(), Manners()
    known.note(b"a", MANNER)
    known.note(b"b", None)
    known.note(b"c", Manner(replace(RULE, cap="learned"), ("output.cap",)))
    fresh.restore(known.kept())
    assert fresh.of([b"a"]) == MANNER
    assert fresh.of([b"a", b"b"]) is None
    assert fresh.of([b"c"]) == Manner(replace(RULE, cap="learned"), ("output.cap",))
    assert fresh.kept() == known.kept()


def test_rules_that_no_conversation_has_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONVERSATIONS", 4)
    known = Manners()
    for number in range(10):
        known.note(b"%d" % number, Manner(replace(RULE, name=str(number)), LEVERS))
    assert len(msgspec.msgpack.decode(known.kept())[0]) <= 4
    assert known.of([b"9"]) is not None
    assert known.of([b"0"]) is None


@pytest.mark.parametrize("data", [b"", b"x", msgspec.msgpack.encode([1, 2]), msgspec.msgpack.encode([{"a": 1}, []])])
def test_what_cannot_be_read_is_an_error(data: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        Manners().restore(data)
