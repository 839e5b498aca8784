"""The pieces of words that BERT models read: WordPiece, uncased, as in the tokenizer that those models were trained with
(github.com/google-research/bert `tokenization.py`; transformers `BertTokenizer`, both Apache-2.0, read 2026-11-22)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

UNKNOWN, FIRST, LAST = "[UNK]", "[CLS]", "[SEP]"
WORD_CHARS = 100  # of a longer word nothing is known
# Han characters are words of their own (the CJK blocks that the original names).
_HAN = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """One vocabulary: its pieces in order of their numbers. Raises ValueError for one without the marks of BERT."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        missing = [mark for mark in (UNKNOWN, FIRST, LAST) if mark not in self._numbers]
        if missing:
            raise ValueError(f"the vocabulary has no {', '.join(missing)}")

    def numbers(self, text: str, most: int) -> list[int]:
        """The pieces of a text between the marks of its beginning and its end, at most so many in all."""
        found = [self._numbers[FIRST]]
        for word in _words(text):
            if len(found) >= most - 1:
                break
            found += self._pieces(word)
        return [*found[: most - 1], self._numbers[LAST]]

    def _pieces(self, word: str) -> list[int]:
        if len(word) > WORD_CHARS:
            return [self._numbers[UNKNOWN]]
        found: list[int] = []
        at = 0
        while at < len(word):
            end = len(word)
            lead = "##" if at else ""
            while end > at and lead + word[at:end] not in self._numbers:
                end -= 1
            if end == at:
                return [self._numbers[UNKNOWN]]
            found.append(self._numbers[lead + word[at:end]])
            at = end
        return found


def _words(text: str) -> Iterator[str]:
    """Lower-case words without accents; punctuation and Han characters each by themselves."""
    word = ""
    for char in unicodedata.normalize("NFD", "".join(map(_cleaned, text)).lower()):
        category = unicodedata.category(char)
        if category == "Mn":
            continue
        if char.isspace() or _is_punctuation(char, category) or _is_han(char):
            if word:
                yield word
            word = ""
            if not char.isspace():
                yield char
        else:
            word += char
    if word:
        yield word


def _cleaned(char: str) -> str:
    if char in "\t\n\r":
        return " "
    if not ord(char) or ord(char) == 0xFFFD or unicodedata.category(char).startswith("C"):
        return ""
    return char


def _is_punctuation(char: str, category: str) -> bool:
    at = ord(char)
    return 33 <= at <= 47 or 58 <= at <= 64 or 91 <= at <= 96 or 123 <= at <= 126 or category.startswith("P")


def _is_han(char: str) -> bool:
    at = ord(char)
    return at >= 0x3400 and any(low <= at <= high for low, high in _HAN)
