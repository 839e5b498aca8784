"""Vectors and their cosines."""

from __future__ import annotations

import pytest

from thriftgate.encoding.dense import DenseIndex


def test_cosines_the_nearest_first() -> None:
    index = DenseIndex(2)
    for at in range(100):
        index.add((1.0, at / 10))
    index.settle()
    alike, top = index.alike((2.0, 0.0), 3)
    assert list(top) == [0, 1, 2]
    assert alike[0] == pytest.approx(1.0)
    assert alike[10] == pytest.approx(0.5**0.5)
    assert len(alike) == 100
    assert list(index.alike((0.0, 1.0), 500)[1])[:2] == [99, 98]


def test_what_was_kept_is_the_same_index() -> None:
    index, again = DenseIndex(3), DenseIndex(3)
    for row in ((1.0, 2.0, 3.0), (0.0, 0.0, 0.0), (-1.0, 0.5, 0.25)):
        index.add(row)
    for kept in index.kept():
        again.add(again.restored(kept))
    assert again.alike((1.0, 1.0, 1.0), 2) == index.alike((1.0, 1.0, 1.0), 2)
    assert again.kept() == index.kept()


def test_vectors_of_another_length_are_refused() -> None:
    index = DenseIndex(3)
    with pytest.raises(ValueError, match="not 3"):
        index.add((1.0, 2.0))
    with pytest.raises(ValueError, match="not 3"):
        index.restored(b"\x00" * 8)
