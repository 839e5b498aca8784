"""What a verb is given to read: a file, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from thriftgate.core.errors import InputError


def read_input(file: str) -> bytes:
    """All of it; - is standard input. Raises InputError."""
    if file == "-":
        return sys.stdin.buffer.read()
    if file.startswith("-"):
        raise InputError(f"unknown option {file}; to read a file of that name write ./{file}")
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from None


def named(file: str) -> str:
    """What errors call it."""
    return "standard input" if file == "-" else file
