"""Names, tags and patterns: short, of one line."""

from __future__ import annotations

import pytest

from thriftgate.core.control.labels import checked_label, checked_patterns, checked_tags, fits, tags_of
from thriftgate.core.errors import InputError


def test_tags_of_a_header_are_each_once_and_in_order() -> None:
    assert tags_of(" eu, env=prod ,, eu", "header") == ("env=prod", "eu")
    assert tags_of("", "header") == ()
    assert checked_label(" a name ", "name") == "a name"


@pytest.mark.parametrize("text", ["", "   ", "a\nb", "a\x00", "a\u2028x", "x" * 101])
def test_labels_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError, match=r"^name: "):
        checked_label(text, "name")


def test_how_many_there_may_be() -> None:
    with pytest.raises(InputError, match="17 tags"):
        checked_tags(map(str, range(17)), "tags")
    with pytest.raises(InputError, match="comma"):
        checked_tags(["a,b"], "tags")
    with pytest.raises(InputError, match="101 patterns"):
        checked_patterns(map(str, range(101)), "models")
    assert checked_patterns(["b", "a", "b"], "models") == ("b", "a")


def test_patterns() -> None:
    assert fits((), "anything")
    assert fits(("claude-haiku-*", "x"), "claude-haiku-4-5")
    assert not fits(("claude-haiku-*",), "claude-opus-5-5")
