"""Messages as rewrites leave them: only what is really shorter, and only once."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.rewriting import SAVED_TOKENS_LEAST, Done, Rewriter, Taken
from thriftgate.pricing.load import load_models

MODEL = load_models()["claude-opus-4-8"]


def upper(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
    """Every word once."""
    return {at: " ".join(dict.fromkeys(piece.text.split())) for at, piece in enumerate(pieces)}


def broken(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
    raise RuntimeError("no")


def longer(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
    return {at: piece.text * 2 for at, piece in enumerate(pieces)}


REWRITES = {"a.once": upper, "a.broken": broken, "a.longer": longer}


def done(content: object, *levers: str, rewriter: Rewriter | None = None) -> Done:
    raw = msgspec.json.encode({"role": "user", "content": content})
    rewriter = rewriter or Rewriter(REWRITES)
    return rewriter.message(b"key" + raw, raw, b"", recipe=Recipe(levers), capability=MODEL)


def test_what_gets_shorter_is_taken() -> None:
    got = done("word " * 50, "a.once")
    assert msgspec.json.decode(got.raw)["content"] == "word"
    (taken,) = got.taken
    assert taken.lever == "a.once"
    assert taken.before > 40 > taken.after


def test_what_would_not_get_shorter_stays() -> None:
    raw = msgspec.json.encode({"role": "user", "content": "one two"})
    assert done("one two", "a.once", "a.longer") == Done(raw)


def test_one_that_raises_is_passed_over() -> None:
    got = done("word " * 50, "a.broken", "a.once")
    assert got.failed == (("a.broken", "RuntimeError"),)
    assert [one.lever for one in got.taken] == ["a.once"]


def test_each_acts_on_what_the_one_before_it_left() -> None:
    got = done("word " * 50, "a.once", "a.once")
    assert len(got.taken) == 1


def test_it_is_remembered_by_its_key() -> None:
    calls = []

    def counting(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
        calls.append(pieces)
        return upper(pieces, recipe, capability)

    rewriter = Rewriter({"a.once": counting})
    assert done("word " * 9, "a.once", rewriter=rewriter) is done("word " * 9, "a.once", rewriter=rewriter)
    assert len(calls) == 1


def test_a_system_prompt_that_is_a_string() -> None:
    raw = msgspec.json.encode("word " * 50)
    got = Rewriter(REWRITES).system(b"key", raw, recipe=Recipe(("a.once",)), capability=MODEL)
    assert got.raw == b'"word"'
    assert isinstance(got.taken[0], Taken)
    blocks = msgspec.json.encode([{"type": "text", "text": "word " * 50}])
    got = Rewriter(REWRITES).system(b"key", blocks, recipe=Recipe(("a.once",)), capability=MODEL)
    assert msgspec.json.decode(got.raw) == [{"type": "text", "text": "word"}]


def test_an_image_counts_as_one() -> None:
    """What is given back must be the source of one."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}}
    assert done([image], "a.longer").taken == ()
    assert done([image], "a.longer").failed == (("a.longer", "DecodeError"),)


def test_next_to_nothing_is_not_worth_touching_a_prompt() -> None:
    words = " ".join(f"word{at}" for at in range(400))
    assert done(f"{words} word1", "a.once").taken == ()  # a few tokens of a thousand
    (taken,) = done(" ".join([words, *words.split()[:4]]), "a.once").taken
    assert taken.before - taken.after >= SAVED_TOKENS_LEAST
    (taken,) = done("one two two", "a.once").taken  # of a short text it is much
    assert taken.before - taken.after < SAVED_TOKENS_LEAST
