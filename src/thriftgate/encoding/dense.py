"""Many vectors of one length, and how alike a new one is to each: the cosine, with NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thriftgate.core.errors import ConfigError
from thriftgate.core.semantic.shelf import Vector

ROUNDING = 1e-6


class DenseIndex:
    """Vectors of `size` numbers, brought to length 1 as they come. Raises ConfigError without NumPy."""

    def __init__(self, size: int) -> None:
        try:
            import numpy as np  # noqa: PLC0415  an extra
        except ImportError:
            raise ConfigError("encoders but lexical need NumPy: `pip install thriftgate[context]`") from None
        self._np = np
        self._size = size
        self._rows: Any = np.empty((64, size), dtype=np.float32)
        self._used = 0

    def add(self, vector: Vector) -> None:
        """Raises ValueError for a vector of another length."""
        row = self._row(vector)
        if self._used == len(self._rows):
            self._rows = self._np.concatenate([self._rows, self._np.empty_like(self._rows)])
        self._rows[self._used] = row
        self._used += 1

    def settle(self) -> None:
        return

    def alike(self, vector: Vector, most: int) -> tuple[Sequence[float], Sequence[int]]:
        found = self._rows[: self._used] @ self._row(vector)
        at = self._np.argpartition(-found, most)[:most] if most < self._used else self._np.arange(self._used)
        return found.tolist(), at[self._np.argsort(-found[at], kind="stable")].tolist()

    def kept(self) -> list[bytes]:
        return [row.tobytes() for row in self._rows[: self._used]]

    def restored(self, kept: bytes) -> Vector:
        found: list[float] = self._np.frombuffer(kept, dtype=self._np.float32).tolist()
        if len(found) != self._size:
            raise ValueError(f"a vector of {len(found)} numbers, not {self._size}")
        return found

    def _row(self, vector: Vector) -> Any:
        row = self._np.asarray(vector, dtype=self._np.float32)
        if row.shape != (self._size,):
            raise ValueError(f"a vector of {row.shape} numbers, not {self._size}")
        length = float(self._np.linalg.norm(row))
        return row if abs(length - 1) < ROUNDING else row / max(length, ROUNDING)  # what was kept comes back as it was
