"""Labels from answers that nobody has judged."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import InputError
from thriftgate.quality.agreements import agreements
from thriftgate.quality.items import Item


def item(name: str, **answers: str) -> Item:
    request = {"max_tokens": 5, "messages": [{"role": "user", "content": "ask"}]}
    return Item(id=name, request=request, task="t", recorded=answers)


def test_the_strong_arm_is_right_and_others_where_they_agree() -> None:
    found = agreements([item("1", strong="Yes", cheap="yes."), item("2", strong="4", cheap="5")], "strong")
    assert [{arm: one.quality for arm, one in example.outcomes.items()} for example in found] == [
        {"strong": 1.0, "cheap": 1.0},
        {"strong": 1.0, "cheap": 0.0},
    ]
    assert (found[0].id, found[0].text, found[0].around.task) == ("1", "ask", "t")


def test_items_without_the_strong_arm_count_for_nothing() -> None:
    assert [one.id for one in agreements([item("1", cheap="a"), item("2", strong="b", cheap="b")], "strong")] == ["2"]
    with pytest.raises(InputError, match="none of 1 items holds an answer of strong"):
        agreements([item("1", cheap="a")], "strong")
