"""How alike two texts are by their letters: groups of three letters of each word, and words, hashed. No model.

A text becomes the counts of its features (logarithms of them, so that repeats weigh little). How rare a feature is, and so
how much it tells, is learned by the shelf that the texts stand on. Blind to synonyms, good at slips of the key and at
endings, in any language that writes with letters; of scripts without spaces the letters alone speak.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from heapq import nlargest
from math import log, log1p, sqrt
from zlib import crc32

import msgspec

from thriftgate.core.semantic.shelf import Vector

NAME = "lexical:1"
_WORD = re.compile(r"\w+")
TEXT_CHARS = 4_000
COMMON, COMMON_LEAST = 0.04, 20  # a feature of more than that share of all texts tells nothing, and takes most of the time

Sparse = dict[int, float]


def features(text: str) -> Sparse:
    """The features of a text, by their hashes, with their weights."""
    plain = unicodedata.normalize("NFKC", text[:TEXT_CHARS]).lower()
    counts: Counter[str] = Counter()
    last = ""
    for word in _WORD.findall(plain):
        padded = f" {word} "
        counts[f"w{word}"] += 1
        counts[f"b{last} {word}"] += 1
        last = word
        counts.update(padded[at : at + 3] for at in range(len(padded) - 2))
    return {crc32(feature.encode()): 1.0 + log1p(count - 1) for feature, count in counts.items()}


class LexicalIndex:
    """The features of many texts, by feature: the cosine of their counts, each weighed by how rare its feature is. How rare
    that is settles with the first so many texts."""

    def __init__(self) -> None:
        self._texts: list[Sparse] = []
        self._rarity: dict[int, float] = {}
        self._unseen = 1.0
        self._settled = False
        self._weighed = 0
        self._by_feature: dict[int, tuple[list[int], list[float]]] = {}

    def add(self, vector: Vector) -> None:
        assert isinstance(vector, dict)
        self._texts.append(vector)
        if not self._settled and len(self._texts) >= 2 * self._weighed:
            self._weigh()
        else:
            self._place(len(self._texts) - 1)

    def settle(self) -> None:
        if not self._settled:
            self._weigh()
            self._settled = True

    def alike(self, vector: Vector, most: int) -> tuple[Sequence[float], Sequence[int]]:
        assert isinstance(vector, dict)
        found = [0.0] * len(self._texts)
        for feature, weight in self._weighed_features(vector).items():
            places = self._by_feature.get(feature)
            if places is not None:
                for at, other in zip(*places, strict=True):
                    found[at] += weight * other
        return found, nlargest(most, range(len(found)), key=found.__getitem__)

    def kept(self) -> list[bytes]:
        return [msgspec.msgpack.encode(text) for text in self._texts]

    def restored(self, kept: bytes) -> Sparse:
        return msgspec.msgpack.decode(kept, type=Sparse)

    def _weigh(self) -> None:
        """Learn anew how rare each feature is, from all texts there are."""
        texts = len(self._texts)
        counts: Counter[int] = Counter()
        for text in self._texts:
            counts.update(text.keys())
        most = max(COMMON_LEAST, texts * COMMON)
        self._rarity = {
            feature: log((1 + texts) / (1 + count)) + 1 if count <= most else 0.0 for feature, count in counts.items()
        }
        self._unseen = log(1 + texts) + 1
        self._weighed = texts
        self._by_feature = {}
        for at in range(texts):
            self._place(at)

    def _place(self, at: int) -> None:
        for feature, weight in self._weighed_features(self._texts[at]).items():
            ids, weights = self._by_feature.setdefault(feature, ([], []))
            ids.append(at)
            weights.append(weight)

    def _weighed_features(self, text: Sparse) -> Sparse:
        rarity, unseen = self._rarity, self._unseen
        found = {feature: weight * rarity.get(feature, unseen) for feature, weight in text.items()}
        length = sqrt(sum(weight * weight for weight in found.values())) or 1.0
        return {feature: weight / length for feature, weight in found.items() if weight}
