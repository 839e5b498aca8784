"""A request body that comes in piece by piece: a short one stays in memory, a long one goes into a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from thriftgate.batch.sink import OutputError
from thriftgate.providers.transport import FileBody

MEMORY_BYTES = 2**20
_PREFIX = "upload_"


class Spool:
    """One body. `name` is unique; the file is there from the first piece that does not fit into memory until `drop`. Raises
    OutputError where it cannot be written."""

    def __init__(self, folder: Path, name: str, memory_bytes: int = MEMORY_BYTES) -> None:
        self.length = 0
        self._path = folder / f"{_PREFIX}{name}.json"
        self._memory_bytes = memory_bytes
        self._pieces: list[bytes] = []
        self._file: BinaryIO | None = None

    def add(self, piece: bytes) -> None:
        self.length += len(piece)
        if self._file is None and self.length <= self._memory_bytes:
            self._pieces.append(piece)
            return
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.touch(mode=0o600)
                self._file = self._path.open("wb")
                self._file.writelines(self._pieces)
                self._pieces = []
            self._file.write(piece)
        except OSError as error:
            raise OutputError(f"cannot keep the body until it is sent: {error.strerror}") from None

    def close(self) -> bytes | FileBody:
        """The whole body, ready to be sent."""
        if self._file is None:
            return b"".join(self._pieces)
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(f"cannot keep the body until it is sent: {error.strerror}") from None
        return FileBody(self._path, self.length)

    def drop(self) -> None:
        """It is not needed any more."""
        self._pieces = []
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)


def clear(folder: Path, is_alive: Callable[[str], bool]) -> None:
    """Remove bodies that dead processes left behind: none of them will be sent. `is_alive` tells by a body's name."""
    for path in folder.glob(f"{_PREFIX}*.json"):
        if not is_alive(path.stem.removeprefix(_PREFIX)):
            path.unlink(missing_ok=True)
