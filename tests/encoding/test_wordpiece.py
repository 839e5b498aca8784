"""WordPiece as BERT's own tokenizer splits; what is pinned was worked out by its rules."""

from __future__ import annotations

import pytest

from thriftgate.encoding.wordpiece import WordPiece

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "want", "##ed", "cafe", "!", "中", "国", "a", "##a"]


def split(text: str, most: int = 100) -> list[str]:
    numbers = WordPiece(PIECES).numbers(text, most)
    assert numbers[0] == 2
    assert numbers[-1] == 3
    return [PIECES[number] for number in numbers[1:-1]]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("UNwanted", ["[UNK]"]),
        ("unaffable wanted!", ["un", "##aff", "##able", "want", "##ed", "!"]),
        ("Café", ["cafe"]),
        ("中国a", ["中", "国", "a"]),
        ("a\u0000a\tA", ["a", "##a", "a"]),
        ("xyz a", ["[UNK]", "a"]),
        ("a" * 101, ["[UNK]"]),
        ("", []),
    ],
)
def test_split(text: str, pieces: list[str]) -> None:
    assert split(text) == pieces


def test_a_long_text_is_cut() -> None:
    assert split("a a a a a", most=5) == ["a", "a", "a"]


def test_what_is_no_vocabulary_of_bert() -> None:
    with pytest.raises(ValueError, match=r"\[CLS\]"):
        WordPiece(["[UNK]", "[SEP]"])
