"""A rewritten text is taken where it is shorter, and only there."""

from __future__ import annotations

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.adopt import shorter, tokens_of
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.tokens import estimate_text

CAPABILITY = Capabilities(id="any", source="", checked="")
PIECES = (Piece("user", "twelve words " * 12), Piece("user", "short"))


def test_only_what_is_shorter_is_taken() -> None:
    texts = {0: "twelve words " * 11, 1: "not so short at all"}
    assert shorter(PIECES, texts, CAPABILITY) == {0: "twelve words " * 11}


def test_the_same_and_the_empty_are_not_taken() -> None:
    assert shorter(PIECES, {0: PIECES[0].text, 1: " \n"}, CAPABILITY) == {}


def test_a_small_saving_in_a_long_text_is_seen() -> None:
    lines = [f"line {number} of the text, {number * 7919 % 1000} all told" for number in range(4000)]
    was = "\n".join(lines)
    now = "\n".join(lines[:2000] + lines[2001:])
    assert shorter([Piece("document", was)], {0: now}, CAPABILITY) == {0: now}
    assert tokens_of(now, "claude47") < tokens_of(was, "claude47")


def test_a_short_text_is_estimated_like_anywhere() -> None:
    assert tokens_of("äh, ja", "claude3") == estimate_text("äh, ja".encode(), "claude3").tokens
    assert tokens_of("", "claude3") == 0


def test_lone_surrogates_are_counted() -> None:
    assert tokens_of("a\ud800b", "claude47") > 0
