"""How conversations are sent: recognised by what was sent before, kept over a restart without a word of theirs."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.steps import Step
from thriftgate.engine.conversations import Conversations, Sent

RECIPE = Recipe(("compress.json",))


def test_the_latest_request_counts() -> None:
    known = Conversations()
    name = known.named(RECIPE)
    known.note(b"one", Sent(name))
    known.note(b"three", Sent(name, since=4))
    assert known.of([b"one", b"two", b"three", b"four"]) == Sent(name, since=4)
    assert known.of([b"one", b"two"]) == Sent(name)
    assert known.of([b"other"]) is None
    assert known.recipe(name) == RECIPE


def test_recipes_are_named_by_what_they_say() -> None:
    known = Conversations()
    assert known.named(RECIPE) == Conversations().named(Recipe(("compress.json",)))
    assert known.named(RECIPE) != known.named(Recipe(("compress.json",), json_drop_nulls=True))
    assert known.recipe("nothing") is None


@pytest.mark.parametrize("keeps_summaries", [False, True])
def test_it_survives_a_restart_and_summaries_only_where_they_may(keeps_summaries: bool) -> None:
    known = Conversations(keeps_summaries=keeps_summaries)
    name = known.named(RECIPE)
    window, summary = Step("window", 5, 9, head=1), Step("compact", 5, 9, text="a secret")
    known.note(b"one", Sent(name, step=window))
    known.note(b"two", Sent(name, step=summary))
    kept = known.kept()
    assert (b"a secret" in kept) is keeps_summaries
    again = Conversations(keeps_summaries=keeps_summaries)
    again.restore(kept)
    assert again.of([b"one"]) == Sent(name, step=window)
    assert again.of([b"two"]) == (Sent(name, step=summary) if keeps_summaries else None)
    assert again.recipe(name) == RECIPE


def test_what_an_older_version_began_is_not_taken_up() -> None:
    again = Conversations()
    again.restore(msgspec.msgpack.encode([0, {}, [(b"one", Sent("x"))]]))
    assert again.of([b"one"]) is None
    with pytest.raises(msgspec.MsgspecError):
        again.restore(b"\xc1")
