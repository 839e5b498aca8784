"""A request body that is a file, read slice by slice as it is sent. All transports read it so.

Reading does not leave the event loop: a slice comes from the page cache in some 10 us, and handing it to a thread takes
eight times that. A disk that has to be waited for holds up the other calls for one slice, not for the file.
"""

from __future__ import annotations

import stat
from io import FileIO
from types import TracebackType

from thriftgate.core.errors import BrokenReply, Unreachable
from thriftgate.providers.transport import FileBody

SLICE_BYTES = 2**18  # of a large body handed over at once, so that encrypting it does not hold up the other calls


class FileSlices:
    """Its length is the bytes still to come. Holds the file open until the last of them is read, or until it is closed.

    Raises Unreachable for what cannot be opened, or is no file as long as the body says: nothing was sent yet. Messages name
    the file without its folder, since they can reach the caller of a gateway.
    """

    __slots__ = ("_file", "_left", "_name")

    def __init__(self, body: FileBody) -> None:
        self._name = body.path.name
        self._left = body.length
        self._file: FileIO | None = None
        try:
            state = body.path.stat()
            if stat.S_ISREG(state.st_mode) and state.st_size == body.length:  # to open a pipe would block
                self._file = body.path.open("rb", buffering=0)
        except (OSError, ValueError) as error:
            raise Unreachable(f"nothing was sent: the body {self._name} cannot be read: {_words(error)}") from None
        if self._file is None:
            raise Unreachable(f"nothing was sent: the body {self._name} is no file of {body.length} bytes")
        if not self._left:
            self.close()

    def __len__(self) -> int:
        return self._left

    def read(self) -> bytes:
        """The next slice, b"" behind the last. Raises BrokenReply where the file has become shorter or cannot be read."""
        if not self._left or self._file is None:
            return b""
        try:
            piece = self._file.read(min(SLICE_BYTES, self._left))
        except (OSError, ValueError) as error:  # ValueError: it was closed
            raise BrokenReply(f"the request broke off: its body {self._name} cannot be read: {_words(error)}") from None
        if not piece:
            raise BrokenReply(f"the request broke off: its body {self._name} has become {self._left} bytes shorter")
        self._left -= len(piece)
        if not self._left:
            self.close()
        return piece

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> FileSlices:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def check(body: bytes | FileBody) -> None:
    """Raises Unreachable for a file that cannot be sent, before anything else is tried."""
    if not isinstance(body, bytes):
        FileSlices(body).close()


def _words(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
